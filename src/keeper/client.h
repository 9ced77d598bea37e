// Client: asks the keeper over a connected stream, one request at a time.
//
// Invariants: after an error other than a refusal the stream is out of step: close it, wait for a
// new connection and send the same bytes again (every operation is idempotent).
// Errors: those of the keeper's refusal, with its rule; Unavailable (the deadline passed or
// the connection is gone); Corrupt (no record, or the reply to something else).
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

  // Any request, any reply; a refusal is a Reply here.
  Result<Reply> ask(const Request& request);
  // The same with bytes that encode() wrote, for who keeps them to send them again.
  Result<Reply> ask_encoded(ByteView request);

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
  Channel channel_;
  Duration deadline_;
};

}  // namespace coffer::keeper
