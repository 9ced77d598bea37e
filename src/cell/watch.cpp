#include "cell/detail/watch.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "os/channel.h"
#include "os/files.h"

namespace coffer::cell::detail {
namespace {

constexpr Duration kKillPatience = std::chrono::seconds{10};

std::optional<std::size_t> size_of(std::byte type) {
  switch (static_cast<char>(type)) {
    case SelfTest::kType:
      return SelfTest::kSize;
    case StepFailure::kType:
      return StepFailure::kSize;
    case EndReport::kType:
      return EndReport::kSize;
    default:
      return std::nullopt;
  }
}

int poll_time(Duration left) {
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(
      std::clamp<Duration>(left, Duration{0}, std::chrono::hours{1}));
  return static_cast<int>(ms.count());
}

class Watch {
 public:
  explicit Watch(const Watched& watched) : watched_(watched) {}

  Result<Seen> until_gone() {
    Instant deadline = watched_.deadline;
    while (true) {
      const Instant now = SystemClock{}.now();
      if (now >= deadline) {
        if (killed_) return Error{Code::Internal, "a killed cell does not end"};
        seen_.timed_out = true;
        kill();
        deadline = now + kKillPatience;
      }
      std::array<pollfd, 6> entries{entry(watched_.pidfd), entry(line()),   entry(output()),
                                    entry(error()),        entry(cancel()), entry(memory())};
      if (::poll(entries.data(), entries.size(), poll_time(deadline - now)) < 0 && errno != EINTR) {
        return system_error("watch a cell", errno);
      }
      if (entries[1].revents != 0) read_line();
      if (entries[2].revents != 0) collect(watched_.standard_output, seen_.standard_output, out_);
      if (entries[3].revents != 0) collect(watched_.standard_error, seen_.standard_error, err_);
      if (entries[4].revents != 0 && !killed_) stop_for(seen_.cancelled, deadline);
      if (entries[5].revents != 0 && !killed_) stop_for(seen_.memory_event, deadline);
      if (entries[0].revents != 0) break;
    }
    // The first process is gone, so all are: what they wrote lies in the pipes, and no more comes.
    while (line() >= 0) read_line();
    while (output() >= 0) collect(watched_.standard_output, seen_.standard_output, out_);
    while (error() >= 0) collect(watched_.standard_error, seen_.standard_error, err_);
    return std::move(seen_);
  }

 private:
  static pollfd entry(int fd) { return {.fd = fd, .events = POLLIN, .revents = 0}; }
  int line() const { return line_open_ ? watched_.line : -1; }
  int output() const { return out_ ? watched_.standard_output : -1; }
  int error() const { return err_ ? watched_.standard_error : -1; }
  int cancel() const { return killed_ ? -1 : watched_.cancel; }
  int memory() const { return killed_ ? -1 : watched_.memory_event; }

  void kill() {
    killed_ = true;
    (void)::syscall(SYS_pidfd_send_signal, watched_.pidfd, SIGKILL, nullptr, 0);
  }

  void stop_for(bool& why, Instant& deadline) {
    why = true;
    kill();
    deadline = SystemClock{}.now() + kKillPatience;
  }

  void read_line() {
    std::array<std::byte, EndReport::kSize> block{};
    const ssize_t got =
        ::recv(watched_.line, block.data(), block.size() - arrived_.size(), MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR) && !killed_) return;
    if (got <= 0) {
      line_open_ = false;
      return;
    }
    arrived_.insert(arrived_.end(), block.begin(), block.begin() + got);
    if (arrived_.size() < EndReport::kSize) return;
    line_open_ = false;  // one report, whatever else is sent
    if (auto end = EndReport::decode(arrived_)) seen_.end = std::move(end).value();
  }

  void collect(int fd, std::string& text, bool& open) const {
    std::array<char, 8192> block{};
    const ssize_t got = ::read(fd, block.data(), block.size());
    if (got < 0 && errno == EINTR) return;
    if (got <= 0) {
      open = false;
      return;
    }
    const auto room = watched_.output_max - std::min(watched_.output_max, text.size());
    text.append(block.data(), std::min(room, static_cast<std::size_t>(got)));
  }

  const Watched& watched_;
  Seen seen_;
  ByteVector arrived_;
  bool killed_{false};
  bool line_open_{true};
  bool out_{watched_.standard_output >= 0};
  bool err_{watched_.standard_error >= 0};
};

}  // namespace

Result<Seen> watch(const Watched& watched) { return Watch{watched}.until_gone(); }

Result<ByteVector> read_record(int line, Instant deadline) {
  ByteVector record;
  std::size_t wanted = 1;
  while (record.size() < wanted) {
    COFFER_CHECK(wait_readable(line, std::max(Duration{0}, deadline - SystemClock{}.now())));
    const std::size_t had = record.size();
    record.resize(wanted);
    const ssize_t got = ::recv(line, record.data() + had, wanted - had, 0);
    record.resize(had + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    if (got == 0) return Error{Code::Unavailable, "the cell ended before it was proved"};
    if (got < 0 && errno != EINTR) return system_error("hear from a cell", errno);
    if (record.size() == 1) {
      const auto size = size_of(record[0]);
      if (!size) return Error{Code::Corrupt, "a cell sent an unknown record"};
      wanted = *size;
    }
  }
  return record;
}

}  // namespace coffer::cell::detail
