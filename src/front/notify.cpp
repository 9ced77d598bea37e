#include "front/notify.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "os/files.h"

namespace coffer::front {
namespace {

constexpr Duration kCommandTime = 60s;
constexpr int kPipeFd = 3;
constexpr std::size_t kNoticeMax = 4096;  // a pipe takes so much at once, or nothing

struct Pipe {
  UniqueFd out;
  UniqueFd in;
};

Result<Pipe> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return system_error("make a pipe for notices", errno);
  return Pipe{UniqueFd{ends[0]}, UniqueFd{ends[1]}};
}

// One line of the pipe, empty when the front is gone.
std::string next_line(int fd, std::string& rest) {
  for (;;) {
    if (const auto end = rest.find('\n'); end != std::string::npos) {
      std::string line = rest.substr(0, end + 1);
      rest.erase(0, end + 1);
      return line;
    }
    char piece[kNoticeMax];
    const auto got = ::read(fd, piece, sizeof piece);
    if (got <= 0 && !(got < 0 && errno == EINTR)) return {};
    if (got > 0) rest.append(piece, static_cast<std::size_t>(got));
  }
}

// Of the front it needs standard output, error and the pipe: it may outlive the front by a command,
// and holds nothing then that the next server waits for.
bool keep_alone(int pipe) {
  return ::dup2(pipe, kPipeFd) == kPipeFd && ::syscall(SYS_close_range, kPipeFd + 1, ~0U, 0) == 0;
}

int run_notices(const std::string& command, const std::optional<Identity>& identity) {
  if (identity && (::setgroups(0, nullptr) != 0 ||
                   ::setresgid(identity->gid, identity->gid, identity->gid) != 0 ||
                   ::setresuid(identity->uid, identity->uid, identity->uid) != 0)) {
    return 1;
  }
  (void)::signal(SIGTERM, SIG_IGN);  // it ends with the front, after the last notice
  std::string rest;
  for (;;) {
    const std::string line = next_line(kPipeFd, rest);
    if (line.empty()) return 0;
    const auto done = run_command({"/bin/sh", "-c", command}, line, kCommandTime);
    if (!done) {
      log_error("notify", "the notify command failed", done.error());
    } else if (!done->status.ok()) {
      log_line("notify", "the notify command failed", {{"status", done->status.code}});
    }
  }
}

}  // namespace

Result<Notifier> Notifier::start(const std::string& command, std::optional<Identity> identity) {
  COFFER_TRY(Pipe pipe, make_pipe());
  COFFER_TRY(auto process, Process::fork([&] {
               return keep_alone(pipe.out.get()) ? run_notices(command, identity) : 1;
             }));
  if (::fcntl(pipe.in.get(), F_SETFL, O_NONBLOCK) != 0)
    return system_error("make a pipe for notices", errno);
  return Notifier{std::move(process), std::move(pipe.in)};
}

// What fits into the pipe is what may wait.
void Notifier::tell(const Json& notice) {
  const std::string line = notice.canonical() + "\n";
  const bool fits = line.size() <= kNoticeMax;
  if (fits && ::write(pipe_.get(), line.data(), line.size()) == static_cast<ssize_t>(line.size()))
    return;
  log_line("front", "notice dropped", {{"event", notice.text_or("event", "")}});
}

}  // namespace coffer::front
