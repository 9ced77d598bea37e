// Links: the front's connections to keeper, worker and builder, as the supervisor hands them over.
//
// The supervisor sends descriptors over the control socket, tagged by PeerTag; a new one replaces
// the old one. A link that broke is dropped and stays absent until the next arrives.
// Errors: Unavailable (not connected within the deadline).
// Thread-safety: the loop thread. Lifetime: borrows nothing.
#pragma once

#include <array>
#include <optional>
#include <variant>

#include "base/clock.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "keeper/client.h"
#include "os/channel.h"

namespace coffer::front {

inline constexpr Duration kKeeperPatience = 10s;

class Links {
 public:
  Links() = default;
  explicit Links(UniqueFd control, Duration patience = kKeeperPatience)
      : control_(std::move(control)), patience_(patience) {}

  int control_fd() const { return control_.get(); }
  // Takes what has arrived on the control socket within `patience`.
  // Errors: Unavailable (the supervisor is gone).
  Result<PeerTag> receive(Duration patience);

  // Asks the keeper, waiting for a connection, and asks again (the same bytes) when the connection
  // breaks under way. A refusal is an Error with its rule.
  Result<keeper::Reply> ask_keeper(const keeper::Request& request, Duration patience);
  template <class T>
  Result<T> ask_keeper_for(const keeper::Request& request) {
    return ask_keeper_for<T>(request, patience_);
  }
  template <class T>
  Result<T> ask_keeper_for(const keeper::Request& request, Duration patience) {
    COFFER_TRY(keeper::Reply reply, ask_keeper(request, patience));
    if (auto* wanted = std::get_if<T>(&reply)) return std::move(*wanted);
    return Error{Code::Internal, "the keeper answered another question"};
  }

  // Absent while not connected.
  Channel* worker() { return worker_ ? &*worker_ : nullptr; }
  Channel* builder() { return builder_ ? &*builder_ : nullptr; }
  bool has_keeper() const { return keeper_.has_value(); }
  bool has_listener() const { return static_cast<bool>(listener_); }
  void drop_worker() { worker_.reset(); }
  void drop_builder() { builder_.reset(); }
  UniqueFd take_listener() { return std::move(listener_); }
  // Counts the connections to that peer: a change means that what it has not answered is to be sent
  // again. Any call that waits for the keeper may bring one.
  std::uint64_t generation(PeerTag tag) const {
    return generations_[static_cast<std::size_t>(tag)];
  }

  // For tests that are their own supervisor.
  void accept(PeerTag tag, UniqueFd fd);

 private:
  UniqueFd control_;
  Duration patience_{kKeeperPatience};
  std::optional<keeper::Client> keeper_;
  std::optional<Channel> worker_;
  std::optional<Channel> builder_;
  UniqueFd listener_;
  std::array<std::uint64_t, 6> generations_{};  // by PeerTag
};

}  // namespace coffer::front
