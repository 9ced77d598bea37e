// Decimal: an exact decimal number, read from text and never by way of a double.
//
// Invariants: zero has one form and no sign; no leading or trailing zeros are kept, so equal values
// are equal objects. Exponents beyond +-10^15 are taken as +-10^15: no declared range comes near,
// so every comparison with a declared bound stays right.
// parse() and text() are inverse for canonical text: no exponent, no trailing zeros, no "-0".
// Errors: InvalidArgument (no number by RFC 8259, longer than kDecimalTextMax).
// Thread-safety: as a plain value.
// Source: protocol.md sections 5 and 7 (half to even; numbers are decimal text).
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace coffer::program {

inline constexpr std::size_t kDecimalTextMax = 4096;  // bytes of one number as text
inline constexpr unsigned kDigitsMax = 18;            // the most `digits` a declaration may name
// The most that |value| * 10^digits may be for a declared bound: two such differ by less than 2^63.
inline constexpr std::int64_t kScaledMax = 1'000'000'000'000'000'000;

class Decimal {
 public:
  Decimal() = default;  // zero

  // The grammar of a JSON number: -0.5 and 1e-05 are numbers; .5, +1, 01, 1., NaN are none.
  static Result<Decimal> parse(std::string_view text);
  static Decimal from_integer(std::int64_t value);
  // value / 10^digits.
  static Decimal from_scaled(std::int64_t value, unsigned digits);
  // The exact value of a finite double; nothing for an infinity or NaN.
  static std::optional<Decimal> from_double(double value);

  bool is_zero() const { return coefficient_.empty(); }
  bool is_negative() const { return negative_; }
  bool is_integer() const { return exponent_ >= 0; }
  // A multiple of 10^-digits.
  bool on_grid(unsigned digits) const;

  // The nearest multiple of 10^-digits, ties to even. -0.0004 to three digits is 0.
  Decimal rounded(unsigned digits) const;
  // value * 10^digits, when that is an integer of at most kScaledMax in magnitude.
  std::optional<std::int64_t> scaled(unsigned digits) const;
  // The value as a 64-bit integer, when it is one (within kScaledMax).
  std::optional<std::int64_t> integer() const { return scaled(0); }

  // Canonical text. A value beyond 10^1200, or with a digit below 10^-1200, is written as
  // digits and exponent instead: such text is for messages only.
  std::string text() const;
  // Rounded, with exactly so many digits after the point: "0.500", "31", "-2.00"; never "-0".
  std::string fixed(unsigned digits) const;

  Decimal operator-() const;
  friend std::strong_ordering operator<=>(const Decimal& a, const Decimal& b);
  friend bool operator==(const Decimal&, const Decimal&) = default;

 private:
  Decimal(bool negative, std::string coefficient, std::int64_t exponent);
  // The power of ten just above the leading digit: 10^(top-1) <= |value| < 10^top.
  std::int64_t top() const { return exponent_ + static_cast<std::int64_t>(coefficient_.size()); }

  friend std::optional<std::int64_t> rounded_quotient(const Decimal& a, const Decimal& b);

  // (negative ? -1 : 1) * coefficient * 10^exponent; "" and 0 for zero.
  bool negative_{false};
  std::string coefficient_;
  std::int64_t exponent_{0};
};

// dividend / divisor rounded once to the nearest integer, ties to even; nothing when the divisor is
// zero or the result is above kScaledMax in magnitude. For tensors quantised by a decimal scale.
std::optional<std::int64_t> rounded_quotient(const Decimal& dividend, const Decimal& divisor);

}  // namespace coffer::program
