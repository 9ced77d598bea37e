// One event loop: timers, descriptors that become ready, work posted from other threads.
//
// Invariants: every callback runs on the thread that runs the loop, one at a time, and never from
// inside the call that registered it. A Timer or Watch that is destroyed is never called again.
// Errors: Unavailable (the kernel gives no descriptor for the loop).
// Thread-safety: post() and stop() from any thread and stop() from a signal handler; all else from
// the loop's thread, or before run().
// Lifetime: a watched descriptor must outlive its Watch. open() makes the process ignore SIGPIPE.
//
//   Loop loop = *Loop::open();
//   Watch keeper = loop.watch(fd, Ready::Read, [&] { read_reply(); });
//   Timer sweep = loop.every(1min, [&] { expire(); });
//   loop.run();
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "base/clock.h"
#include "base/result.h"

namespace coffer::net {

using Task = std::function<void()>;

// What a descriptor is watched for. A closed peer counts as readable and as writable; Hangup waits
// for a peer that closes, and for nothing else.
enum class Ready : std::uint8_t { Read, Write, Both, Hangup };

namespace detail {
class LoopCore;
struct TimerSlot;
struct WatchSlot;
}  // namespace detail

// A callback that is due later; destroying it cancels it.
class Timer {
 public:
  Timer() = default;
  Timer(Timer&&) noexcept = default;
  Timer& operator=(Timer&& other) noexcept;
  ~Timer();
  void cancel();
  explicit operator bool() const { return slot_ != nullptr; }

 private:
  friend class detail::LoopCore;
  explicit Timer(std::shared_ptr<detail::TimerSlot> slot) : slot_(std::move(slot)) {}
  std::shared_ptr<detail::TimerSlot> slot_;
};

// A watched descriptor; destroying it ends the watch. Level-triggered.
class Watch {
 public:
  Watch() = default;
  Watch(Watch&&) noexcept = default;
  Watch& operator=(Watch&& other) noexcept;
  ~Watch();
  void cancel();
  void change(Ready ready);  // watches for that from now on; also ends a pause
  void pause();
  explicit operator bool() const { return slot_ != nullptr; }

 private:
  friend class detail::LoopCore;
  explicit Watch(std::shared_ptr<detail::WatchSlot> slot) : slot_(std::move(slot)) {}
  std::shared_ptr<detail::WatchSlot> slot_;
};

class Loop {
 public:
  static Result<Loop> open();
  Loop(Loop&&) noexcept;
  Loop& operator=(Loop&&) noexcept;
  ~Loop();

  void run();   // until stop()
  void stop();  // also when it comes before run(): that run() then returns at once
  // Runs what is due within `duration`, then returns: for tests and for a loop inside another.
  void run_for(Duration duration);

  void post(Task task);
  Timer after(Duration delay, Task task);
  Timer every(Duration period, Task task);  // first after one period
  // One watch per descriptor. Errors: InvalidArgument (already watched, or cannot be watched).
  Result<Watch> watch(int fd, Ready ready, Task task);
  // Calls `task` on the loop when the signal arrives; blocks its ordinary delivery to this process.
  Result<Watch> on_signal(int signal_number, Task task);
  Instant now() const;

  detail::LoopCore& core() { return *core_; }

 private:
  explicit Loop(std::unique_ptr<detail::LoopCore> core);
  std::unique_ptr<detail::LoopCore> core_;
};

}  // namespace coffer::net
