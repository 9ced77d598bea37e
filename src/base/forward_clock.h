// Wall time that never goes back: what was an hour ago stays an hour ago.
//
// It follows the wall clock forward. Where that jumps back, or stands before a time that was seen
// already (a restart after a jump), it goes on from there by the monotonic clock until the wall
// clock has caught up. So slots and deadlines of runs under way still come, and nothing that had
// expired is valid again.
// Thread-safety: from any thread. Errors: none.
#pragma once

#include <mutex>

#include "base/clock.h"

namespace coffer {

class ForwardClock final : public Clock {
 public:
  explicit ForwardClock(const Clock& inner) : inner_(inner) {}
  Instant now() const override { return inner_.now(); }
  UnixTime unix_time() const override;
  // From now on no time before that one.
  void not_before(UnixTime seen);

 private:
  UnixTime forward() const;  // the mutex is held

  const Clock& inner_;
  mutable std::mutex mutex_;
  mutable UnixTime base_{};  // what unix_time() was at `at_`
  mutable Instant at_{};
};

}  // namespace coffer
