#include "keeper/digest_index.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace coffer::keeper {
namespace {

constexpr std::size_t kFirst = 64;

__extension__ using Wide = unsigned __int128;

}  // namespace

std::uint64_t DigestIndex::prefix_of(const Digest& digest) {
  std::uint64_t out = 0;  // a digest's bytes are uniform already
  std::memcpy(&out, digest.bytes.data(), sizeof out);
  return out;
}

std::size_t DigestIndex::home(std::uint64_t prefix) const {
  return static_cast<std::size_t>(Wide{prefix} * slots_.size() >> 64);
}

void DigestIndex::insert(const Slot& slot) {
  std::size_t at = home(slot.prefix);
  while (slots_[at].place != 0) at = after(at);
  slots_[at] = slot;
}

void DigestIndex::put(const Digest& digest, std::uint64_t place) {
  // Between 0.68 and 0.85 of the slots are in use.
  if ((size_ + 1) * 20 > slots_.size() * 17) {
    const auto old = std::exchange(slots_, {});
    slots_.resize(std::max(kFirst, old.size() + old.size() / 4));
    for (const auto& slot : old) {
      if (slot.place != 0) insert(slot);
    }
  }
  insert({prefix_of(digest), place});
  ++size_;
}

void DigestIndex::move(const Digest& digest, std::uint64_t from, std::uint64_t to) {
  const auto prefix = prefix_of(digest);
  for (std::size_t at = home(prefix); slots_[at].place != 0; at = after(at)) {
    if (slots_[at].prefix != prefix || slots_[at].place != from) continue;
    slots_[at].place = to;
    return;
  }
}

std::vector<std::uint64_t> DigestIndex::places(const Digest& digest) const {
  std::vector<std::uint64_t> out;
  if (slots_.empty()) return out;
  const auto prefix = prefix_of(digest);
  for (std::size_t at = home(prefix); slots_[at].place != 0; at = after(at)) {
    if (slots_[at].prefix == prefix) out.push_back(slots_[at].place);
  }
  return out;
}

}  // namespace coffer::keeper
