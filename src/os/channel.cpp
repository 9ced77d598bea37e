#include "os/channel.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/wire.h"
#include "os/files.h"

namespace coffer {
namespace {

constexpr std::size_t kPrefix = 4;

Result<> wait_for(int fd, short events, Duration timeout) {
  const Instant deadline = deadline_after(timeout);
  while (true) {
    const Duration left = left_until(deadline);
    // Rounded up, so that a wait never ends before its time and spins.
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(std::min<Duration>(left, 24h));
    pollfd entry{.fd = fd, .events = events, .revents = 0};
    const int ready = ::poll(&entry, 1, static_cast<int>(ms.count()));
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return system_error("wait for a peer", errno);
    if (left == Duration{0}) return Error{Code::Cancelled, "the peer did not answer in time"};
  }
}

Error peer_gone() { return {Code::Unavailable, "the peer closed the connection"}; }

std::size_t length_in(ByteView prefix) {
  WireReader reader{prefix.first(kPrefix)};
  return reader.u32();
}

}  // namespace

Instant deadline_after(Duration timeout) {
  const Instant now = SystemClock{}.now();
  return timeout > Instant::max() - now ? Instant::max() : now + timeout;
}

Duration left_until(Instant deadline) {
  if (deadline == Instant::max()) return kForever;
  return std::max(Duration{0}, deadline - SystemClock{}.now());
}

Result<> wait_readable(int fd, Duration timeout) { return wait_for(fd, POLLIN, timeout); }

Result<> Channel::send(ByteView record, Duration timeout) {
  if (record.size() > kRecordMax) {
    return Error{Code::InvalidArgument, "a record is longer than 16 MiB"};
  }
  WireWriter frame;
  frame.bytes(record);
  ByteView left{frame.data()};
  const Instant deadline = deadline_after(timeout);
  while (!left.empty()) {
    const ssize_t sent = ::send(fd(), left.data(), left.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      left = left.subspan(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN) {
      COFFER_CHECK(wait_for(fd(), POLLOUT, left_until(deadline)));
    } else if (errno == EPIPE || errno == ECONNRESET) {
      return peer_gone();
    } else if (errno != EINTR) {
      return system_error("send a record", errno);
    }
  }
  return {};
}

Result<ByteVector> Channel::receive(Duration timeout) {
  const Instant deadline = deadline_after(timeout);
  while (true) {
    std::size_t wanted = kPrefix;
    if (arrived_.size() >= kPrefix) {
      const std::size_t length = length_in(arrived_);
      if (length > kRecordMax) return Error{Code::Corrupt, "a record is longer than 16 MiB"};
      wanted += length;
      if (arrived_.size() == wanted) {
        ByteVector record(arrived_.begin() + kPrefix, arrived_.end());
        arrived_.clear();
        return record;
      }
    }
    const std::size_t had = arrived_.size();
    // In steps, so that a peer who only announces a long record costs no memory.
    arrived_.resize(std::min(wanted, had + (std::size_t{1} << 16)));
    const ssize_t got = ::recv(fd(), arrived_.data() + had, arrived_.size() - had, MSG_DONTWAIT);
    const int error_number = errno;
    arrived_.resize(had + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    if (got > 0) continue;
    if (got == 0 || error_number == ECONNRESET) return peer_gone();
    if (error_number == EAGAIN) {
      COFFER_CHECK(wait_for(fd(), POLLIN, left_until(deadline)));
    } else if (error_number != EINTR) {
      return system_error("receive a record", error_number);
    }
  }
}

Result<ByteVector> Channel::call(ByteView request, Duration timeout) {
  const Instant deadline = deadline_after(timeout);
  COFFER_CHECK(send(request, timeout));
  return receive(left_until(deadline));
}

Result<ChannelPair> make_channel_pair() {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return system_error("make a socket pair", errno);
  }
  return ChannelPair{UniqueFd{ends[0]}, UniqueFd{ends[1]}};
}

Result<> send_fd(int control, std::uint8_t tag, int fd) {
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> space{};
  iovec data{.iov_base = &tag, .iov_len = 1};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = space.data();
  message.msg_controllen = space.size();
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(header), &fd, sizeof(int));
  while (::sendmsg(control, &message, MSG_NOSIGNAL) < 0) {
    if (errno == EPIPE || errno == ECONNRESET) return peer_gone();
    if (errno != EINTR) return system_error("hand over a descriptor", errno);
  }
  return {};
}

Result<TaggedFd> receive_fd(int control, Duration timeout) {
  COFFER_CHECK(wait_readable(control, timeout));
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> space{};
  std::uint8_t tag = 0;
  iovec data{.iov_base = &tag, .iov_len = 1};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = space.data();
  message.msg_controllen = space.size();
  ssize_t got = 0;
  do {
    got = ::recvmsg(control, &message, MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  if (got < 0) return system_error("receive a descriptor", errno);
  if (got == 0) return peer_gone();
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header == nullptr || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS ||
      header->cmsg_len != CMSG_LEN(sizeof(int))) {
    return Error{Code::Corrupt, "a control message carries no descriptor"};
  }
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(header), sizeof(int));
  return TaggedFd{tag, UniqueFd{fd}};
}

}  // namespace coffer
