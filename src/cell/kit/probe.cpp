#include "cell/kit/probe.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <functional>
#include <string>

namespace coffer::cell::kit {
namespace {

using detail::Config;
using detail::Finding;
using detail::Wall;

// As in cell::Profile, which this program does not include.
constexpr std::uint8_t kParser = 1;
constexpr std::uint8_t kBuilder = 2;

Finding held_if(bool held) { return held ? Finding::Held : Finding::Open; }

bool refused(long answer) {
  return answer < 0 && (errno == EPERM || errno == ENOSYS || errno == EACCES || errno == EROFS);
}
bool answers(long answer, int error_number) { return answer < 0 && errno == error_number; }

// Whether opening fails because of the mount or of Landlock, not because the name is missing.
bool cannot_write(const std::string& path) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (fd >= 0) {
    (void)::close(fd);
    (void)::unlink(path.c_str());
    return false;
  }
  return errno == EROFS || errno == EACCES || errno == EPERM;
}

// Runs `attempt` in a child and answers its wait status, -1 when there was no child to be had.
int in_child(const std::function<bool()>& attempt) {
  const pid_t pid = ::fork();
  if (pid < 0) return -1;
  if (pid == 0) ::_exit(attempt() ? 0 : 1);
  int status = -1;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}
bool killed_by_filter(const std::function<bool()>& attempt) {
  const int status = in_child(attempt);
  return status != -1 && WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
}
bool true_in_child(const std::function<bool()>& attempt) {
  const int status = in_child(attempt);
  return status != -1 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

Finding capabilities() {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, 2> sets{};
  bool none = ::syscall(SYS_capget, &header, sets.data()) == 0;
  for (const auto& set : sets) {
    none = none && set.effective == 0 && set.permitted == 0 && set.inheritable == 0;
  }
  for (int capability = 0; capability <= 63; ++capability) {
    none = none && ::prctl(PR_CAPBSET_READ, capability, 0, 0, 0) <= 0;
  }
  return held_if(none);
}

Finding foreign_calls() {
#if defined(__x86_64__)
  return held_if(killed_by_filter([] {
    constexpr int kGetpidOfI386 = 20;
    int answer = kGetpidOfI386;
    asm volatile("int $0x80" : "+a"(answer) : : "memory");
    return answer > 0;
  }));
#else
  return Finding::NotTried;
#endif
}

Finding x32_calls() {
#if defined(__x86_64__)
  return held_if(killed_by_filter([] {
    constexpr long kX32 = 0x40000000;
    return ::syscall(kX32 | SYS_getpid) > 0;
  }));
#else
  return Finding::NotTried;
#endif
}

bool no_socket(int family) {
  for (const int type : {SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET}) {
    const int fd = ::socket(family, type, 0);
    if (fd >= 0) (void)::close(fd);
    if (!refused(fd)) return false;
  }
  return true;
}

Finding other_sockets(const Config& config) {
  constexpr int kFamilyLast = 46;
  for (int family = 0; family <= kFamilyLast; ++family) {
    const bool local = family == AF_UNIX && config.profile != kParser;
    const bool network = config.profile == kBuilder &&
                         (family == AF_INET || family == AF_INET6 || family == AF_NETLINK);
    if (!local && !network && !no_socket(family)) return Finding::Open;
  }
  return Finding::Held;
}

Finding new_namespaces() {
  for (const int flag : {CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWIPC,
                         CLONE_NEWUTS, CLONE_NEWCGROUP}) {
    if (!refused(::unshare(flag))) return Finding::Open;
    const long pid = ::syscall(SYS_clone, static_cast<long>(flag) | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) ::_exit(0);
    if (!refused(pid)) return Finding::Open;
  }
  return held_if(refused(::setns(0, 0)));
}

Finding mounts() {
  return held_if(refused(::mount("none", "/tmp", "tmpfs", 0, nullptr)) &&
                 refused(::mount(nullptr, "/", nullptr, MS_REMOUNT | MS_BIND, nullptr)) &&
                 refused(::umount2("/", MNT_DETACH)) && refused(::chroot("/")) &&
                 refused(::syscall(SYS_pivot_root, "/", "/")) &&
                 refused(::syscall(SYS_fsopen, "tmpfs", 0)) &&
                 refused(::syscall(SYS_open_tree, AT_FDCWD, "/", 1)) &&
                 refused(::syscall(SYS_move_mount, AT_FDCWD, "/", AT_FDCWD, "/", 0)) &&
                 refused(::syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, nullptr, 0)));
}

Finding tracing() {
  return held_if(refused(::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr)) &&
                 refused(::syscall(SYS_process_vm_readv, 1, nullptr, 0, nullptr, 0, 0)) &&
                 refused(::syscall(SYS_process_vm_writev, 1, nullptr, 0, nullptr, 0, 0)) &&
                 refused(::syscall(SYS_kcmp, 1, 1, 0, 0, 0)) &&
                 refused(::syscall(SYS_pidfd_getfd, 0, 0, 0)));
}

Finding kernel_interfaces() {
  // With arguments that the kernel itself would refuse in another way, or that do nothing.
  for (const long call : {SYS_bpf,
                          SYS_perf_event_open,
                          SYS_io_uring_setup,
                          SYS_userfaultfd,
                          SYS_keyctl,
                          SYS_add_key,
                          SYS_request_key,
                          SYS_init_module,
                          SYS_finit_module,
                          SYS_delete_module,
                          SYS_kexec_load,
                          SYS_syslog,
                          SYS_swapon,
                          SYS_acct,
                          SYS_quotactl,
                          SYS_personality,
                          SYS_shmget,
                          SYS_msgget,
                          SYS_semget,
                          SYS_mq_open,
                          SYS_vmsplice,
                          SYS_move_pages,
                          SYS_migrate_pages,
                          SYS_settimeofday,
                          SYS_memfd_secret}) {
    if (!refused(::syscall(call, -1, 0, 0, 0, 0, 0))) return Finding::Open;
  }
  return Finding::Held;
}

Finding file_handles() {
  return held_if(refused(::syscall(SYS_open_by_handle_at, AT_FDCWD, nullptr, 0)) &&
                 refused(::syscall(SYS_name_to_handle_at, AT_FDCWD, "/", nullptr, nullptr, 0)));
}

Finding host_state(const Config& config) {
  if (config.profile == kBuilder) return Finding::NotTried;
  struct statfs state {};
  return held_if(answers(::statfs("/", &state), ENOSYS) && answers(::fstatfs(0, &state), ENOSYS) &&
                 refused(::syscall(SYS_mincore, 0, 0, 0)) &&
                 refused(::syscall(SYS_sysinfo, nullptr)));
}

Finding file_watches(const Config& config) {
  if (config.profile == kBuilder) return Finding::NotTried;
  return held_if(refused(::syscall(SYS_inotify_init1, 0)) &&
                 refused(::syscall(SYS_fanotify_init, 0, 0)));
}

Finding file_locks(const Config& config) {
  if (config.profile == kBuilder) return Finding::NotTried;
  // Granted by the filter without looking: the kernel would answer EBADF. Leases are refused.
  struct flock lock {};
  lock.l_type = F_WRLCK;
  return held_if(::flock(-1, LOCK_EX) == 0 && ::fcntl(-1, F_SETLK, &lock) == 0 &&
                 refused(::fcntl(0, F_SETLEASE, F_RDLCK)) && refused(::fcntl(0, F_NOTIFY, 1)));
}

Finding output_without_execution(const Config& config) {
  if (!config.has_out) return Finding::NotTried;
  const char* const path = "/out/.wall";
  const int fd = ::open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
  if (fd < 0) return Finding::Open;  // an output that cannot be written is no output
  (void)::close(fd);
  std::array<char*, 1> none{nullptr};
  const bool cannot_run = refused(::execve(path, none.data(), none.data()));
  const bool removed = ::unlink(path) == 0;
  const bool no_link = refused(::symlink("/", path));
  return held_if(cannot_run && removed && no_link);
}

Finding first_process_hidden(const Config& config) {
  if (config.profile == kParser) return Finding::NotTried;  // it has no /proc
  return held_if(true_in_child([] {
    // Refused, or not even there: /proc hides what may not be looked into.
    const auto hidden = [](long answer) { return refused(answer) || answers(answer, ENOENT); };
    std::array<char, 8> target{};
    for (const char* name : {"/proc/1/root", "/proc/1/exe", "/proc/1/cwd"}) {
      if (!hidden(::readlink(name, target.data(), target.size()))) return false;
    }
    for (const char* name : {"/proc/1/environ", "/proc/1/mem", "/proc/1/maps", "/proc/1/fd"}) {
      if (!hidden(::open(name, O_RDONLY | O_CLOEXEC))) return false;
    }
    return true;
  }));
}

bool reads_nothing(const char* path) {
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return true;
  char byte = 0;
  const bool empty = ::read(fd, &byte, 1) <= 0;
  (void)::close(fd);
  return empty;
}

Finding proc_masked(const Config& config) {
  if (config.profile == kParser) return held_if(answers(::access("/proc/self", F_OK), ENOENT));
  const long trigger = ::open("/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC);
  bool masked = (refused(trigger) || answers(trigger, ENOENT)) &&
                answers(::access("/proc/sys/kernel", F_OK), ENOENT);
  for (const char* path : {"/proc/kallsyms", "/proc/modules", "/proc/keys", "/proc/kcore",
                           "/proc/interrupts", "/proc/diskstats", "/proc/vmstat", "/proc/locks",
                           "/proc/cmdline", "/proc/timer_list", "/proc/zoneinfo"}) {
    masked = masked && reads_nothing(path);
  }
  // The load of the machine must read as a constant.
  std::array<char, 8> load{};
  const int fd = ::open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
  masked = masked && fd >= 0 && ::read(fd, load.data(), 5) == 5 &&
           std::memcmp(load.data(), "0.00 ", 5) == 0;
  if (fd >= 0) (void)::close(fd);
  return held_if(masked);
}

bool known_device(const char* name) {
  for (const char* known : {".", "..", "null", "zero", "full", "random", "urandom", "shm", "fd",
                            "stdin", "stdout", "stderr"}) {
    if (std::strcmp(name, known) == 0) return true;
  }
  return false;
}

Finding devices(const Config& config) {
  if (!refused(::mknod("/tmp/.wall", S_IFCHR | 0600, makedev(1, 1)))) return Finding::Open;
  if (config.profile == kParser) return held_if(answers(::access("/dev", F_OK), ENOENT));
  DIR* entries = ::opendir("/dev");
  if (entries == nullptr) return Finding::Open;
  bool known = true;
  while (const dirent* entry = ::readdir(entries)) {
    known = known && known_device(static_cast<const char*>(entry->d_name));
  }
  (void)::closedir(entries);
  return held_if(known);
}

Finding descriptors() {
  constexpr int kTriedLast = 511;
  for (int fd = detail::kLineFd + 1; fd <= kTriedLast; ++fd) {
    if (::fcntl(fd, F_GETFD) >= 0) return Finding::Open;
  }
  return held_if(answers(::fcntl(detail::kConfigFd, F_GETFD), EBADF));
}

Finding own_processes() {
  return held_if(::getpid() == 1 && ::getppid() == 0 && answers(::kill(-1, 0), ESRCH));
}

Finding core_files() {
  rlimit core{1, 1};
  return held_if(::getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_cur == 0 && core.rlim_max == 0);
}

Finding host_name() {
  utsname name{};
  return held_if(::uname(&name) == 0 &&
                 detail::kHostName == static_cast<const char*>(name.nodename));
}

// A parser has no /etc, and a builder may be given it to write.
Finding read_only_root(const Config& config) {
  return held_if(
      cannot_write("/.wall") &&
      (config.profile == kParser || config.profile == kBuilder || cannot_write("/etc/.wall")));
}

Finding read_only_inputs(const Config& config) {
  for (const auto& directory : config.read_only) {
    if (!cannot_write(directory + "/.wall")) return Finding::Open;
  }
  return config.read_only.empty() ? Finding::NotTried : Finding::Held;
}

}  // namespace

detail::SelfTest try_walls(const Config& config) {
  detail::SelfTest test;
  const auto found = [&test](Wall wall, Finding finding) {
    test.findings[static_cast<std::size_t>(wall)] = finding;
  };
  const bool builder = config.profile == kBuilder;
  found(Wall::Capabilities, capabilities());
  found(Wall::NoNewPrivileges, held_if(::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1));
  found(Wall::Filter, held_if(::prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 2));
  found(Wall::ForeignCalls, foreign_calls());
  found(Wall::X32Calls, x32_calls());
  found(Wall::InternetSockets,
        builder ? Finding::NotTried : held_if(no_socket(AF_INET) && no_socket(AF_INET6)));
  found(Wall::VsockSockets, held_if(no_socket(AF_VSOCK)));
  found(Wall::OtherSockets, other_sockets(config));
  found(Wall::NewNamespaces, new_namespaces());
  found(Wall::CloneThree, held_if(answers(::syscall(SYS_clone3, nullptr, 0), ENOSYS)));
  found(Wall::Mounts, mounts());
  found(Wall::Tracing, tracing());
  found(Wall::KernelInterfaces, kernel_interfaces());
  found(Wall::FileHandles, file_handles());
  found(Wall::HostState, host_state(config));
  found(Wall::FileWatches, file_watches(config));
  found(Wall::FileLocks, file_locks(config));
  found(Wall::ReadOnlyRoot, read_only_root(config));
  found(Wall::ReadOnlyInputs, read_only_inputs(config));
  found(Wall::OutputWithoutExecution, output_without_execution(config));
  found(Wall::Landlock, held_if(answers(::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), EACCES)));
  found(Wall::FirstProcessHidden, first_process_hidden(config));
  found(Wall::ProcMasked, proc_masked(config));
  found(Wall::SysAbsent, held_if(answers(::access("/sys/kernel", F_OK), ENOENT)));
  found(Wall::Devices, devices(config));
  found(Wall::Descriptors, descriptors());
  found(Wall::OwnProcesses, own_processes());
  found(Wall::CoreFiles, core_files());
  found(Wall::HostName, host_name());
  return test;
}

}  // namespace coffer::cell::kit
