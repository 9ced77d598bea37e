// Limits on memory, processes and processor time of a tree of processes, and its certain end.
//
// Works on cgroup v2, or for each of memory, pids and cpu on its v1 hierarchy where v2 lacks it.
// Groups lie below one base per user: `coffer` for root, else `coffer-NAME` or `coffer-UID`, which
// `coffer host prepare --user NAME` makes and gives to that user; on v2 a user's processes must
// already run inside a subtree that is theirs (then the base is where they are).
// Invariants: a Group's limits were read back right after they were written; swap is not used
// beyond the memory limit where the kernel can say so. A Group is killed and removed on
// destruction; one whose process was killed before that is found by its name, which tells its owner
// (pid namespace, pid and start time, so that a pid used again is not mistaken), and swept. Units:
// bytes, whole processors, processes and threads together. Errors: FailedPrecondition (a limit
// cannot be enforced here; message names the controller and the command that mends it), Unavailable
// (the group is not empty yet), Internal. Thread-safety: none. Source: Linux
// Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/{memory,pids}.rst.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace coffer {

struct GroupLimits {
  std::uint64_t memory_bytes{};
  std::uint32_t pids{};
  std::uint32_t cpus{};
  friend bool operator==(const GroupLimits&, const GroupLimits&) = default;
};

enum class Controller : std::uint8_t { Memory, Pids, Cpu };
inline constexpr std::array kControllers{Controller::Memory, Controller::Pids, Controller::Cpu};
const char* name_of(Controller controller);

// Where one controller's groups are made, or why they cannot be.
struct ControllerBase {
  int version{0};              // 1 or 2; 0: not usable
  std::filesystem::path base;  // directory below which this process may make groups
  std::string problem;         // when version is 0, and
  std::string mend;            // what a user may type or do against it
};

class Group;

// What this process may limit. A plain value: detect once, pass it to forked helpers.
class Cgroups {
 public:
  // Makes root's base if it is missing. Never an error: what is not usable says so.
  static Cgroups detect();

  const ControllerBase& base(Controller controller) const {
    return bases_[static_cast<std::size_t>(controller)];
  }
  // Errors: FailedPrecondition, naming every controller that is missing and what mends it.
  Result<> usable() const;
  // `name`: unique among this process's live groups. Errors: as above; AlreadyExists.
  Result<Group> create(const std::string& name, const GroupLimits& limits) const;
  // Kills and removes the groups of processes of this pid namespace that are no more. Returns how
  // many went.
  std::size_t sweep() const;

 private:
  std::array<ControllerBase, 3> bases_;
};

class Group {
 public:
  Group(Group&&) noexcept = default;
  Group& operator=(Group&&) = delete;
  ~Group();

  // For clone3 with CLONE_INTO_CGROUP; -1 on v1, where attach() puts the process in.
  int clone_fd() const { return v2_.get(); }
  // Puts the process into every v1 group. It must not have started working yet.
  Result<> attach(pid_t pid) const;
  // Errors: Internal (the kernel's numbers differ from what was asked).
  Result<GroupLimits> read_back() const;
  // Whether `pid` is in all groups. Read from /proc, so from outside the tree.
  Result<bool> holds(pid_t pid) const;
  // How often the kernel killed something here for want of memory.
  Result<std::uint64_t> memory_kills() const;
  // Readable when the memory limit was hit so that nothing but a kill was left; -1: poll
  // memory_kills() instead.
  int memory_event_fd() const { return memory_event_.get(); }
  Result<std::uint64_t> cpu_microseconds() const;
  Result<> kill() const;              // SIGKILL to all, again until none is left
  Result<> remove(Duration timeout);  // kill(), then take the directories away

 private:
  friend class Cgroups;
  Group() = default;
  const std::filesystem::path& directory(Controller controller) const {
    return directories_[static_cast<std::size_t>(controller)];
  }
  std::array<std::filesystem::path, 3> directories_;
  std::array<int, 3> versions_{};
  std::vector<std::filesystem::path> made_;  // each once
  UniqueFd v2_;
  UniqueFd memory_event_;
};

// What `coffer host prepare` did or found, one line each.
// Makes the base of that user on v1 hierarchies and on v2 and gives it to uid and gid. Idempotent.
// Errors: Denied (not root), FailedPrecondition (no cgroup file system).
Result<std::vector<std::string>> delegate_groups(const std::string& base_name, uid_t uid,
                                                 gid_t gid);
// Moves this process, which is still root, to where it may make groups as `uid`: on v2 a process
// must already be inside the subtree of its user. Errors: as above.
Result<> enter_delegated_groups(const std::string& base_name, uid_t uid, gid_t gid);

}  // namespace coffer
