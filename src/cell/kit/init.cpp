// The first process of a cell: proves the walls, waits for the word, runs one program, ends with
// it.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "base/io.h"
#include "base/text.h"
#include "cell/detail/walls.h"
#include "cell/kit/failure.h"
#include "cell/kit/modes.h"
#include "cell/kit/probe.h"

namespace coffer::cell::kit {
namespace {

using detail::Config;
using detail::EndReport;
using detail::kConfigFd;
using detail::kLineFd;

constexpr std::size_t kTailMax = 16384;
constexpr int kCannotGoOn = 125;

void send(const ByteVector& record) {
  if (!write_fully(kLineFd, record)) ::_exit(kCannotGoOn);
}

std::optional<Config> read_config() {
  ByteVector bytes;
  std::array<std::byte, 4096> block{};
  ssize_t got = 0;
  while ((got = ::read(kConfigFd, block.data(), block.size())) > 0) {
    bytes.insert(bytes.end(), block.begin(), block.begin() + got);
  }
  (void)::close(kConfigFd);
  auto config = Config::decode(bytes);
  if (got < 0 || !config) return std::nullopt;
  return std::move(config).value();
}

struct Ends {
  int read{-1};
  int write{-1};
};
Ends make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) ::_exit(kCannotGoOn);
  return {ends[0], ends[1]};
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> list;
  for (auto& text : texts) list.push_back(text.data());
  list.push_back(nullptr);
  return list;
}

// The files that a name without a slash may mean, by the program's own PATH.
std::vector<std::string> candidates(const Config& config) {
  const std::string& name = config.argv.front();
  if (name.find('/') != std::string::npos) return {name};
  std::string path = "/usr/local/bin:/usr/bin:/bin";
  for (const auto& entry : config.env) {
    if (entry.starts_with("PATH=")) path = entry.substr(5);
  }
  std::vector<std::string> files;
  for (const auto& directory : split(path, ':')) files.push_back(directory + "/" + name);
  return files;
}

// Becomes the program; the errno when that failed.
int execute(Config& config) {
  auto argv = pointers(config.argv);
  auto env = pointers(config.env);
  int reason = ENOENT;
  for (const auto& file : candidates(config)) {
    (void)::execve(file.c_str(), argv.data(), env.data());
    if (errno != ENOENT && errno != ENOTDIR) reason = errno;
  }
  return reason;
}

constexpr std::array<const char*, 5> kModes{"", "judge", "evidence", "compare", "unpack"};

[[noreturn]] void run_kit(Config& config) {
  std::vector<std::string> words{kModes.at(config.kit)};
  words.insert(words.end(), config.argv.begin(), config.argv.end());
  auto argv = pointers(words);
  std::exit(run_mode(static_cast<int>(words.size()), argv.data()));
}

[[noreturn]] void become_main(Config& config, const Ends& out, const Ends& err, int failed) {
  sigset_t none;
  sigemptyset(&none);
  (void)::sigprocmask(SIG_SETMASK, &none, nullptr);
  (void)::signal(SIGCHLD, SIG_DFL);
  (void)::close(kLineFd);
  if (!config.keep_output && (::dup2(out.write, 1) < 0 || ::dup2(err.write, 2) < 0)) {
    ::_exit(kCannotGoOn);
  }
  (void)::setsid();
  int reason = 0;
  if (::chdir(config.directory.c_str()) != 0) {
    reason = errno;
  } else if (config.kit != 0) {
    (void)::close(failed);
    run_kit(config);
  } else {
    reason = execute(config);
  }
  const auto byte = static_cast<std::uint8_t>(reason);
  [[maybe_unused]] const auto told = ::write(failed, &byte, 1);
  ::_exit(127);
}

// Reads what there is; keeps the last of it. False at the end.
bool drain(int fd, std::string* tail) {
  std::array<char, 8192> block{};
  const ssize_t got = ::read(fd, block.data(), block.size());
  if (got < 0) return errno == EAGAIN || errno == EINTR;
  if (got == 0) return false;
  if (tail != nullptr) {
    tail->append(block.data(), static_cast<std::size_t>(got));
    if (tail->size() > 2 * kTailMax) tail->erase(0, tail->size() - kTailMax);
  }
  return true;
}

void ignore(int) {}

// Waits for the main process, reaping whatever else ends and reading what is written, so that
// nothing blocks on a full pipe.
int wait_for(pid_t main, int& out, int& err, std::string& tail) {
  sigset_t none;
  sigemptyset(&none);
  while (true) {
    int status = 0;
    pid_t ended = 0;
    while ((ended = ::waitpid(-1, &status, WNOHANG)) > 0) {
      if (ended == main) return status;
    }
    std::array<pollfd, 2> entries{pollfd{out, POLLIN, 0}, pollfd{err, POLLIN, 0}};
    if (::ppoll(entries.data(), entries.size(), nullptr, &none) < 0) continue;
    if (entries[0].revents != 0 && !drain(out, nullptr)) out = -1;
    if (entries[1].revents != 0 && !drain(err, &tail)) err = -1;
  }
}

EndReport run(Config& config) {
  Ends out;
  Ends err;
  if (!config.keep_output) {
    out = make_pipe();
    err = make_pipe();
    (void)::fcntl(out.read, F_SETFL, O_NONBLOCK);
    (void)::fcntl(err.read, F_SETFL, O_NONBLOCK);
  }
  const Ends failed = make_pipe();
  const pid_t main = ::fork();
  if (main < 0) ::_exit(kCannotGoOn);
  if (main == 0) become_main(config, out, err, failed.write);
  (void)::close(failed.write);
  (void)::close(0);
  if (out.write >= 0) (void)::close(out.write);
  if (err.write >= 0) (void)::close(err.write);
  (void)::close(1);
  (void)::close(2);
  std::string tail;
  const int status = wait_for(main, out.read, err.read, tail);
  constexpr int kLastReads = 64;
  for (int i = 0; err.read >= 0 && i < kLastReads && drain(err.read, &tail); ++i) {
  }
  EndReport end;
  std::uint8_t reason = 0;
  if (::read(failed.read, &reason, 1) == 1) end.exec_error = reason;
  if (WIFSIGNALED(status)) end.signal = static_cast<std::uint8_t>(WTERMSIG(status));
  if (WIFEXITED(status)) end.exit_code = static_cast<std::uint8_t>(WEXITSTATUS(status));
  if (auto failure = failure_in(tail); failure && (end.exit_code != 0 || end.signal != 0)) {
    end.class_name = std::move(failure->class_name);
    end.file = std::move(failure->file);
    end.line = failure->line;
  }
  return end;
}

}  // namespace

int init_main() {
  // First of all: from here on no other process of the cell may look into this one.
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return kCannotGoOn;
  auto config = read_config();
  if (!config || config->kit >= kModes.size()) return kCannotGoOn;
  (void)::fcntl(kLineFd, F_SETFD, FD_CLOEXEC);
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  (void)::sigprocmask(SIG_BLOCK, &child, nullptr);
  struct sigaction action {};
  action.sa_handler = ignore;
  (void)::sigaction(SIGCHLD, &action, nullptr);
  send(try_walls(*config).encode());
  char word = 0;
  ssize_t got = 0;
  while ((got = ::read(kLineFd, &word, 1)) < 0 && errno == EINTR) {
  }
  if (got != 1 || word != detail::kGo) return kCannotGoOn;
  send(run(*config).encode());
  return 0;
}

}  // namespace coffer::cell::kit
