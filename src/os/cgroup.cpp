#include "os/cgroup.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <map>
#include <thread>

#include "os/detail/cgroup_files.h"
#include "os/files.h"

namespace coffer {
namespace {

using cgroup_detail::write_value;
using std::filesystem::path;

constexpr std::uint64_t kCpuPeriodMicroseconds = 100000;
constexpr std::size_t kFileMax = std::size_t{1} << 22;

Result<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc{} || end != text.data() + text.size()) {
    return Error{Code::Internal, "a control group's file holds no number"};
  }
  return value;
}

Result<std::uint64_t> read_number(const path& file) {
  COFFER_TRY(const std::string text, read_text(file, kFileMax));
  return parse_number(trim(text));
}

// The number after `key` in a file of "key number" lines, 0 when there is no such line.
Result<std::uint64_t> read_keyed(const path& file, std::string_view key) {
  COFFER_TRY(const std::string text, read_text(file, kFileMax));
  for (const auto& line : split(text, '\n')) {
    const auto words = split(line, ' ');
    if (words.size() == 2 && words[0] == key) return parse_number(words[1]);
  }
  return std::uint64_t{0};
}

std::uint64_t whole_pages(std::uint64_t bytes) {
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return bytes / page * page;
}

Result<> write_limit_v2(const path& group, Controller controller, const GroupLimits& limits) {
  switch (controller) {
    case Controller::Memory:
      COFFER_CHECK(write_value(group / "memory.max", std::to_string(limits.memory_bytes)));
      COFFER_CHECK(write_value(group / "memory.oom.group", "1"));
      // Absent where the kernel has no swap accounting; then doctor says so.
      (void)write_value(group / "memory.swap.max", "0");
      return {};
    case Controller::Pids:
      return write_value(group / "pids.max", std::to_string(limits.pids));
    case Controller::Cpu:
      return write_value(group / "cpu.max", std::to_string(limits.cpus * kCpuPeriodMicroseconds) +
                                                " " + std::to_string(kCpuPeriodMicroseconds));
  }
  std::abort();
}

Result<> write_limit_v1(const path& group, Controller controller, const GroupLimits& limits) {
  switch (controller) {
    case Controller::Memory: {
      const std::string bytes = std::to_string(limits.memory_bytes);
      COFFER_CHECK(write_value(group / "memory.limit_in_bytes", bytes));
      (void)write_value(group / "memory.memsw.limit_in_bytes", bytes);
      (void)write_value(group / "memory.swappiness", "0");
      return {};
    }
    case Controller::Pids:
      return write_value(group / "pids.max", std::to_string(limits.pids));
    case Controller::Cpu:
      COFFER_CHECK(
          write_value(group / "cpu.cfs_period_us", std::to_string(kCpuPeriodMicroseconds)));
      return write_value(group / "cpu.cfs_quota_us",
                         std::to_string(limits.cpus * kCpuPeriodMicroseconds));
  }
  std::abort();
}

// v1 tells of a full group through an eventfd that is registered in the group's own file.
Result<UniqueFd> watch_memory_v1(const path& group) {
  UniqueFd event{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  if (!event) return system_error("make an event", errno);
  const UniqueFd control{::open((group / "memory.oom_control").c_str(), O_RDONLY | O_CLOEXEC)};
  if (!control) return system_error("watch a memory limit", errno);
  COFFER_CHECK(write_value(group / "cgroup.event_control",
                           std::to_string(event.get()) + " " + std::to_string(control.get())));
  return event;
}

Result<std::uint64_t> cpus_in(const path& group, int version) {
  if (version == 1) {
    COFFER_TRY(const auto quota, read_number(group / "cpu.cfs_quota_us"));
    COFFER_TRY(const auto period, read_number(group / "cpu.cfs_period_us"));
    return quota / std::max<std::uint64_t>(period, 1);
  }
  COFFER_TRY(const std::string text, read_text(group / "cpu.max", kFileMax));
  const auto words = split(trim(text), ' ');
  if (words.size() != 2) return Error{Code::Internal, "cpu.max is not two numbers"};
  COFFER_TRY(const auto quota, parse_number(words[0]));
  COFFER_TRY(const auto period, parse_number(words[1]));
  return quota / std::max<std::uint64_t>(period, 1);
}

// The pid namespace as a number; empty when it cannot be told.
std::string pid_namespace() {
  std::error_code failed;
  const std::string link = std::filesystem::read_symlink("/proc/self/ns/pid", failed).string();
  const auto open = link.find('['), close = link.find(']');
  if (failed || open == std::string::npos || close == std::string::npos) return {};
  return link.substr(open + 1, close - open - 1);
}

// In clock ticks since the machine's start: field 22 of /proc/PID/stat, whose second field may hold
// anything.
std::optional<std::string> start_time(const std::string& process) {
  const auto text = read_text("/proc/" + process + "/stat", kFileMax);
  if (!text) return std::nullopt;
  const auto behind = text->rfind(") ");
  if (behind == std::string::npos) return std::nullopt;
  constexpr std::size_t kStartTime = 22 - 3;
  const auto words = split(std::string_view{*text}.substr(behind + 2), ' ');
  return words.size() > kStartTime ? std::optional{words[kStartTime]} : std::nullopt;
}

// Whose group it is, as its name tells: "SPACE.PID.START.name".
struct Owner {
  std::string space, pid, start;

  static Result<Owner> self() {
    const std::string pid = std::to_string(::getpid());
    auto start = start_time(pid);
    std::string space = pid_namespace();
    if (!start || space.empty()) {
      return Error{Code::FailedPrecondition,
                   "cell_unproven: limits (/proc does not show processes)"};
    }
    return Owner{std::move(space), pid, *std::move(start)};
  }
  static std::optional<Owner> of_group(const std::string& name) {
    const auto words = split(name, '.');
    if (words.size() < 4) return std::nullopt;
    return Owner{words[0], words[1], words[2]};
  }
  std::string name_group(const std::string& name) const {
    return join({space, pid, start, name}, ".");
  }
  bool lives() const { return start_time(pid) == start; }
};

}  // namespace

std::size_t Cgroups::sweep() const {
  const std::string space = pid_namespace();
  std::map<std::string, Group> left;
  for (const auto& base : bases_) {
    std::error_code unreadable;
    for (const auto& entry : std::filesystem::directory_iterator(base.base, unreadable)) {
      const std::string name = entry.path().filename();
      const auto owner = Owner::of_group(name);
      if (!owner || owner->space != space || owner->lives()) continue;
      Group& group = left.try_emplace(name, Group{}).first->second;
      if (std::find(group.made_.begin(), group.made_.end(), entry.path()) == group.made_.end()) {
        group.made_.push_back(entry.path());
      }
    }
  }
  for (auto& [name, group] : left) {
    for (std::size_t at = 0; at < bases_.size(); ++at) {
      group.versions_[at] = bases_[at].version;
      group.directories_[at] = bases_[at].base / name;
    }
  }
  return left.size();  // and each goes with its Group
}

Result<Group> Cgroups::create(const std::string& name, const GroupLimits& limits) const {
  COFFER_CHECK(usable());
  COFFER_TRY(const Owner owner, Owner::self());
  Group group;
  for (const Controller controller : kControllers) {
    const auto at = static_cast<std::size_t>(controller);
    group.versions_[at] = base(controller).version;
    group.directories_[at] = base(controller).base / owner.name_group(name);
    const path& directory = group.directories_[at];
    if (std::find(group.made_.begin(), group.made_.end(), directory) == group.made_.end()) {
      if (::mkdir(directory.c_str(), 0755) != 0) return system_error("make a control group", errno);
      group.made_.push_back(directory);
    }
    COFFER_CHECK(group.versions_[at] == 2 ? write_limit_v2(directory, controller, limits)
                                          : write_limit_v1(directory, controller, limits));
    if (group.versions_[at] == 2 && !group.v2_) {
      COFFER_TRY(group.v2_, open_directory(directory));
    }
  }
  if (group.versions_[0] == 1) {
    COFFER_TRY(group.memory_event_, watch_memory_v1(group.directory(Controller::Memory)));
  }
  COFFER_TRY(const GroupLimits found, group.read_back());
  if (found.memory_bytes != whole_pages(limits.memory_bytes) || found.pids != limits.pids ||
      found.cpus != limits.cpus) {
    return Error{Code::Internal, "the kernel holds other limits than were asked for"};
  }
  return group;
}

Group::~Group() { (void)remove(2s); }

Result<> Group::attach(pid_t pid) const {
  for (const Controller controller : kControllers) {
    if (versions_[static_cast<std::size_t>(controller)] != 1) continue;
    COFFER_CHECK(write_value(directory(controller) / "cgroup.procs", std::to_string(pid)));
  }
  return {};
}

Result<GroupLimits> Group::read_back() const {
  const path& memory = directory(Controller::Memory);
  COFFER_TRY(const auto bytes,
             read_number(memory / (versions_[0] == 1 ? "memory.limit_in_bytes" : "memory.max")));
  COFFER_TRY(const auto pids, read_number(directory(Controller::Pids) / "pids.max"));
  COFFER_TRY(const auto cpus, cpus_in(directory(Controller::Cpu), versions_[2]));
  return GroupLimits{bytes, static_cast<std::uint32_t>(pids), static_cast<std::uint32_t>(cpus)};
}

Result<bool> Group::holds(pid_t pid) const {
  for (const path& made : made_) {
    COFFER_TRY(const std::string text, read_text(made / "cgroup.procs", kFileMax));
    const auto members = split(text, '\n');
    if (std::find(members.begin(), members.end(), std::to_string(pid)) == members.end()) {
      return false;
    }
  }
  return true;
}

Result<std::uint64_t> Group::memory_kills() const {
  const path& memory = directory(Controller::Memory);
  return read_keyed(memory / (versions_[0] == 1 ? "memory.oom_control" : "memory.events"),
                    "oom_kill");
}

Result<std::uint64_t> Group::cpu_microseconds() const {
  if (versions_[2] == 2) return read_keyed(directory(Controller::Cpu) / "cpu.stat", "usage_usec");
  const path accounting = directory(Controller::Cpu) / "cpuacct.usage";
  if (!std::filesystem::exists(accounting)) return std::uint64_t{0};
  COFFER_TRY(const auto nanoseconds, read_number(accounting));
  return nanoseconds / 1000;
}

Result<> Group::kill() const {
  if (made_.empty()) return {};
  const path& pids = directory(Controller::Pids);
  if (versions_[1] == 2 && write_value(pids / "cgroup.kill", "1")) return {};
  // v1 has no such file: kill what is listed until nothing is. A fork bomb cannot outrun this, for
  // pids.max bounds it; setting that to 0 stops it at once.
  (void)write_value(pids / "pids.max", "0");
  COFFER_TRY(const std::string text, read_text(pids / "cgroup.procs", kFileMax));
  for (const auto& line : split(trim(text), '\n')) {
    if (line.empty()) continue;
    COFFER_TRY(const auto member, parse_number(line));
    if (member > 1) (void)::kill(static_cast<pid_t>(member), SIGKILL);
  }
  return {};
}

Result<> Group::remove(Duration timeout) {
  const Instant deadline = SystemClock{}.now() + timeout;
  while (!made_.empty()) {
    if (::rmdir(made_.back().c_str()) == 0 || errno == ENOENT) {
      made_.pop_back();
      continue;
    }
    if (errno != EBUSY) return system_error("remove a control group", errno);
    if (SystemClock{}.now() >= deadline) {
      return Error{Code::Unavailable, "a control group does not become empty"};
    }
    COFFER_CHECK(kill());
    std::this_thread::sleep_for(1ms);
  }
  return {};
}

}  // namespace coffer
