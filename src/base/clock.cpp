#include "base/clock.h"

namespace coffer {

Instant SystemClock::now() const { return std::chrono::steady_clock::now(); }

UnixTime SystemClock::unix_time() const {
  return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

}  // namespace coffer
