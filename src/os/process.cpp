#include "os/process.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "os/channel.h"
#include "os/files.h"

extern char** environ;  // NOLINT(readability-redundant-declaration)

namespace coffer {
namespace {

// Descriptors that must survive the mapping are first moved above this.
constexpr int kParkingFirst = 256;

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> list;
  for (auto& text : texts) list.push_back(text.data());
  list.push_back(nullptr);
  return list;
}

// Everything the child needs, laid out before the fork: after it nothing is allocated.
struct Plan {
  std::string program;
  int program_fd;
  std::vector<std::string> argv_texts;
  std::vector<std::string> env_texts;
  std::vector<char*> argv;
  std::vector<char*> env;
  std::vector<FdMapping> fds;
  const char* directory{nullptr};
  bool dies_with_parent{true};
  pid_t parent{};
};

void reset_signals() {
  sigset_t none;
  sigemptyset(&none);
  (void)::sigprocmask(SIG_SETMASK, &none, nullptr);
  for (int number = 1; number < NSIG; ++number) (void)::signal(number, SIG_DFL);
}

// 0, or the errno of the step that failed.
int arrange_fds(Plan& plan) {
  for (auto& mapping : plan.fds) {
    mapping.from = ::fcntl(mapping.from, F_DUPFD_CLOEXEC, kParkingFirst);
    if (mapping.from < 0) return errno;
  }
  if (plan.program_fd >= 0) {
    plan.program_fd = ::fcntl(plan.program_fd, F_DUPFD_CLOEXEC, kParkingFirst);
    if (plan.program_fd < 0) return errno;
  }
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null < 0) return errno;
  for (int fd = 0; fd <= 2; ++fd) {
    if (::dup2(null, fd) < 0) return errno;
  }
  if (::syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC) != 0) return errno;
  for (const auto& mapping : plan.fds) {
    if (::dup2(mapping.from, mapping.to) < 0) return errno;
  }
  return 0;
}

int become(Plan& plan) {
  reset_signals();
  if (plan.dies_with_parent) {
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return errno;
    if (::getppid() != plan.parent) return ESRCH;  // it died before the line above
  }
  if (::setsid() < 0) return errno;
  if (plan.directory != nullptr && ::chdir(plan.directory) != 0) return errno;
  if (const int failed = arrange_fds(plan); failed != 0) return failed;
  if (plan.program_fd >= 0) {
    (void)::syscall(SYS_execveat, plan.program_fd, "", plan.argv.data(), plan.env.data(),
                    AT_EMPTY_PATH);
  } else {
    (void)::execvpe(plan.program.c_str(), plan.argv.data(), plan.env.data());
  }
  return errno;
}

Plan plan_for(const SpawnOptions& options) {
  Plan plan{.program = options.program,
            .program_fd = options.program_fd,
            .argv_texts = options.argv,
            .env_texts = {},
            .argv = {},
            .env = {},
            .fds = options.fds};
  if (options.env) {
    plan.env_texts = *options.env;
  } else {
    for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
      plan.env_texts.emplace_back(*entry);
    }
  }
  plan.directory = options.directory ? options.directory->c_str() : nullptr;
  plan.dies_with_parent = options.on_parent_death == OnParentDeath::Die;
  plan.parent = ::getpid();
  return plan;
}

Result<UniqueFd> open_pidfd(pid_t pid) {
  const long fd = ::syscall(SYS_pidfd_open, pid, 0);
  if (fd < 0) return system_error("watch a process", errno);
  return UniqueFd{static_cast<int>(fd)};
}

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};
Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return system_error("make a pipe", errno);
  return Pipe{UniqueFd{ends[0]}, UniqueFd{ends[1]}};
}

}  // namespace

Process::Process(Process&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), pidfd_(std::move(other.pidfd_)) {}

Process& Process::operator=(Process&& other) noexcept {
  if (this != &other) {
    end();
    pid_ = std::exchange(other.pid_, -1);
    pidfd_ = std::move(other.pidfd_);
  }
  return *this;
}

Process::~Process() { end(); }

void Process::end() {
  if (pid_ < 0) return;
  kill_tree();
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
}

Result<Process> Process::fork(const std::function<int()>& body, OnParentDeath on_parent_death) {
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) return system_error("start a process", errno);
  if (pid == 0) {
    if (on_parent_death == OnParentDeath::Die &&
        (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || ::getppid() != parent)) {
      ::_exit(127);
    }
    (void)::setsid();
    ::_exit(body());
  }
  Process child{pid, UniqueFd{}};  // killed when the next step fails
  COFFER_TRY(child.pidfd_, open_pidfd(pid));
  return child;
}

Result<Process> Process::spawn(const SpawnOptions& options) {
  Plan plan = plan_for(options);
  plan.argv = pointers(plan.argv_texts);
  plan.env = pointers(plan.env_texts);
  COFFER_TRY(Pipe failure, make_pipe());
  const pid_t pid = ::fork();
  if (pid < 0) return system_error("start a process", errno);
  if (pid == 0) {
    const int report = ::fcntl(failure.write.get(), F_DUPFD_CLOEXEC, kParkingFirst);
    const int reason = become(plan);
    [[maybe_unused]] const auto told = ::write(report, &reason, sizeof reason);
    ::_exit(127);
  }
  failure.write.reset();
  Process child{pid, UniqueFd{}};
  COFFER_TRY(child.pidfd_, open_pidfd(pid));
  int reason = 0;
  if (::read(failure.read.get(), &reason, sizeof reason) == sizeof reason) {
    return system_error("start " + printable(options.program), reason);
  }
  return child;
}

Result<ExitStatus> Process::wait(Duration timeout) {
  if (pid_ < 0) return Error{Code::Internal, "a process was waited for twice"};
  COFFER_CHECK(wait_readable(pidfd_.get(), timeout));
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0) {
    if (errno != EINTR) return system_error("wait for a process", errno);
  }
  pid_ = -1;
  if (WIFSIGNALED(status)) return ExitStatus{0, WTERMSIG(status)};
  return ExitStatus{WEXITSTATUS(status), 0};
}

void Process::signal(int number) const {
  if (pid_ > 0) (void)::syscall(SYS_pidfd_send_signal, pidfd_.get(), number, nullptr, 0);
}

void Process::kill_tree() const {
  if (pid_ < 0) return;
  // The child leads its session's first group; a fork that has not called setsid() yet has none,
  // which is why it is also killed by itself.
  (void)::kill(-pid_, SIGKILL);
  (void)::kill(pid_, SIGKILL);
}

Result<CommandResult> run_command(const std::vector<std::string>& argv, std::string_view input,
                                  Duration timeout, std::size_t output_max) {
  if (argv.empty()) return Error{Code::InvalidArgument, "a command is empty"};
  COFFER_TRY(const UniqueFd in, sealed_memory_file("input", bytes_of(input)));
  COFFER_TRY(Pipe out, make_pipe());
  COFFER_TRY(Process child, Process::spawn({.program = argv[0],
                                            .argv = argv,
                                            .env = {},
                                            .fds = {{in.get(), 0}, {out.write.get(), 1}, {2, 2}},
                                            .directory = {}}));
  out.write.reset();
  const Instant begin = SystemClock{}.now();
  CommandResult result;
  std::array<char, 4096> block{};
  while (true) {
    const Duration passed = SystemClock{}.now() - begin;
    COFFER_CHECK(wait_readable(out.read.get(), std::max(Duration{0}, timeout - passed)));
    const ssize_t got = ::read(out.read.get(), block.data(), block.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error("read a command's output", errno);
    if (got == 0) break;
    const auto room = output_max - result.output.size();
    result.output.append(block.data(), std::min(room, static_cast<std::size_t>(got)));
  }
  COFFER_TRY(result.status,
             child.wait(std::max(Duration{0}, timeout - (SystemClock{}.now() - begin))));
  return result;
}

}  // namespace coffer
