#include "os/confine.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <initializer_list>
#include <memory>

#include "base/unique_fd.h"
#include "os/files.h"

namespace coffer {
namespace {

// ---- Landlock --------------------------------------------------------------------------------

// As the kernel lays it out from ABI 6 on; older headers lack the later fields.
struct RulesetAttributes {
  std::uint64_t files;
  std::uint64_t network;
  std::uint64_t scopes;
};

constexpr std::uint64_t kTruncate = 1U << 14;
constexpr std::uint64_t kRefer = 1U << 13;
constexpr std::uint64_t kReadRights = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr std::uint64_t kWriteRights =
    LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
    LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |
    LANDLOCK_ACCESS_FS_MAKE_SYM | kRefer | kTruncate;
constexpr std::uint64_t kFileRights = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |
                                      LANDLOCK_ACCESS_FS_EXECUTE | kTruncate;

std::uint64_t rights_known(int abi) {
  if (abi >= 5) return (1U << 16) - 1;
  if (abi >= 3) return (1U << 15) - 1;
  return abi == 2 ? (1U << 14) - 1 : (1U << 13) - 1;
}

std::uint64_t rights_of(PathAccess access) {
  switch (access) {
    case PathAccess::Read:
      return kReadRights;
    case PathAccess::ReadExecute:
      return kReadRights | LANDLOCK_ACCESS_FS_EXECUTE;
    case PathAccess::ReadWrite:
      return kReadRights | kWriteRights;
  }
  std::abort();
}

Result<> add_rule(int ruleset, const PathRule& rule, std::uint64_t known) {
  const UniqueFd path{::open(rule.path.c_str(), O_PATH | O_CLOEXEC)};
  if (!path) return system_error("open " + printable(rule.path.string()), errno);
  landlock_path_beneath_attr attributes{};
  attributes.allowed_access = rights_of(rule.access) & known;
  attributes.parent_fd = path.get();
  if (!std::filesystem::is_directory(rule.path)) attributes.allowed_access &= kFileRights;
  if (::syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &attributes, 0) != 0) {
    return system_error("grant a path", errno);
  }
  return {};
}

Result<> restrict_paths(const std::vector<PathRule>& rules) {
  const int abi = landlock_abi();
  if (abi < 1) {
    return Error{Code::FailedPrecondition, "this kernel has no Landlock (5.13 or later has)"};
  }
  RulesetAttributes attributes{.files = rights_known(abi), .network = 0, .scopes = 0};
  const std::size_t size = abi >= 6 ? sizeof attributes : sizeof attributes.files;
  if (abi >= 6) attributes.scopes = 2;  // signals stay among our own; sockets go by seccomp
  const UniqueFd ruleset{
      static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attributes, size, 0))};
  if (!ruleset) return system_error("make a Landlock ruleset", errno);
  for (const auto& rule : rules) COFFER_CHECK(add_rule(ruleset.get(), rule, attributes.files));
  if (::syscall(SYS_landlock_restrict_self, ruleset.get(), 0) != 0) {
    return system_error("enforce Landlock", errno);
  }
  return {};
}

// ---- seccomp ---------------------------------------------------------------------------------

struct ReleaseFilter {
  void operator()(void* filter) const { ::seccomp_release(filter); }
};
using Filter = std::unique_ptr<void, ReleaseFilter>;

// What none of our processes needs and every one is safer without.
constexpr std::array kNever{"acct",
                            "add_key",
                            "bpf",
                            "delete_module",
                            "fanotify_init",
                            "finit_module",
                            "get_kernel_syms",
                            "init_module",
                            "io_uring_enter",
                            "io_uring_register",
                            "io_uring_setup",
                            "ioperm",
                            "iopl",
                            "kcmp",
                            "kexec_file_load",
                            "kexec_load",
                            "keyctl",
                            "lookup_dcookie",
                            "modify_ldt",
                            "move_pages",
                            "name_to_handle_at",
                            "nfsservctl",
                            "open_by_handle_at",
                            "perf_event_open",
                            "pidfd_getfd",
                            "process_vm_readv",
                            "process_vm_writev",
                            "ptrace",
                            "quotactl",
                            "quotactl_fd",
                            "reboot",
                            "request_key",
                            "swapoff",
                            "swapon",
                            "syslog",
                            "uselib",
                            "userfaultfd",
                            "vhangup",
                            "vmsplice"};
// What only a process that starts cells needs.
constexpr std::array kCellsOnly{"chroot",     "clone3",        "fsconfig",      "fsmount",
                                "fsopen",     "fspick",        "mknod",         "mknodat",
                                "mount",      "mount_setattr", "move_mount",    "open_tree",
                                "pivot_root", "seccomp",       "setdomainname", "sethostname",
                                "setns",      "umount",        "umount2",       "unshare"};

// clone3 passes its flags in memory, where a filter cannot look: glibc falls back on ENOSYS.
std::uint32_t refusal_of(std::string_view call) {
  return SCMP_ACT_ERRNO(call == "clone3" ? ENOSYS : EPERM);
}

class Deny {
 public:
  explicit Deny(scmp_filter_ctx filter) : filter_(filter) {}
  template <class Names>
  void calls(const Names& names) {
    for (const char* name : names) call(name);
  }
  void call(const char* name) {
    const int number = ::seccomp_syscall_resolve_name(name);
    if (number == __NR_SCMP_ERROR) return;  // a call that this architecture never had
    keep(::seccomp_rule_add(filter_, refusal_of(name), number, 0));
  }
  void socket_family(scmp_compare comparison, std::uint64_t family) {
    const scmp_arg_cmp where{0, comparison, family, 0};
    keep(::seccomp_rule_add_array(filter_, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), 1, &where));
  }
  void new_namespaces() {
    constexpr std::array<std::uint64_t, 7> kFlags{0x00020000, 0x02000000, 0x04000000, 0x08000000,
                                                  0x10000000, 0x20000000, 0x40000000};
    for (const std::uint64_t flag : kFlags) {
      const scmp_arg_cmp where{0, SCMP_CMP_MASKED_EQ, flag, flag};
      keep(::seccomp_rule_add_array(filter_, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1, &where));
    }
  }
  bool ok() const { return ok_; }

 private:
  void keep(int answer) { ok_ = ok_ && answer == 0; }
  scmp_filter_ctx filter_;
  bool ok_{true};
};

void deny_sockets(Deny& deny, Sockets sockets) {
  switch (sockets) {
    case Sockets::None:
      deny.call("socket");
      return;
    case Sockets::Unix:
      deny.socket_family(SCMP_CMP_NE, AF_UNIX);
      return;
    case Sockets::Internet:
      // UNIX 1, INET 2, INET6 10 and NETLINK 16 (name resolution lists interfaces) remain.
      for (const unsigned family : {0U, 3U, 4U, 5U, 6U, 7U, 8U, 9U, 11U, 12U, 13U, 14U, 15U}) {
        deny.socket_family(SCMP_CMP_EQ, family);
      }
      deny.socket_family(SCMP_CMP_GT, AF_NETLINK);
      return;
  }
  std::abort();
}

Result<> load_filter(const Confinement& confinement) {
  const Filter filter{::seccomp_init(SCMP_ACT_ALLOW)};
  if (!filter) return Error{Code::FailedPrecondition, "seccomp filters cannot be made here"};
  Deny deny{filter.get()};
  deny.calls(kNever);
  if (confinement.role == Role::NoCells) {
    deny.calls(kCellsOnly);
    deny.new_namespaces();
  }
  if (confinement.execution == Execution::Forbidden) {
    deny.calls(std::array{"execve", "execveat"});
  }
  deny_sockets(deny, confinement.sockets);
  if (!deny.ok() ||
      ::seccomp_attr_set(filter.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) != 0) {
    return Error{Code::Internal, "a seccomp rule was not accepted"};
  }
  if (const int answer = ::seccomp_load(filter.get()); answer != 0) {
    return Error{Code::FailedPrecondition, "the kernel refused the seccomp filter"};
  }
  return {};
}

// ---- identity, descriptors, capabilities -------------------------------------------------------

Result<> take_identity(const Identity& identity) {
  const pid_t parent = ::getppid();
  int death_signal = 0;
  if (::prctl(PR_GET_PDEATHSIG, &death_signal, 0, 0, 0) != 0) death_signal = 0;
  if (::setgroups(0, nullptr) != 0 || ::setresgid(identity.gid, identity.gid, identity.gid) != 0 ||
      ::setresuid(identity.uid, identity.uid, identity.uid) != 0) {
    return system_error("change the user", errno);
  }
  // The kernel forgets it when the user changes; who started us may have ended meanwhile.
  if (death_signal != 0 &&
      (::prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0 || ::getppid() != parent)) {
    return Error{Code::Unavailable, "whoever started this process has ended"};
  }
  return {};
}

Result<> close_all_but(std::vector<int> keep) {
  std::sort(keep.begin(), keep.end());
  unsigned next = 0;
  for (const int fd : keep) {
    const auto kept = static_cast<unsigned>(fd);
    if (kept > next && ::syscall(SYS_close_range, next, kept - 1, 0) != 0) {
      return system_error("close descriptors", errno);
    }
    next = kept + 1;
  }
  if (::syscall(SYS_close_range, next, ~0U, 0) != 0)
    return system_error("close descriptors", errno);
  return {};
}

// While the process may still do so: a change of user takes that right away.
void drop_bounding_set() {
  for (int capability = 0; capability <= 63; ++capability) {
    // Fails past the last one, and for a process that has none to drop.
    (void)::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
  }
}

Result<> drop_capabilities() {
  (void)::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, 2> none{};
  if (::syscall(SYS_capset, &header, none.data()) != 0) {
    return system_error("drop capabilities", errno);
  }
  return {};
}

}  // namespace

int landlock_abi() {
  const long abi =
      ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  return abi < 0 ? 0 : static_cast<int>(abi);
}

Result<> forbid_inspection() {
  const rlimit none{0, 0};
  if (::setrlimit(RLIMIT_CORE, &none) != 0 || ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
    return system_error("forbid inspection", errno);
  }
  return {};
}

Result<> confine(const Confinement& confinement) {
  if (confinement.capabilities == Capabilities::DropAll) drop_bounding_set();
  if (confinement.identity) COFFER_CHECK(take_identity(*confinement.identity));
  if (confinement.keep_fds) COFFER_CHECK(close_all_but(*confinement.keep_fds));
  if (confinement.capabilities == Capabilities::DropAll) COFFER_CHECK(drop_capabilities());
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return system_error("give up new privileges", errno);
  }
  if (confinement.paths) COFFER_CHECK(restrict_paths(*confinement.paths));
  COFFER_CHECK(load_filter(confinement));
  return forbid_inspection();
}

}  // namespace coffer
