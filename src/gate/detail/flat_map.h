// Tables of 64-bit keys that stay small and fast with millions of entries: open addressing, no
// erase.
//
// Errors: none. Thread-safety: as a plain value. Source: Knuth, TAOCP 3, 6.4 (linear probing).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace coffer::gate {

// A bijection of 64-bit integers that spreads every bit (the finaliser of SplitMix64).
constexpr std::uint64_t spread(std::uint64_t x) {
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
  x = (x ^ x >> 27) * 0x94d049bb133111eb;
  return x ^ x >> 31;
}

// Keys to values. A value of V{} at a key that was never set.
template <class V>
class FlatMap {
 public:
  FlatMap() : slots_(16) {}
  std::size_t size() const { return size_; }
  // The value at this key, made if there is none.
  V& operator[](std::uint64_t key) {
    if (2 * (size_ + 1) > slots_.size()) grow();
    Slot& slot = find_slot(key);
    if (!slot.used) {
      slot.used = true;
      slot.key = key;
      ++size_;
    }
    return slot.value;
  }
  // Null when the key was never set. Moves with the next new key.
  V* find(std::uint64_t key) {
    Slot& slot = find_slot(key);
    return slot.used ? &slot.value : nullptr;
  }
  const V* find(std::uint64_t key) const { return const_cast<FlatMap*>(this)->find(key); }
  void clear() {
    slots_.assign(slots_.size(), Slot{});
    size_ = 0;
  }
  template <class F>
  void each(F&& f) const {
    for (const Slot& slot : slots_) {
      if (slot.used) f(slot.key, slot.value);
    }
  }

 private:
  struct Slot {
    std::uint64_t key{0};
    V value{};
    bool used{false};
  };
  Slot& find_slot(std::uint64_t key) {
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = static_cast<std::size_t>(spread(key)) & mask;
    while (slots_[at].used && slots_[at].key != key) at = (at + 1) & mask;
    return slots_[at];
  }
  void grow() {
    std::vector<Slot> old(slots_.size() * 2);
    old.swap(slots_);
    for (Slot& slot : old) {
      if (slot.used) find_slot(slot.key) = std::move(slot);
    }
  }
  std::vector<Slot> slots_;
  std::size_t size_{0};
};

}  // namespace coffer::gate
