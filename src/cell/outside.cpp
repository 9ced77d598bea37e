#include "cell/detail/outside.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "os/files.h"

namespace coffer::cell::detail {
namespace {

bool same_namespace(pid_t pid, const char* kind) {
  struct stat theirs {};
  struct stat ours {};
  return ::stat(fmt::format("/proc/{}/ns/{}", pid, kind).c_str(), &theirs) != 0 ||
         ::stat(fmt::format("/proc/self/ns/{}", kind).c_str(), &ours) != 0 ||
         (theirs.st_ino == ours.st_ino && theirs.st_dev == ours.st_dev);
}

Result<> check_namespaces(const OutsideView& view) {
  for (const char* kind : {"user", "mnt", "pid", "net", "ipc", "uts", "cgroup", "time"}) {
    if (view.profile == Profile::Builder && std::strcmp(kind, "net") == 0) continue;
    if (same_namespace(view.pid, kind)) return unproven(Wall::Namespaces, kind);
  }
  return {};
}

// The words after "NAME:" in /proc/PID/status, tabs and spaces alike.
std::vector<std::string> field(const std::string& status, std::string_view name) {
  for (const auto& line : split(status, '\n')) {
    if (!line.starts_with(std::string(name) + ":")) continue;
    std::string rest = line.substr(name.size() + 1);
    std::replace(rest.begin(), rest.end(), '\t', ' ');
    std::vector<std::string> words;
    for (const auto& word : split(rest, ' ')) {
      if (!word.empty()) words.push_back(word);
    }
    return words;
  }
  return {};
}

Result<> check_status(const OutsideView& view) {
  COFFER_TRY(const std::string status,
             read_text(fmt::format("/proc/{}/status", view.pid), 1U << 16));
  const auto all = [&](std::string_view name, std::uint32_t id) {
    return field(status, name) == std::vector<std::string>(4, std::to_string(id));
  };
  if (!all("Uid", view.seen_uid) || !all("Gid", view.seen_gid)) return unproven(Wall::Identity);
  for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"}) {
    const auto value = field(status, set);
    if (value.size() != 1 || value[0].find_first_not_of('0') != std::string::npos) {
      return unproven(Wall::KernelStatus, set);
    }
  }
  if (field(status, "NoNewPrivs") != std::vector<std::string>{"1"}) {
    return unproven(Wall::KernelStatus, "NoNewPrivs");
  }
  if (field(status, "Seccomp") != std::vector<std::string>{"2"}) {
    return unproven(Wall::KernelStatus, "Seccomp");
  }
  return {};
}

Result<> check_group(const OutsideView& view, const Group& group) {
  COFFER_TRY(const bool inside, group.holds(view.pid));
  if (!inside) return unproven(Wall::GroupMembership);
  COFFER_TRY(const GroupLimits found, group.read_back());
  // The kernel keeps memory in whole pages, so it may hold less than was asked, never more.
  if (found.memory_bytes > view.limits.memory_bytes || found.memory_bytes == 0 ||
      found.pids != view.limits.pids || found.cpus != view.limits.cpus) {
    return unproven(Wall::Limits);
  }
  return {};
}

struct StepText {
  Step step;
  const char* wall;
  const char* mend;
};
constexpr std::array kSteps{
    StepText{Step::Wait, "user namespaces", ""},
    StepText{Step::Identity, "user namespaces", ""},
    StepText{Step::ParentDeath, "end with the supervisor", ""},
    StepText{Step::CgroupNamespace, "cgroup namespaces", "a kernel with CONFIG_CGROUPS"},
    StepText{Step::Propagation, "mounts", ""},
    StepText{Step::Proc, "its own /proc", "a /proc of this machine that nothing covers"},
    StepText{Step::ProcMasks, "masks of /proc", "Linux 5.12 or later"},
    StepText{Step::Pivot, "its own root", ""},
    StepText{Step::HostName, "its own host name", ""},
    StepText{Step::Limits, "resource limits", ""},
    StepText{Step::Capabilities, "no capabilities", ""},
    StepText{Step::Descriptors, "no inherited descriptors", "Linux 5.9 or later"},
    StepText{Step::Landlock, "landlock", "Linux 5.13 or later with lsm=landlock"},
    StepText{Step::Filter, "seccomp", "a kernel with CONFIG_SECCOMP_FILTER"},
    StepText{Step::Execute, "its first process",
             "memory files that may be executed: "
             "sysctl -w vm.memfd_noexec=0"}};

}  // namespace

Result<> check_from_outside(const OutsideView& view, const Group& group) {
  COFFER_CHECK(check_namespaces(view));
  COFFER_CHECK(check_status(view));
  return check_group(view, group);
}

Error unproven(Wall wall, std::string_view found) {
  std::string text = fmt::format("cell_unproven: {}", name_of(wall));
  if (!found.empty()) text += fmt::format(" ({})", found);
  return {Code::FailedPrecondition, text + "; `coffer doctor` says what this machine lacks"};
}

Error unproven(const StepFailure& failure) {
  for (const StepText& known : kSteps) {
    if (known.step != failure.step) continue;
    std::string text = fmt::format("cell_unproven: {}", known.wall);
    if (*known.mend != '\0') text += fmt::format("; mended by: {}", known.mend);
    return {Code::FailedPrecondition, text, std::strerror(static_cast<int>(failure.error_number))};
  }
  return {Code::Internal, "a cell failed at an unknown step"};
}

}  // namespace coffer::cell::detail
