// How often an address may fail to say who it is: a token bucket each.
//
// A failure takes a token; an address without tokens is refused before it is looked up. Tokens come
// back at a steady rate. At most kAddressesMax buckets are kept: full ones go first.
// Units: tokens a second. Errors: none. Thread-safety: none; the loop thread.
#pragma once

#include <map>
#include <string>

#include "base/clock.h"

namespace coffer::api {

inline constexpr std::size_t kAddressesMax = 10'000;

struct BucketSize {
  double tokens{20};
  double per_second{0.5};
};

class RateLimit {
 public:
  explicit RateLimit(const Clock& clock, BucketSize size = {}) : clock_(clock), size_(size) {}
  // Whether the address may try.
  bool permits(const std::string& address);
  void failed(const std::string& address);
  std::size_t addresses() const { return buckets_.size(); }

 private:
  struct Bucket {
    double tokens;
    Instant at;
  };
  double tokens_now(const Bucket& bucket) const;
  void forget_some();
  const Clock& clock_;
  BucketSize size_;
  std::map<std::string, Bucket> buckets_;
};

}  // namespace coffer::api
