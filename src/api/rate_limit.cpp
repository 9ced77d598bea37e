#include "api/rate_limit.h"

#include <algorithm>

namespace coffer::api {

double RateLimit::tokens_now(const Bucket& bucket) const {
  const std::chrono::duration<double> passed = clock_.now() - bucket.at;
  return std::min(size_.tokens, bucket.tokens + passed.count() * size_.per_second);
}

bool RateLimit::permits(const std::string& address) {
  const auto found = buckets_.find(address);
  return found == buckets_.end() || tokens_now(found->second) >= 1;
}

void RateLimit::failed(const std::string& address) {
  if (buckets_.size() >= kAddressesMax && !buckets_.contains(address)) forget_some();
  auto [bucket, fresh] = buckets_.try_emplace(address, Bucket{size_.tokens, clock_.now()});
  bucket->second = {std::max(0.0, tokens_now(bucket->second) - 1), clock_.now()};
}

// Those that are full again; if none is, the one that is nearest to it.
void RateLimit::forget_some() {
  if (std::erase_if(buckets_,
                    [&](const auto& one) { return tokens_now(one.second) >= size_.tokens; }) > 0) {
    return;
  }
  buckets_.erase(std::max_element(
      buckets_.begin(), buckets_.end(),
      [&](const auto& a, const auto& b) { return tokens_now(a.second) < tokens_now(b.second); }));
}

}  // namespace coffer::api
