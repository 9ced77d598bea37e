// Ways to other processes: the first one, the host's, the next run's.
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "attack.h"

namespace attacks {
namespace {

// ARGUMENT of the next ones: a process id.
std::string of_process(const char* pid, const char* file) {
  return std::string("/proc/") + pid + "/" + file;
}
int open_root_of(const char* pid) {
  return result_of(::open(of_process(pid, "root").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}
int read_environment_of(const char* pid) {
  return result_of(::open(of_process(pid, "environ").c_str(), O_RDONLY | O_CLOEXEC));
}
int open_memory_of(const char* pid) {
  return result_of(::open(of_process(pid, "mem").c_str(), O_RDWR | O_CLOEXEC));
}
int open_program_of(const char* pid) {
  const int fd = ::open(of_process(pid, "exe").c_str(), O_RDONLY | O_CLOEXEC);
  return result_of(fd);
}
int trace(const char* pid) {
  const int target = std::atoi(pid);
  const long answer = ::ptrace(PTRACE_SEIZE, target, nullptr, nullptr);
  if (answer == 0) (void)::ptrace(PTRACE_DETACH, target, nullptr, nullptr);
  return result_of(answer);
}
int read_memory_of(const char* pid) {
  char byte = 0;
  const iovec here{&byte, 1};
  const iovec there{&byte, 1};
  const auto got = ::process_vm_readv(std::atoi(pid), &here, 1, &there, 1, 0);
  return got < 0 && errno == EFAULT ? kOpen : result_of(got);  // looked, at a wrong address
}
int take_descriptor_of(const char* pid) {
  const long pidfd = ::syscall(SYS_pidfd_open, std::atoi(pid), 0);
  if (pidfd < 0) return errno;
  return result_of(::syscall(SYS_pidfd_getfd, pidfd, 0, 0));
}

// More processes than a cell of ours can have of its own at this moment.
int see_other_processes(const char*) {
  DIR* entries = ::opendir("/proc");
  if (entries == nullptr) return errno;
  int count = 0;
  while (const dirent* entry = ::readdir(entries)) {
    if (std::atoi(entry->d_name) > 0) ++count;
  }
  (void)::closedir(entries);
  constexpr int kInitProgramAndThis = 3;
  return count > kInitProgramAndThis ? kOpen : kNothingFound;
}

int real_time(const char*) {
  sched_param parameters{};
  parameters.sched_priority = 1;
  return result_of(::sched_setscheduler(0, SCHED_FIFO, &parameters));
}

int say_user(const char*) {
  std::printf("euid %u\n", ::geteuid());
  (void)std::fflush(stdout);
  return kOpen;
}

// A process that leaves its parent, its session and every polite signal behind.
// ARGUMENT: a file that it keeps touching.
int daemonise(const char* path) {
  if (::fork() != 0) return kOpen;
  (void)::setsid();
  if (::fork() != 0) ::_exit(0);
  for (const int number : {SIGTERM, SIGHUP, SIGINT, SIGPIPE}) (void)::signal(number, SIG_IGN);
  for (int fd = 0; fd < 64; ++fd) (void)::close(fd);
  while (true) {
    const int fd = ::open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    [[maybe_unused]] const auto wrote = ::write(fd, "x", 1);
    (void)::close(fd);
    const timespec pause{0, 1000000};
    (void)::nanosleep(&pause, nullptr);
  }
}

int sleep_long(const char*) {
  ::sleep(600);
  return kOpen;
}

int raise_signal(const char* number) { return result_of(::raise(std::atoi(number))); }

int exit_with(const char* code) { ::_exit(std::atoi(code)); }

// ARGUMENT: the text that goes to stderr before the program fails.
int complain(const char* text) {
  (void)std::fputs(text, stderr);
  ::_exit(1);
}

int flood_output(const char*) {
  const std::string block(65536, 'x');
  for (int i = 0; i < 64; ++i) {
    if (::write(1, block.data(), block.size()) < 0 || ::write(2, block.data(), block.size()) < 0) {
      return errno;
    }
  }
  return kOpen;
}

constexpr Attack kAttacks[]{{"open_root_of", open_root_of},
                            {"read_environment_of", read_environment_of},
                            {"open_memory_of", open_memory_of},
                            {"open_program_of", open_program_of},
                            {"trace", trace},
                            {"read_memory_of", read_memory_of},
                            {"take_descriptor_of", take_descriptor_of},
                            {"see_other_processes", see_other_processes},
                            {"real_time", real_time},
                            {"say_user", say_user},
                            {"daemonise", daemonise},
                            {"sleep_long", sleep_long},
                            {"raise_signal", raise_signal},
                            {"exit_with", exit_with},
                            {"complain", complain},
                            {"flood_output", flood_output}};

}  // namespace

std::span<const Attack> on_processes() { return kAttacks; }

}  // namespace attacks
