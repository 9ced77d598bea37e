// Streams: the open event streams of runs, each fed from the run's stored events.
//
// A stream begins after Last-Event-ID, gets every later event once and in order, and closes after
// the run's last one. Invariants: what a stream sends is what /log shows; nothing is kept here but
// the number of the last event sent.
// Errors: those of front::run_events, before the stream begins. Thread-safety: the loop thread.
// Source: WHATWG HTML section 9.2.
#pragma once

#include <list>
#include <string>

#include "front/runs.h"
#include "net/server.h"

namespace coffer::api {

class Streams {
 public:
  Streams(front::Site& site, net::Loop& loop) : site_(site), loop_(loop) {}

  struct Wanted {
    front::Caller caller;
    std::string run;  // id
    std::int64_t after{0};
  };
  // Answers with a stream, or with the problem.
  void open(Wanted wanted, net::Reply reply);
  // Something happened to that run: soon, outside the present call.
  void wake();
  std::size_t size() const { return open_.size(); }

 private:
  struct Open {
    Wanted wanted;
    net::EventStream stream;
  };
  void feed_all();
  // Whether more may come.
  bool feed(Open& open, const front::RunEvents& events);
  front::Site& site_;
  net::Loop& loop_;
  std::list<Open> open_;
  bool waking_{false};
};

}  // namespace coffer::api
