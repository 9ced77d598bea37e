#include "cell/host.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/json.h"
#include "os/confine.h"
#include "os/files.h"

namespace coffer::cell {
namespace {

constexpr std::uint64_t kTrialMemory = std::uint64_t{64} << 20;
constexpr const char* kSettingsFile = "/etc/sysctl.d/60-coffer.conf";

WallState limit_state(const Cgroups& cgroups, Controller controller) {
  const ControllerBase& base = cgroups.base(controller);
  const std::string wall = std::string(name_of(controller)) + " limit";
  if (base.version != 0) {
    return {.wall = wall,
            .held = Held::Held,
            .required = true,
            .detail = fmt::format("cgroup v{} at {}", base.version, base.base.string()),
            .mend = {}};
  }
  return {.wall = wall,
          .held = Held::Missing,
          .required = true,
          .detail = base.problem,
          .mend = base.mend};
}

WallState landlock_state() {
  const int abi = landlock_abi();
  return {.wall = "landlock",
          .held = abi >= 1 ? Held::Held : Held::Missing,
          .required = true,
          .detail = abi >= 1 ? fmt::format("ABI {}", abi) : "the kernel has none",
          .mend = abi >= 1 ? "" : "a kernel from 5.13 on with lsm=landlock in its command line"};
}

WallState swap_state() {
  const auto swaps = read_text("/proc/swaps", 1 << 16);
  const bool none = swaps && std::count(swaps->begin(), swaps->end(), '\n') <= 1;
  return {.wall = "no swap",
          .held = none ? Held::Held : Held::Missing,
          .required = false,
          .detail = none ? "nothing of a cell's memory reaches a disk"
                         : "plain data of a cell may reach the swap device",
          .mend = none ? "" : "swapoff -a, or an encrypted swap"};
}

// What a real cell's self-test found, or why it could not be made.
Result<Json> try_cell(const Cgroups& cgroups, const std::filesystem::path& scratch) {
  COFFER_TRY(const Launcher launcher, Launcher::create(cgroups));
  COFFER_TRY(const ByteVector record,
             supervised({.mount_point = scratch}, [&](Stage& stage) -> Result<ByteVector> {
               Spec spec;
               spec.argv = {"/nothing"};  // it is proved and never started
               spec.out_bytes = std::uint64_t{1} << 20;
               spec.resources = {.memory_bytes = kTrialMemory,
                                 .cpus = 1,
                                 .pids = 16,
                                 .time = std::chrono::seconds{10},
                                 .tmp_bytes = std::uint64_t{1} << 20,
                                 .shm_bytes = std::uint64_t{1} << 20,
                                 .entries_max = 100};
               std::string proved;
               auto ended = launcher.run(stage, spec, [&](const Proof& proof) -> Result<> {
                 proved = proof.record;
                 return Error{Code::Cancelled, "proved"};
               });
               if (proved.empty()) return std::move(ended).error();
               const ByteView bytes = bytes_of(proved);
               return ByteVector(bytes.begin(), bytes.end());
             }));
  return Json::parse(text_of(record));
}

// A setting of the kernel that ordinary users' namespaces need; absent on most kernels.
struct Setting {
  const char* file;
  const char* name;
  std::string_view refuses;  // the value that forbids them
  const char* permits;
};
constexpr std::array kSettings{
    Setting{"/proc/sys/user/max_user_namespaces", "user.max_user_namespaces", "0", "10000"},
    Setting{"/proc/sys/kernel/unprivileged_userns_clone", "kernel.unprivileged_userns_clone", "0",
            "1"},
    Setting{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
            "kernel.apparmor_restrict_unprivileged_userns", "1", "0"},
};

// Now, and at every start of the machine.
Result<std::vector<std::string>> permit_namespaces() {
  std::vector<std::string> done;
  std::string lines;
  for (const auto& setting : kSettings) {
    const auto value = read_text(setting.file, 64);
    if (!value || trim(*value) != setting.refuses) continue;
    const UniqueFd file{::open(setting.file, O_WRONLY | O_CLOEXEC)};
    if (!file) return system_error(std::string("change ") + setting.name, errno);
    COFFER_CHECK(write_all(file.get(), bytes_of(setting.permits)));
    lines += fmt::format("{} = {}\n", setting.name, setting.permits);
    done.push_back(
        fmt::format("{} set to {}, and kept in {}", setting.name, setting.permits, kSettingsFile));
  }
  if (!lines.empty()) COFFER_CHECK(write_text(kSettingsFile, lines, 0644));
  return done;
}

}  // namespace

std::vector<WallState> examine(const Cgroups& cgroups, const std::filesystem::path& scratch) {
  std::vector<WallState> states;
  for (const Controller controller : kControllers)
    states.push_back(limit_state(cgroups, controller));
  states.push_back(landlock_state());
  states.push_back(swap_state());
  auto proof = try_cell(cgroups, scratch);
  if (!proof) {
    const std::string& message = proof.error().message;
    const auto mend = message.find("; mended by: ");
    states.push_back({.wall = "a whole cell",
                      .held = Held::Missing,
                      .required = true,
                      .detail = message.substr(0, mend),
                      .mend = mend == std::string::npos ? "" : message.substr(mend + 13)});
    return states;
  }
  for (const auto& wall : *(*proof)["walls"].as_array()) {
    std::string name = *wall.as_string();
    std::replace(name.begin(), name.end(), '_', ' ');
    states.push_back({.wall = std::move(name),
                      .held = Held::Held,
                      .required = true,
                      .detail = "tried inside a cell, just now",
                      .mend = {}});
  }
  return states;
}

Result<std::vector<std::string>> prepare(const std::string& user) {
  if (::geteuid() != 0) {
    return Error{Code::Denied,
                 "only root can prepare a machine: sudo coffer host prepare --user " + user};
  }
  const passwd* record = ::getpwnam(user.c_str());
  if (record == nullptr) return Error{Code::NotFound, "there is no user " + printable(user, 64)};
  COFFER_TRY(std::vector<std::string> done,
             delegate_groups("coffer-" + user, record->pw_uid, record->pw_gid));
  for (auto& line : done) line = "control groups at " + line;
  COFFER_TRY(const auto settings, permit_namespaces());
  done.insert(done.end(), settings.begin(), settings.end());
  if (Cgroups::detect().base(Controller::Memory).version == 2) {
    done.emplace_back("cgroup v2: start coffer inside a subtree of " + user +
                      "'s own: systemctl --user start coffer, or"
                      " systemd-run --user --scope -p Delegate=yes coffer server …");
  } else {
    done.emplace_back("control groups end with the machine: run this again after it restarted");
  }
  return done;
}

}  // namespace coffer::cell
