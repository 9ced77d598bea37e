// Peers: listens to the supervisor, the worker and the builder on the front's loop.
//
// Invariants: a peer whose connection is new is sent what the one before had not answered, once;
// a connection that broke is dropped and not looked at again.
// Errors: the supervisor's end goes to `on_end`; all else is logged, and the next connection mends
// it. Thread-safety: the loop thread. Lifetime: borrows site and loop.
#pragma once

#include <array>
#include <functional>

#include "front/site.h"
#include "net/loop.h"

namespace coffer::api {

class Peers {
 public:
  Peers(front::Site& site, net::Loop& loop, std::function<void(Error)> on_end)
      : site_(site), loop_(loop), on_end_(std::move(on_end)) {}
  // Errors: those of the loop.
  Result<> start();
  // Looks whether connections arrived while somebody waited for the keeper.
  void notice();

 private:
  void on_control();
  void on_keeper();
  void on_worker();
  void on_builder();
  // Takes what has arrived; a peer whose stream is broken is dropped.
  void read(PeerTag tag);
  Channel* channel(PeerTag tag);
  bool is_new(PeerTag tag);

  front::Site& site_;
  net::Loop& loop_;
  std::function<void(Error)> on_end_;
  std::array<std::uint64_t, 6> seen_{};  // generations, by PeerTag
  net::Watch control_;
  net::Watch worker_;
  net::Watch builder_;
};

}  // namespace coffer::api
