// Where groups can be made: the mounted hierarchies, and the base that belongs to this user.
#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>

#include "os/cgroup.h"
#include "os/detail/cgroup_files.h"
#include "os/files.h"

namespace coffer {
namespace {

using cgroup_detail::Hierarchy;
using std::filesystem::path;

constexpr std::size_t kProcFileMax = std::size_t{1} << 22;
constexpr std::string_view kBasePrefix = "coffer-";
constexpr const char* kOwnLeaf = "server";  // where processes are that make groups beside it

// "/sys/fs/cgroup" of a mountinfo line, its octal escapes undone.
std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      out +=
          static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + text[i + 3] - '0');
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

bool contains(const std::vector<std::string>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

std::vector<std::string> words_of(const path& file) {
  const auto text = read_text(file, kProcFileMax);
  return text ? split(trim(*text), ' ') : std::vector<std::string>{};
}

bool may_make_groups(const path& directory) {
  return ::access(directory.c_str(), W_OK | X_OK) == 0 &&
         ::access((directory / "cgroup.procs").c_str(), W_OK) == 0;
}

std::vector<std::string> base_names() {
  const uid_t uid = ::geteuid();
  if (uid == 0) return {"coffer"};
  const std::string prefix{kBasePrefix};
  std::vector<std::string> names{prefix + std::to_string(uid)};
  std::array<char, 4096> space{};
  passwd record{};
  passwd* found = nullptr;
  if (::getpwuid_r(uid, &record, space.data(), space.size(), &found) == 0 && found != nullptr) {
    names.insert(names.begin(), prefix + record.pw_name);
  }
  return names;
}

// Makes `controllers` available to the groups below `directory`.
bool enable(const path& directory, const std::vector<std::string>& controllers) {
  const auto enabled = words_of(directory / "cgroup.subtree_control");
  return std::all_of(controllers.begin(), controllers.end(), [&](const std::string& name) {
    return contains(enabled, name) ||
           cgroup_detail::write_value(directory / "cgroup.subtree_control", "+" + name).has_value();
  });
}

// Our own place in the v2 hierarchy, by /proc/self/cgroup.
std::optional<path> own_v2(const path& mount) {
  const auto text = read_text("/proc/self/cgroup", kProcFileMax);
  if (!text) return std::nullopt;
  for (const auto& line : split(*text, '\n')) {
    if (line.starts_with("0::/")) return mount / line.substr(4);
  }
  return std::nullopt;
}

// A process may only go where its user owns the way: the groups must hang below one that is ours,
// and no process may stay in a group that hands controllers down.
std::optional<path> delegated_v2(const path& mount, const std::vector<std::string>& controllers) {
  const auto own = own_v2(mount);
  if (!own) return std::nullopt;
  path subtree = *own;
  if (subtree.filename() == kOwnLeaf) subtree = subtree.parent_path();
  if (!may_make_groups(subtree)) return std::nullopt;
  const auto available = words_of(subtree / "cgroup.controllers");
  for (const auto& name : controllers) {
    if (!contains(available, name)) return std::nullopt;
  }
  if (subtree == *own) {
    const path leaf = subtree / kOwnLeaf;
    if (::mkdir(leaf.c_str(), 0755) != 0 && errno != EEXIST) return std::nullopt;
    const auto processes = read_text(subtree / "cgroup.procs", kProcFileMax);
    if (!processes) return std::nullopt;
    for (const auto& process : split(trim(*processes), '\n')) {
      (void)cgroup_detail::write_value(leaf / "cgroup.procs", process);  // one may just have ended
    }
  }
  if (!enable(subtree, controllers)) return std::nullopt;
  return subtree;
}

std::optional<path> v2_base(const Hierarchy& hierarchy,
                            const std::vector<std::string>& controllers) {
  if (::geteuid() != 0) return delegated_v2(hierarchy.mount, controllers);
  path base = hierarchy.mount / "coffer";
  if (enable(hierarchy.mount, controllers) &&
      (::mkdir(base.c_str(), 0755) == 0 || errno == EEXIST) && enable(base, controllers)) {
    return base;
  }
  return delegated_v2(hierarchy.mount, controllers);
}

// What makes a hierarchy of this version usable. On v2 no gift of root's helps a process that runs
// elsewhere: it has to be started inside a subtree of its user's.
std::string mend_of(int version) {
  if (::geteuid() == 0) return "mount cgroup v2 at /sys/fs/cgroup, writable";
  if (version == 2) return "systemd-run --user --scope -p Delegate=yes coffer …";
  return "sudo coffer host prepare --user " + base_names().front().substr(kBasePrefix.size());
}

std::optional<path> v1_base(const Hierarchy& hierarchy) {
  for (const auto& name : base_names()) {
    path base = hierarchy.mount / name;
    if (::geteuid() == 0 && ::mkdir(base.c_str(), 0755) != 0 && errno != EEXIST) continue;
    if (may_make_groups(base)) return base;
  }
  return std::nullopt;
}

}  // namespace

namespace cgroup_detail {

std::vector<Hierarchy> hierarchies() {
  std::vector<Hierarchy> found;
  const auto text = read_text("/proc/self/mountinfo", kProcFileMax);
  if (!text) return found;
  for (const auto& line : split(*text, '\n')) {
    const auto separator = line.find(" - ");
    if (separator == std::string::npos) continue;
    const auto left = split(std::string_view{line}.substr(0, separator), ' ');
    const auto right = split(std::string_view{line}.substr(separator + 3), ' ');
    if (left.size() < 5 || right.size() < 3) continue;
    const path mount{unescape(left[4])};
    if (right[0] == "cgroup") found.push_back({1, mount, split(right[2], ',')});
    if (right[0] == "cgroup2") {
      found.push_back({2, mount, words_of(mount / "cgroup.controllers")});
    }
  }
  return found;
}

Result<> write_value(const path& file, std::string_view value) {
  COFFER_TRY(const UniqueFd directory, open_directory(file.parent_path()));
  COFFER_TRY(const UniqueFd fd, open_beneath(directory.get(), file.filename(), O_WRONLY));
  return write_all(fd.get(), bytes_of(value));
}

}  // namespace cgroup_detail

const char* name_of(Controller controller) {
  switch (controller) {
    case Controller::Memory:
      return "memory";
    case Controller::Pids:
      return "pids";
    case Controller::Cpu:
      return "cpu";
  }
  std::abort();
}

Cgroups Cgroups::detect() {
  const auto hierarchies = cgroup_detail::hierarchies();
  const auto holder = [&](Controller controller) {
    return std::find_if(hierarchies.begin(), hierarchies.end(), [&](const Hierarchy& hierarchy) {
      return contains(hierarchy.controllers, name_of(controller));
    });
  };
  std::vector<std::string> of_v2;
  for (const Controller controller : kControllers) {
    const auto found = holder(controller);
    if (found != hierarchies.end() && found->version == 2) of_v2.emplace_back(name_of(controller));
  }
  Cgroups cgroups;
  std::optional<path> v2;  // asked once: it may move this process
  bool v2_asked = false;
  for (const Controller controller : kControllers) {
    ControllerBase& base = cgroups.bases_[static_cast<std::size_t>(controller)];
    const auto found = holder(controller);
    if (found == hierarchies.end()) {
      base.problem = "the kernel offers no such controller";
      base.mend = "a kernel with it, and cgroup v2 mounted at /sys/fs/cgroup";
      continue;
    }
    if (found->version == 2 && !std::exchange(v2_asked, true)) v2 = v2_base(*found, of_v2);
    const auto place = found->version == 2 ? v2 : v1_base(*found);
    if (place) {
      base.version = found->version;
      base.base = *place;
    } else {
      base.problem = found->version == 2 ? "this process runs in no cgroup v2 subtree of its own"
                                         : "no group of this user in cgroup v1";
      base.mend = mend_of(found->version);
    }
  }
  return cgroups;
}

Result<> Cgroups::usable() const {
  std::vector<std::string> missing, mends;
  for (const Controller controller : kControllers) {
    const ControllerBase& place = base(controller);
    if (place.version != 0) continue;
    missing.push_back(std::string(name_of(controller)) + " (" + place.problem + ")");
    if (!contains(mends, place.mend)) mends.push_back(place.mend);
  }
  if (missing.empty()) return {};
  return Error{Code::FailedPrecondition,
               "cannot limit " + join(missing, ", ") + "; mended by: " + join(mends, ", and ")};
}

Result<std::vector<std::string>> delegate_groups(const std::string& base_name, uid_t uid,
                                                 gid_t gid) {
  if (::geteuid() != 0) return Error{Code::Denied, "only root can hand out control groups"};
  std::vector<std::string> done;
  for (const auto& hierarchy : cgroup_detail::hierarchies()) {
    std::vector<std::string> wanted;
    for (const Controller controller : kControllers) {
      if (contains(hierarchy.controllers, name_of(controller))) {
        wanted.emplace_back(name_of(controller));
      }
    }
    if (wanted.empty()) continue;
    const path base = hierarchy.mount / base_name;
    if (::mkdir(base.c_str(), 0755) != 0 && errno != EEXIST) {
      return system_error("make " + base.string(), errno);
    }
    if (hierarchy.version == 2 && (!enable(hierarchy.mount, wanted) || !enable(base, wanted))) {
      return Error{Code::FailedPrecondition,
                   "cannot hand down " + join(wanted, ", ") + " from " + hierarchy.mount.string()};
    }
    std::vector<path> owned{base, base / "cgroup.procs"};
    if (hierarchy.version == 2) {
      owned.push_back(base / "cgroup.subtree_control");
      owned.push_back(base / "cgroup.threads");
    }
    for (const auto& file : owned) {
      if (::chown(file.c_str(), uid, gid) != 0) return system_error("give " + file.string(), errno);
    }
    done.push_back(base.string() + " (" + join(wanted, ", ") + ")");
  }
  if (done.empty()) {
    return Error{Code::FailedPrecondition,
                 "no cgroup hierarchy with memory, pids or cpu is mounted"};
  }
  return done;
}

Result<> enter_delegated_groups(const std::string& base_name, uid_t uid, gid_t gid) {
  for (const auto& hierarchy : cgroup_detail::hierarchies()) {
    const path base = hierarchy.mount / base_name;
    if (hierarchy.version != 2 || ::access(base.c_str(), F_OK) != 0) continue;
    const path leaf = base / kOwnLeaf;
    if (::mkdir(leaf.c_str(), 0755) != 0 && errno != EEXIST) {
      return system_error("make " + leaf.string(), errno);
    }
    for (const auto& file : {leaf, leaf / "cgroup.procs"}) {
      if (::chown(file.c_str(), uid, gid) != 0) return system_error("give " + file.string(), errno);
    }
    COFFER_CHECK(cgroup_detail::write_value(leaf / "cgroup.procs", std::to_string(::getpid())));
  }
  return {};
}

}  // namespace coffer
