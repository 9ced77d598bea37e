// Child processes: started with exactly the descriptors they are given, waited for with a deadline.
//
// Invariants: a spawned child has only the descriptors of `fds` (0, 1 and 2 are /dev/null unless
// given), an empty signal mask, default dispositions, its own session, and dies when the thread
// that started it ends (PR_SET_PDEATHSIG) unless told otherwise.
// A Process that was not waited for is killed with its session and reaped on destruction.
// Errors: NotFound (no such program), Unavailable (no process to be had), Cancelled (timeout).
// Thread-safety: none; fork from a process of one thread.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace coffer {

struct ExitStatus {
  int code{0};    // of exit(), when signal is 0
  int signal{0};  // that ended it, or 0
  bool ok() const { return code == 0 && signal == 0; }
};

// In the child, `from` becomes `to`.
struct FdMapping {
  int from;
  int to;
};

enum class OnParentDeath : std::uint8_t { Die, LiveOn };

struct SpawnOptions {
  std::string program{};                          // a path, or a name to look up in PATH
  int program_fd{-1};                             // or an open executable, used instead if >= 0
  std::vector<std::string> argv{};                // argv[0] included
  std::optional<std::vector<std::string>> env{};  // "NAME=value"; absent: ours
  std::vector<FdMapping> fds{};
  std::optional<std::string> directory{};
  OnParentDeath on_parent_death{OnParentDeath::Die};
};

class Process {
 public:
  static Result<Process> spawn(const SpawnOptions& options);
  // Forks; the child runs `body` and exits with what it returns. It keeps all descriptors.
  static Result<Process> fork(const std::function<int()>& body,
                              OnParentDeath on_parent_death = OnParentDeath::Die);

  Process(Process&& other) noexcept;
  Process& operator=(Process&& other) noexcept;
  ~Process();

  pid_t pid() const { return pid_; }
  int pidfd() const { return pidfd_.get(); }  // readable when it has ended
  Result<ExitStatus> wait(Duration timeout);
  void signal(int number) const;  // to the process itself
  void kill_tree() const;         // SIGKILL to it and to its whole session's group

 private:
  Process(pid_t pid, UniqueFd pidfd) : pid_(pid), pidfd_(std::move(pidfd)) {}
  void end();
  pid_t pid_{-1};
  UniqueFd pidfd_;
};

// Runs a command to its end and collects what it printed (at most `output_max` bytes of it).
struct CommandResult {
  ExitStatus status;
  std::string output;  // stdout
};
Result<CommandResult> run_command(const std::vector<std::string>& argv, std::string_view input,
                                  Duration timeout, std::size_t output_max = 1 << 20);

}  // namespace coffer
