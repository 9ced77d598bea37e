// The inside of a Loop: epoll, an ordered set of timers, a queue of posted tasks.
//
// Errors, Thread-safety: as net/loop.h says.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "base/clock.h"
#include "base/unique_fd.h"
#include "net/loop.h"

namespace coffer::net::detail {

// `core` is null once the timer is cancelled, has fired for the last time, or its loop is gone.
struct TimerSlot {
  LoopCore* core;
  Task task;
  Duration period;  // zero: once
  Instant due;
  std::uint64_t sequence;
};

struct WatchSlot {
  LoopCore* core;
  int fd;
  std::uint64_t id;
  bool added;  // to epoll; not while paused
  Task task;
  UniqueFd owned;  // a signalfd
};

class LoopCore {
 public:
  LoopCore(UniqueFd epoll, UniqueFd wake) : epoll_(std::move(epoll)), wake_(std::move(wake)) {}
  LoopCore(const LoopCore&) = delete;
  LoopCore& operator=(const LoopCore&) = delete;
  ~LoopCore();

  Result<> start();
  void run();
  void run_until(Instant end);
  void stop();
  void post(Task task);
  Timer add_timer(Duration delay, Duration period, Task task);
  Result<Watch> add_watch(int fd, Ready ready, Task task, UniqueFd owned);
  void drop(TimerSlot& slot);
  void drop(WatchSlot& slot);
  bool arm(WatchSlot& slot, Ready ready);
  void disarm(WatchSlot& slot);
  Instant now() const { return clock_.now(); }

 private:
  using TimerKey = std::pair<Instant, std::uint64_t>;
  void turn(Instant end);
  void run_timers();
  void run_posted();
  int timeout_ms(Instant end) const;
  void wake();

  SystemClock clock_;
  UniqueFd epoll_;
  UniqueFd wake_;
  std::map<TimerKey, std::shared_ptr<TimerSlot>> timers_;
  std::map<std::uint64_t, std::shared_ptr<WatchSlot>> watches_;
  std::uint64_t next_id_{1};
  std::mutex mutex_;
  std::vector<Task> posted_;  // under mutex_
  std::atomic<bool> stopping_{false};
};

}  // namespace coffer::net::detail
