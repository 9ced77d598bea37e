#include "cell/detail/child.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/landlock.h>
#include <linux/mount.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <string>

namespace coffer::cell::detail {
namespace {

// Above every place that a descriptor of the first process has.
constexpr int kParkingFirst = 64;

class Child {
 public:
  explicit Child(const ChildPlan& plan) : plan_(plan) {}

  // The order is the design: each step needs a right that a later step gives up.
  [[noreturn]] void enter() {
    wait_until_mapped();
    take_identity();
    mount_proc();
    leave_old_root();
    check(Step::HostName, ::sethostname(kHostName.data(), kHostName.size()));
    check(Step::HostName, ::setdomainname("", 0));
    limit_resources();
    drop_capabilities();
    place_descriptors();
    restrict_paths();
    filter_calls();
    execute();
  }

 private:
  // Tells the launcher which step failed and why, and ends.
  [[noreturn]] void fail(Step step, int error_number) const {
    WireWriter report;
    report.u8(static_cast<std::uint8_t>(StepFailure::kType)).u8(static_cast<std::uint8_t>(step));
    report.u32(static_cast<std::uint32_t>(error_number));
    [[maybe_unused]] const auto told = ::write(line(), report.data().data(), report.data().size());
    ::_exit(125);
  }
  void check(Step step, long answer) const {
    if (answer < 0) fail(step, errno);
  }
  int line() const { return placed_ ? kLineFd : plan_.line; }

  void wait_until_mapped() const {
    char word = 0;
    if (::read(plan_.line, &word, 1) != 1 || word != kMapped) ::_exit(125);
  }

  void take_identity() const {
    const auto id = plan_.inside_id;
    check(Step::Identity, ::setresgid(id, id, id));
    check(Step::Identity, ::setresuid(id, id, id));
    // After the change of user, which clears it. If the launcher died before this line, the line
    // is closed and the self-test waits for a word that never comes.
    check(Step::ParentDeath, ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0));
    // Only now, inside its own group, so that the group is the root of what it sees.
    check(Step::CgroupNamespace, ::unshare(CLONE_NEWCGROUP));
    check(Step::Propagation, ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr));
    // What the launcher mounted is locked in here and can be no root; a copy of it can.
    check(Step::Pivot, ::mount("root", "place", nullptr, MS_BIND | MS_REC, nullptr));
  }

  void seal(const std::string& mount) const {
    mount_attr change{};
    change.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
    check(Step::ProcMasks,
          ::syscall(SYS_mount_setattr, AT_FDCWD, mount.c_str(), 0, &change, sizeof change));
  }

  void cover(const char* source, const std::string& target) const {
    check(Step::ProcMasks, ::mount(source, target.c_str(), nullptr, MS_BIND, nullptr));
    seal(target);
  }

  // What is not known to be the cell's own is covered: files by an empty one, directories by an
  // empty one. A new kernel's new entries are thereby covered too.
  void mount_proc() const {
    if (!plan_.assembly->proc) return;
    check(Step::Proc,
          ::mount("proc", "place/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "hidepid=2"));
    DIR* entries = ::opendir("place/proc");
    if (entries == nullptr) fail(Step::Proc, errno);
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(entries)) {
      names.emplace_back(static_cast<const char*>(entry->d_name));
    }
    (void)::closedir(entries);
    const auto& synthetic = plan_.assembly->synthetic;
    for (const auto& name : names) {
      if (name.find_first_not_of("0123456789") == std::string::npos || name.starts_with('.')) {
        continue;
      }
      const std::string target = "place/proc/" + name;
      struct stat status {};
      check(Step::ProcMasks, ::lstat(target.c_str(), &status));
      if (S_ISLNK(status.st_mode)) continue;  // self, thread-self, mounts, net: the reader's own
      if (S_ISDIR(status.st_mode)) {
        cover("void", target);
      } else if (std::find(synthetic.begin(), synthetic.end(), name) != synthetic.end()) {
        cover(("synthetic/" + name).c_str(), target);
      } else {
        cover("empty", target);
      }
    }
  }

  void leave_old_root() const {
    check(Step::Pivot, ::chdir("place"));
    check(Step::Pivot, ::syscall(SYS_pivot_root, ".", "."));
    check(Step::Pivot, ::umount2(".", MNT_DETACH));
    check(Step::Pivot, ::chdir("/"));
  }

  void limit(__rlimit_resource resource, rlim_t value) const {
    rlimit now{};
    check(Step::Limits, ::getrlimit(resource, &now));
    const rlim_t lowered = std::min(value, now.rlim_max);
    const rlimit both{lowered, lowered};
    check(Step::Limits, ::setrlimit(resource, &both));
  }

  void limit_resources() const {
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_NOFILE, 4096);
    limit(RLIMIT_MSGQUEUE, 0);
    limit(RLIMIT_MEMLOCK, 1U << 20);
    limit(RLIMIT_SIGPENDING, 1024);
    limit(RLIMIT_RTPRIO, 0);
    ::umask(022);
    (void)::setsid();
  }

  void drop_capabilities() const {
    for (int capability = 0; capability <= 63; ++capability) {
      if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0 && errno != EINVAL) {
        fail(Step::Capabilities, errno);
      }
    }
    check(Step::Capabilities, ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
    check(Step::Capabilities,
          ::prctl(PR_SET_SECUREBITS,
                  SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
                      SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
                      SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED,
                  0, 0, 0));
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    std::array<__user_cap_data_struct, 2> none{};
    check(Step::Capabilities, ::syscall(SYS_capset, &header, none.data()));
    check(Step::Capabilities, ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  }

  void place_descriptors() {
    const std::array<std::pair<int, int>, 6> moves{{{plan_.standard_input, 0},
                                                    {plan_.standard_output, 1},
                                                    {plan_.standard_error, 2},
                                                    {plan_.config, kConfigFd},
                                                    {plan_.line, kLineFd},
                                                    {plan_.kit, kKitFd}}};
    std::array<int, 6> parked{};
    for (std::size_t i = 0; i < moves.size(); ++i) {
      parked[i] = ::fcntl(moves[i].first, F_DUPFD, kParkingFirst);
      check(Step::Descriptors, parked[i]);
    }
    for (std::size_t i = 0; i < moves.size(); ++i) {
      check(Step::Descriptors, ::dup2(parked[i], moves[i].second));
    }
    placed_ = true;
    check(Step::Descriptors, ::syscall(SYS_close_range, kKitFd + 1, ~0U, 0));
    check(Step::Descriptors, ::fcntl(kKitFd, F_SETFD, FD_CLOEXEC));
  }

  static std::uint64_t rights(Reach reach) {
    constexpr std::uint64_t kRead = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
    constexpr std::uint64_t kRefer = 1U << 13;
    constexpr std::uint64_t kTruncate = 1U << 14;
    // Directories, files, links and local sockets; no FIFO, no device.
    constexpr std::uint64_t kWrite = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
                                     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |
                                     LANDLOCK_ACCESS_FS_MAKE_REG | kRefer | kTruncate;
    constexpr std::uint64_t kSpecial = LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_SYM;
    switch (reach) {
      case Reach::List:
        return LANDLOCK_ACCESS_FS_READ_DIR;
      case Reach::Read:
        return kRead;
      case Reach::ReadExecute:
        return kRead | LANDLOCK_ACCESS_FS_EXECUTE;
      case Reach::ReadWrite:
        return kRead | kWrite;
      case Reach::Scratch:
        return kRead | kWrite | kSpecial;
      case Reach::ReadWriteExecute:
        return kRead | kWrite | kSpecial | LANDLOCK_ACCESS_FS_EXECUTE;
      case Reach::Devices:
        return kRead | LANDLOCK_ACCESS_FS_WRITE_FILE | kTruncate;
    }
    std::abort();
  }

  void restrict_paths() const {
    struct Attributes {
      std::uint64_t files;
      std::uint64_t network;
      std::uint64_t scopes;
    };
    const int abi = plan_.landlock_abi;
    const std::uint64_t known = abi >= 5   ? (1U << 16) - 1
                                : abi >= 3 ? (1U << 15) - 1
                                : abi == 2 ? (1U << 14) - 1
                                           : (1U << 13) - 1;
    const bool sealed_off = plan_.profile != Profile::Builder;
    const Attributes attributes{.files = known,
                                .network = abi >= 4 && sealed_off ? 3U : 0U,  // bind, connect
                                .scopes = abi >= 6 ? 3U : 0U};  // abstract sockets, signals
    const std::size_t size = abi >= 6 ? 24 : abi >= 4 ? 16 : 8;
    const long ruleset = ::syscall(SYS_landlock_create_ruleset, &attributes, size, 0);
    check(Step::Landlock, ruleset);
    for (const auto& grant : plan_.assembly->grants) {
      landlock_path_beneath_attr rule{};
      rule.parent_fd = ::open(grant.path.c_str(), O_PATH | O_CLOEXEC);
      check(Step::Landlock, rule.parent_fd);
      struct stat status {};
      check(Step::Landlock, ::fstat(rule.parent_fd, &status));
      rule.allowed_access = rights(grant.reach) & known;
      if (!S_ISDIR(status.st_mode)) rule.allowed_access &= LANDLOCK_ACCESS_FS_READ_FILE;
      check(Step::Landlock,
            ::syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0));
      (void)::close(rule.parent_fd);
    }
    check(Step::Landlock, ::syscall(SYS_landlock_restrict_self, ruleset, 0));
    (void)::close(static_cast<int>(ruleset));
  }

  void filter_calls() const {
    sock_fprog program{.len = static_cast<unsigned short>(plan_.filter->size()),
                       .filter = const_cast<sock_filter*>(plan_.filter->data())};
    check(Step::Filter, ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program));
  }

  [[noreturn]] void execute() const {
    std::string name = "init";
    std::array<char*, 2> argv{name.data(), nullptr};
    std::array<char*, 1> env{nullptr};
    (void)::syscall(SYS_execveat, kKitFd, "", argv.data(), env.data(), AT_EMPTY_PATH);
    fail(Step::Execute, errno);
  }

  const ChildPlan& plan_;
  bool placed_{false};
};

}  // namespace

void enter_cell(const ChildPlan& plan) { Child{plan}.enter(); }

}  // namespace coffer::cell::detail
