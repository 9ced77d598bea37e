#include "cell/detail/filter.h"

#include <fcntl.h>
#include <linux/memfd.h>
#include <linux/prctl.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <initializer_list>
#include <memory>
#include <string_view>

#include "base/text.h"
#include "os/files.h"

namespace coffer::cell::detail {
namespace {

// What every cell needs: our own static program and the C library of any guest.
constexpr std::string_view kCore =
    "access arch_prctl brk capget chdir clock_getres clock_gettime clock_nanosleep close "
    "close_range dup dup2 dup3 "
    "exit exit_group execveat faccessat faccessat2 fadvise64 fallocate fchdir fdatasync fork fstat "
    "fsync ftruncate futex getcwd getdents getdents64 getegid geteuid getgid getgroups getpid "
    "getppid getpgid getpgrp getrandom getresgid getresuid getrlimit getrusage getsid gettid "
    "gettimeofday getuid kill lseek lstat mkdir mkdirat mprotect mremap msync munmap nanosleep "
    "newfstatat open openat pause pipe pipe2 poll ppoll pread64 preadv pwrite64 pwritev read "
    "readlink readlinkat readv rename renameat renameat2 restart_syscall rmdir rseq rt_sigaction "
    "rt_sigpending rt_sigprocmask rt_sigreturn rt_sigsuspend rt_sigtimedwait sched_getaffinity "
    "sched_yield set_robust_list set_tid_address sigaltstack stat statx sysinfo tgkill time umask "
    "uname unlink unlinkat vfork wait4 waitid write writev";

// What guests need beside: threads, events, local sockets, timers, links, extended attributes to
// read, their own scheduling. Measured with thirty frameworks.
constexpr std::string_view kGuest =
    "accept accept4 alarm bind connect copy_file_range creat epoll_create "
    "epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd eventfd2 execve fgetxattr "
    "flistxattr futex_waitv futimesat get_mempolicy get_robust_list getcpu getitimer getpeername "
    "getpriority getsockname getsockopt getxattr lgetxattr link linkat listen listxattr llistxattr "
    "mbind membarrier mlock munlock openat2 pidfd_open pidfd_send_signal pselect6 recvfrom "
    "recvmmsg recvmsg rt_sigqueueinfo rt_tgsigqueueinfo sched_get_priority_max "
    "sched_get_priority_min sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval "
    "sched_setaffinity select sendfile sendmmsg sendmsg sendto set_mempolicy setitimer setpgid "
    "setpriority setrlimit setsid setsockopt shutdown signalfd signalfd4 splice symlink symlinkat "
    "sync_file_range tee timer_create timer_delete timer_getoverrun timer_gettime timer_settime "
    "timerfd_create timerfd_gettime timerfd_settime times tkill truncate utime utimensat utimes";

// What building environments needs beside: package managers change owners, watch and lock files.
constexpr std::string_view kBuild =
    "chown fchown fchownat flock fsetxattr fstatfs lchown lsetxattr setfsgid setfsuid setgid "
    "setgroups setregid setresgid setresuid setreuid setuid setxattr socket socketpair statfs sync "
    "syncfs ustat inotify_add_watch inotify_init inotify_init1 inotify_rm_watch";

// Answered as by a kernel that never had them, so that libraries fall back or do without. The
// numbers are of calls younger than the library that compiles this filter.
constexpr std::string_view kAbsent =
    "cachestat clone3 fanotify_init fanotify_mark fstatfs inotify_add_watch inotify_init "
    "inotify_init1 inotify_rm_watch io_uring_enter io_uring_register io_uring_setup memfd_secret "
    "mincore pkey_alloc pkey_free pkey_mprotect process_madvise rseq_slice_yield statfs "
    "userfaultfd";
constexpr int kYoungestFirst = 452;
constexpr int kYoungestLast = 480;

class Rules {
 public:
  explicit Rules(scmp_filter_ctx filter) : filter_(filter) {}

  void each(std::string_view names, std::uint32_t action, std::string_view but = {}) {
    const auto left_out = split(but, ' ');
    for (const auto& name : split(names, ' ')) {
      if (std::find(left_out.begin(), left_out.end(), name) != left_out.end()) continue;
      const int number = ::seccomp_syscall_resolve_name(name.c_str());
      if (number >= 0) keep(::seccomp_rule_add(filter_, action, number, 0));
    }
  }
  void allow(std::string_view names) { each(names, SCMP_ACT_ALLOW); }
  void one(int number, std::uint32_t action) {
    keep(::seccomp_rule_add(filter_, action, number, 0));
  }
  void when(int number, scmp_arg_cmp condition, std::uint32_t action = SCMP_ACT_ALLOW) {
    keep(::seccomp_rule_add_array(filter_, action, number, 1, &condition));
  }
  // Allowed if argument `at` is one of the values, the upper half of the register not looked at.
  void when_one_of(int number, unsigned at, std::initializer_list<std::uint64_t> values,
                   std::uint32_t action = SCMP_ACT_ALLOW) {
    for (const std::uint64_t value : values) {
      when(number, {at, SCMP_CMP_MASKED_EQ, 0xffffffffU, value}, action);
    }
  }
  // Allowed if no bit of `mask` is set in argument `at`.
  void without(int number, unsigned at, std::uint64_t mask) {
    when(number, {at, SCMP_CMP_MASKED_EQ, mask, 0});
  }
  bool ok() const { return ok_; }

 private:
  void keep(int answer) { ok_ = ok_ && answer == 0; }
  scmp_filter_ctx filter_;
  bool ok_{true};
};

constexpr std::uint64_t kNamespaceFlags = 0x7e020000;
constexpr std::uint64_t kUntraced = 0x00800000;

void allow_memory(Rules& rules) {
  // Huge pages would not count against the memory limit; merged pages can be felt by others.
  rules.without(SCMP_SYS(mmap), 3, MAP_HUGETLB);
  rules.when(SCMP_SYS(madvise), {2, SCMP_CMP_NE, MADV_MERGEABLE, 0});
  rules.without(SCMP_SYS(memfd_create), 1, MFD_HUGETLB);
}

void allow_files(Rules& rules) {
  constexpr std::uint64_t kSetId = 06000;
  rules.without(SCMP_SYS(chmod), 1, kSetId);
  rules.without(SCMP_SYS(fchmod), 1, kSetId);
  rules.without(SCMP_SYS(fchmodat), 2, kSetId);
  // RWF_NOWAIT tells whether somebody else read a page before.
  rules.without(SCMP_SYS(preadv2), 5, RWF_NOWAIT);
  rules.without(SCMP_SYS(pwritev2), 5, RWF_NOWAIT);
}

void allow_control(Rules& rules, Profile profile) {
  constexpr std::uint64_t kGetPipeSize = 1032;
  constexpr std::uint64_t kGetSeals = 1034;
  rules.when_one_of(SCMP_SYS(fcntl), 1,
                    {F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, 1030 /* F_DUPFD_CLOEXEC */, 1031,
                     kGetPipeSize, 1033, kGetSeals});
  // TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIOCLEX, FIONCLEX
  rules.when_one_of(SCMP_SYS(ioctl), 1, {0x5401, 0x5413, 0x541b, 0x5421, 0x5451, 0x5450});
  rules.when_one_of(SCMP_SYS(prctl), 0,
                    {PR_SET_PDEATHSIG, PR_GET_PDEATHSIG, PR_GET_DUMPABLE, PR_SET_DUMPABLE,
                     PR_SET_NAME, PR_GET_NAME, PR_GET_SECCOMP, PR_CAPBSET_READ, PR_GET_SECUREBITS,
                     PR_SET_NO_NEW_PRIVS, PR_GET_NO_NEW_PRIVS, 0x53564d41U /* PR_SET_VMA */});
  rules.without(SCMP_SYS(clone), 0, kNamespaceFlags | kUntraced);
  rules.when(SCMP_SYS(prlimit64), {0, SCMP_CMP_EQ, 0, 0});
  if (profile == Profile::Builder) return;
  rules.when_one_of(SCMP_SYS(fcntl), 1,
                    {F_SETLK, F_SETLKW, 37 /* F_OFD_SETLK */, 38 /* F_OFD_SETLKW */},
                    SCMP_ACT_ERRNO(0));
  rules.one(SCMP_SYS(flock), SCMP_ACT_ERRNO(0));
  rules.when_one_of(SCMP_SYS(fcntl), 1, {F_GETLK, 36 /* F_OFD_GETLK */}, SCMP_ACT_ERRNO(EINVAL));
}

void write_rules(Rules& rules, Profile profile) {
  rules.each(kCore, SCMP_ACT_ALLOW, "sysinfo");
  allow_memory(rules);
  allow_files(rules);
  allow_control(rules, profile);
  switch (profile) {
    case Profile::Parser:
      rules.each(kAbsent, SCMP_ACT_ERRNO(ENOSYS));
      break;
    case Profile::Program:
      rules.allow(kGuest);
      rules.when(SCMP_SYS(socket), {0, SCMP_CMP_EQ, AF_UNIX, 0});
      rules.when(SCMP_SYS(socketpair), {0, SCMP_CMP_EQ, AF_UNIX, 0});
      rules.each(kAbsent, SCMP_ACT_ERRNO(ENOSYS));
      rules.one(SCMP_SYS(sysinfo), SCMP_ACT_ERRNO(ENOSYS));
      break;
    case Profile::Builder:
      rules.allow(kGuest);
      rules.each(kBuild, SCMP_ACT_ALLOW, "socket");
      rules.allow("sysinfo");
      rules.when_one_of(SCMP_SYS(fcntl), 1, {F_SETLK, F_SETLKW, F_GETLK, 36, 37, 38});
      for (const unsigned family : {1U, 2U, 10U, 16U}) {
        rules.when(SCMP_SYS(socket), {0, SCMP_CMP_EQ, family, 0});  // unix, inet, inet6, netlink
      }
      rules.each(kAbsent, SCMP_ACT_ERRNO(ENOSYS),
                 "statfs fstatfs inotify_add_watch inotify_init inotify_init1 inotify_rm_watch");
      break;
  }
  for (int number = kYoungestFirst; number <= kYoungestLast; ++number) {
    rules.one(number, SCMP_ACT_ERRNO(ENOSYS));
  }
}

struct ReleaseFilter {
  void operator()(void* filter) const { ::seccomp_release(filter); }
};

}  // namespace

Result<std::vector<sock_filter>> compile_filter(Profile profile) {
  const std::unique_ptr<void, ReleaseFilter> filter{::seccomp_init(SCMP_ACT_ERRNO(EPERM))};
  if (!filter) return Error{Code::FailedPrecondition, "cell_unproven: seccomp is not available"};
  Rules rules{filter.get()};
  write_rules(rules, profile);
  constexpr std::uint32_t kBinaryTree = 2;
  const bool set =
      ::seccomp_attr_set(filter.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) == 0 &&
      ::seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_OPTIMIZE, kBinaryTree) == 0;
  if (!rules.ok() || !set) return Error{Code::Internal, "a seccomp rule was not accepted"};
  const UniqueFd file{::memfd_create("filter", MFD_CLOEXEC)};
  if (!file || ::seccomp_export_bpf(filter.get(), file.get()) != 0) {
    return Error{Code::Internal, "a seccomp filter could not be written"};
  }
  std::vector<sock_filter> program(static_cast<std::size_t>(::lseek(file.get(), 0, SEEK_END)) /
                                   sizeof(sock_filter));
  const auto size = program.size() * sizeof(sock_filter);
  if (program.empty() ||
      ::pread(file.get(), program.data(), size, 0) != static_cast<ssize_t>(size)) {
    return Error{Code::Internal, "a seccomp filter could not be read"};
  }
  return program;
}

}  // namespace coffer::cell::detail
