#include "vault/chunker.h"

#include <algorithm>

#include "vault/chunk.h"

namespace coffer::vault {
namespace {

// The high bits of the hash depend on the last 64 bytes, so the masks are taken from there.
constexpr std::uint64_t top_bits(unsigned count) { return ~std::uint64_t{0} << (64 - count); }
constexpr std::uint64_t kStrict = top_bits(22);  // log2(average) + 2
constexpr std::uint64_t kLoose = top_bits(18);   // log2(average) - 2
static_assert(kChunkAverage == std::size_t{1} << 20);

}  // namespace

Chunker::Chunker(const Key& dataset_key) {
  const Key table_key = derive_key(dataset_key, "coffer-gear-v1");
  for (std::size_t i = 0; i < gear_.size(); ++i) {
    const std::array one{static_cast<std::byte>(i)};
    const Digest digest = hmac_sha256(table_key, one);
    for (std::size_t k = 0; k < 8; ++k) {
      gear_[i] = gear_[i] << 8 | std::to_integer<std::uint64_t>(digest.bytes[k]);
    }
  }
}

std::size_t Chunker::cut(ByteView data) const {
  const std::size_t end = std::min(data.size(), kChunkMax);
  const std::size_t middle = std::min(end, kChunkAverage);
  std::uint64_t hash = 0;
  std::size_t i = kChunkMin;
  for (; i < middle; ++i) {
    hash = (hash << 1) + gear_[std::to_integer<std::size_t>(data[i])];
    if ((hash & kStrict) == 0) return i + 1;
  }
  for (; i < end; ++i) {
    hash = (hash << 1) + gear_[std::to_integer<std::size_t>(data[i])];
    if ((hash & kLoose) == 0) return i + 1;
  }
  return end;
}

}  // namespace coffer::vault
