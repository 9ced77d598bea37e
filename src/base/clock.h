// Time, passed in: what reads a Clock can be replayed.
//
// Thread-safety: implementations are safe from any thread. Errors: none.
#pragma once

#include <chrono>
#include <cstdint>

namespace coffer {

using Instant = std::chrono::time_point<std::chrono::steady_clock, std::chrono::nanoseconds>;
using UnixTime = std::chrono::sys_time<std::chrono::milliseconds>;
using Duration = std::chrono::nanoseconds;
using namespace std::chrono_literals;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Instant now() const = 0;         // monotonic; for deadlines
  virtual UnixTime unix_time() const = 0;  // wall; for records only, may jump
};

// The machine's own clocks.
class SystemClock final : public Clock {
 public:
  Instant now() const override;
  UnixTime unix_time() const override;
};

// A clock that moves when told to.
class ManualClock final : public Clock {
 public:
  Instant now() const override { return now_; }
  UnixTime unix_time() const override {
    return start_ + std::chrono::duration_cast<std::chrono::milliseconds>(now_.time_since_epoch());
  }
  void advance(Duration step) { now_ += step; }
  void set_unix_start(UnixTime start) { start_ = start; }

 private:
  Instant now_{};
  UnixTime start_{};
};

}  // namespace coffer
