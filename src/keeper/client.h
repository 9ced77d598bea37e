// Client: asks the keeper over a connected stream, one request at a time.
//
// Invariants: replies come in the order of the requests; one that came after its deadline is thrown
// away before the next request is sent, and while it is still to come the next waits a moment only.
// After any other error but a refusal is_broken(): close it, wait for a new connection and send the
// same bytes again (every operation is idempotent).
// Errors: those of the keeper's refusal, with its rule; Unavailable (the deadline passed or the
// connection is gone); Corrupt (no record, or the reply to something else).
// Thread-safety: one thread at a time.
//
//   keeper::Client keeper{std::move(fd)};
//   COFFER_TRY(const keeper::Appended done, keeper.append(keeper::AddGrant{fresh_seed(), text}));
#pragma once

#include <utility>

#include "keeper/messages.h"
#include "os/channel.h"

namespace coffer::keeper {

class Client {
 public:
  explicit Client(UniqueFd stream, Duration deadline = 10s)
      : channel_(std::move(stream)), deadline_(deadline) {}

  int fd() const { return channel_.fd(); }
  bool is_broken() const { return broken_; }

  // Any request, any reply; a refusal is a Reply here.
  Result<Reply> ask(const Request& request);
  // The same with bytes that encode() wrote, for who keeps them to send them again.
  Result<Reply> ask_encoded(ByteView request, Duration deadline);

  // The reply of that type; a refusal becomes its Error.
  template <class T>
  Result<T> ask_for(const Request& request) {
    COFFER_TRY(Reply reply, ask(request));
    if (auto* wanted = std::get_if<T>(&reply)) return std::move(*wanted);
    return unexpected(reply);
  }
  Result<Appended> append(const Request& operation) { return ask_for<Appended>(operation); }

 private:
  static Error unexpected(const Reply& reply);
  Result<ByteVector> call(ByteView request, Instant deadline);
  Channel channel_;
  Duration deadline_;
  std::size_t late_{0};  // replies that are still to come and that nobody waits for
  bool broken_{false};
};

}  // namespace coffer::keeper
