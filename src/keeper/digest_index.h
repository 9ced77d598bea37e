// Where in a file the things lie that digests name, in twenty-odd bytes of memory for each.
//
// Kept are eight bytes of a digest and the place, so that whoever asks compares the whole digest
// with what lies there.
// Invariants: every place that was put under a digest is among its places. Errors: none.
// Thread-safety: as a plain value. Source: open addressing with linear probing (Knuth, TAOCP 3,
// section 6.4, algorithm L).
#pragma once

#include <cstdint>
#include <vector>

#include "crypto/crypto.h"

namespace coffer::keeper {

class DigestIndex {
 public:
  // `place`: not 0.
  void put(const Digest& digest, std::uint64_t place);
  // `from`: one of its places.
  void move(const Digest& digest, std::uint64_t from, std::uint64_t to);
  // Those that may be of this digest: mostly none or one.
  std::vector<std::uint64_t> places(const Digest& digest) const;
  std::size_t size() const { return size_; }

 private:
  struct Slot {
    std::uint64_t prefix{0};
    std::uint64_t place{0};  // 0: free
  };
  static std::uint64_t prefix_of(const Digest& digest);
  std::size_t home(std::uint64_t prefix) const;
  std::size_t after(std::size_t at) const { return at + 1 == slots_.size() ? 0 : at + 1; }
  void insert(const Slot& slot);

  std::vector<Slot> slots_;
  std::size_t size_{0};
};

}  // namespace coffer::keeper
