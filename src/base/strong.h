// Ids and quantities that the compiler keeps apart.
//
// Thread-safety: as a plain value. Errors: none.
#pragma once

#include <compare>
#include <cstdint>
#include <utility>

namespace coffer {

// A value of type Rep that is only itself: no implicit conversion in or out,
// comparable only with its own kind. Arithmetic is added per type, where it means something.
template <class Tag, class Rep>
class Strong {
 public:
  Strong() = default;
  explicit constexpr Strong(Rep rep) : rep_(std::move(rep)) {}
  constexpr const Rep& raw() const { return rep_; }
  friend constexpr auto operator<=>(const Strong&, const Strong&) = default;
  friend constexpr bool operator==(const Strong&, const Strong&) = default;

 private:
  Rep rep_{};
};

}  // namespace coffer
