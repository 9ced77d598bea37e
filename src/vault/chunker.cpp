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

// Four bytes a step: the second and the fourth hash follow from the one two bytes before, so that
// no byte waits for the one before it.
std::size_t Chunker::scan(ByteView data, std::uint64_t mask, std::uint64_t& hash) const {
  const auto* bytes = reinterpret_cast<const unsigned char*>(data.data());
  const auto gear = [&](std::size_t at) { return gear_[bytes[at]]; };
  std::uint64_t before = hash;
  std::size_t i = 0;
  for (; i + 4 <= data.size(); i += 4) {
    const std::uint64_t first = (before << 1) + gear(i);
    const std::uint64_t second = (before << 2) + ((gear(i) << 1) + gear(i + 1));
    const std::uint64_t third = (second << 1) + gear(i + 2);
    const std::uint64_t fourth = (second << 2) + ((gear(i + 2) << 1) + gear(i + 3));
    if ((first & mask) == 0) return i + 1;
    if ((second & mask) == 0) return i + 2;
    if ((third & mask) == 0) return i + 3;
    if ((fourth & mask) == 0) return i + 4;
    before = fourth;
  }
  for (; i < data.size(); ++i) {
    before = (before << 1) + gear(i);
    if ((before & mask) == 0) return i + 1;
  }
  hash = before;
  return 0;
}

std::size_t Chunker::cut(ByteView data) const {
  data = data.first(std::min(data.size(), kChunkMax));
  if (data.size() <= kChunkMin) return data.size();
  const std::size_t middle = std::min(data.size(), kChunkAverage);
  std::uint64_t hash = 0;
  const ByteView strict = data.subspan(kChunkMin, middle - kChunkMin);
  if (const auto length = scan(strict, kStrict, hash); length > 0) return kChunkMin + length;
  if (const auto length = scan(data.subspan(middle), kLoose, hash); length > 0) {
    return middle + length;
  }
  return data.size();
}

}  // namespace coffer::vault
