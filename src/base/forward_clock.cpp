#include "base/forward_clock.h"

namespace coffer {

UnixTime ForwardClock::forward() const {
  const UnixTime wall = inner_.unix_time();
  const UnixTime moved = base_ + std::chrono::floor<std::chrono::milliseconds>(inner_.now() - at_);
  if (wall < moved) return moved;
  base_ = wall;
  at_ = inner_.now();
  return wall;
}

UnixTime ForwardClock::unix_time() const {
  const std::lock_guard lock{mutex_};
  return forward();
}

void ForwardClock::not_before(UnixTime seen) {
  const std::lock_guard lock{mutex_};
  if (seen <= forward()) return;
  base_ = seen;
  at_ = inner_.now();
}

}  // namespace coffer
