#include "gate/detail/floats.h"

#include <bit>
#include <cmath>

namespace coffer::gate {

std::optional<std::uint32_t> round_to(FloatFormat format, double value) {
  const auto bits = std::bit_cast<std::uint64_t>(value);
  const auto sign = static_cast<std::uint32_t>(bits >> 63) << (format.width() - 1);
  const auto raw_exponent = static_cast<int>(bits >> 52 & 0x7ff);
  if (raw_exponent == 0x7ff) return std::nullopt;
  // A double's denormals are below half of the least value of any format here.
  if (raw_exponent == 0) return 0;
  const std::uint64_t significand = (bits & ((1ULL << 52) - 1)) | 1ULL << 52;
  const int exponent = raw_exponent - 1023 + format.bias();
  // How many low bits of the 53 go: more, the further below the normal range.
  const int drop = static_cast<int>(52 - format.fraction_bits) + (exponent < 1 ? 1 - exponent : 0);
  if (drop > 54) return 0;
  const std::uint64_t kept = significand >> drop;
  const std::uint64_t lost = significand & ((1ULL << drop) - 1);
  const std::uint64_t half = 1ULL << (drop - 1);
  const std::uint64_t up = lost > half || (lost == half && (kept & 1) != 0) ? 1 : 0;
  // The leading bit of a normal significand adds one to the exponent field, and so does a carry.
  const std::uint64_t field = exponent < 1 ? 0 : static_cast<std::uint64_t>(exponent - 1);
  const std::uint64_t magnitude = (field << format.fraction_bits) + kept + up;
  if (magnitude >> format.fraction_bits >= (1ULL << format.exponent_bits) - 1) return std::nullopt;
  if (magnitude == 0) return 0;
  return sign | static_cast<std::uint32_t>(magnitude);
}

double value_of(FloatFormat format, std::uint32_t bits) {
  const auto all = (1U << format.exponent_bits) - 1;
  const auto exponent = bits >> format.fraction_bits & all;
  const auto fraction = bits & ((1U << format.fraction_bits) - 1);
  const double sign = (bits >> (format.width() - 1) & 1) != 0 ? -1.0 : 1.0;
  if (exponent == all) return fraction == 0 ? sign * HUGE_VAL : std::nan("");
  const auto shift = static_cast<int>(format.fraction_bits);
  if (exponent == 0) return sign * std::ldexp(fraction, 1 - format.bias() - shift);
  return sign * std::ldexp(fraction + (1U << format.fraction_bits),
                           static_cast<int>(exponent) - format.bias() - shift);
}

double value_of_e4m3(std::uint8_t bits) {
  if ((bits & 0x7f) == 0x7f) return std::nan("");
  const double sign = (bits & 0x80) != 0 ? -1.0 : 1.0;
  const int exponent = bits >> 3 & 15;
  const int fraction = bits & 7;
  return sign *
         (exponent == 0 ? std::ldexp(fraction, -9) : std::ldexp(8 + fraction, exponent - 10));
}

namespace {

// Bits of a float as an integer of the same order, 0 at 0.
std::int64_t rank_of(FloatFormat format, std::uint32_t bits) {
  const auto magnitude = static_cast<std::int64_t>(bits & ((1U << (format.width() - 1)) - 1));
  return (bits >> (format.width() - 1)) != 0 ? -magnitude : magnitude;
}

}  // namespace

std::uint64_t count_between(FloatFormat format, double low, double high) {
  const auto first = round_to(format, low);
  const auto last = round_to(format, high);
  const auto most =
      static_cast<std::int64_t>(((1ULL << format.exponent_bits) - 1) << format.fraction_bits) - 1;
  const std::int64_t from = first ? rank_of(format, *first) : (low < 0 ? -most : most);
  const std::int64_t to = last ? rank_of(format, *last) : (high < 0 ? -most : most);
  return from > to ? 0 : static_cast<std::uint64_t>(to - from) + 1;
}

}  // namespace coffer::gate
