// Records between two of our own processes, and descriptors handed from one to the other.
//
// A record is a u32 big-endian length (at most kRecordMax) and that many bytes, on a SOCK_STREAM
// socket; its first byte is the message type by convention of the messages' own headers. Records
// arrive whole and in order or not at all.
// Units: a timeout is measured from the call; kForever waits without end, 0 asks once.
// Errors: Unavailable (the peer closed or died), Cancelled (the timeout passed), Corrupt (a length
// above kRecordMax, a descriptor where none belongs), InvalidArgument (a record to send is too
// long). After Cancelled receive() may be called again: what arrived so far is kept. After any
// other error, and after any error of send(), the stream is useless: drop the Channel.
// Thread-safety: none; one owner.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "base/clock.h"
#include "base/result.h"
#include "base/text.h"
#include "base/unique_fd.h"

namespace coffer {

inline constexpr std::size_t kRecordMax = std::size_t{16} << 20;
inline constexpr Duration kForever = Duration::max();

// The instant at which a timeout that begins now has passed, and what is left of it.
Instant deadline_after(Duration timeout);
Duration left_until(Instant deadline);

class Channel {
 public:
  explicit Channel(UniqueFd stream) : stream_(std::move(stream)) {}

  Result<> send(ByteView record, Duration timeout);
  Result<ByteVector> receive(Duration timeout);
  // One request, one reply: send() and receive() within one timeout.
  Result<ByteVector> call(ByteView request, Duration timeout);

  int fd() const { return stream_.get(); }  // to poll for input

 private:
  UniqueFd stream_;
  ByteVector arrived_;  // of the record under way, its length first
};

// Two ends of one fresh stream, both close-on-exec.
struct ChannelPair {
  UniqueFd first;
  UniqueFd second;
};
Result<ChannelPair> make_channel_pair();

// What a descriptor on a control socket is: the connection to that process of the server, or the
// socket that listens for clients. The supervisor sends them; each process takes the place of none.
enum class PeerTag : std::uint8_t { Keeper = 1, Worker = 2, Builder = 3, Front = 4, Listener = 5 };

// A descriptor and the byte that says what it is for ("the keeper's connection").
struct TaggedFd {
  std::uint8_t tag;
  UniqueFd fd;
};
// Over a control socket of its own, on which nothing else travels. The receiver's descriptor is
// close-on-exec.
Result<> send_fd(int control, std::uint8_t tag, int fd);
Result<TaggedFd> receive_fd(int control, Duration timeout);

// Waits until `fd` can be read (or was closed by its peer). Errors: Cancelled.
Result<> wait_readable(int fd, Duration timeout);

}  // namespace coffer
