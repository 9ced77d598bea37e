// IEEE floats of 8, 16 and 32 bits as integers, and doubles rounded to them once.
//
// Errors: none; what overflows or is not finite is an empty optional. Thread-safety: pure
// functions. Source: IEEE 754-2019 section 4.3.1 (ties to even); OCP 8-bit floating point (E4M3,
// E5M2).
#pragma once

#include <cstdint>
#include <optional>

namespace coffer::gate {

// A binary format of one sign bit, so many exponent bits and so many fraction bits, with
// infinities and NaNs under the highest exponent.
struct FloatFormat {
  unsigned exponent_bits;
  unsigned fraction_bits;
  constexpr unsigned width() const { return 1 + exponent_bits + fraction_bits; }
  constexpr int bias() const { return (1 << (exponent_bits - 1)) - 1; }
};
inline constexpr FloatFormat kFloat32{8, 23};
inline constexpr FloatFormat kFloat16{5, 10};
inline constexpr FloatFormat kBfloat16{8, 7};
inline constexpr FloatFormat kFloat8E5{5, 2};

// The nearest value of the format, ties to even, as its bits; a zero has no sign. Nothing when
// `value` is not finite or rounds beyond the largest finite value.
std::optional<std::uint32_t> round_to(FloatFormat format, double value);

// The value of these bits, exactly; not finite where they say so.
double value_of(FloatFormat format, std::uint32_t bits);
// E4M3 has no infinities, and a NaN under all ones only.
double value_of_e4m3(std::uint8_t bits);

// Finite and not -0.
constexpr bool is_canonical_float(FloatFormat format, std::uint64_t bits) {
  const std::uint64_t exponent = (1ULL << format.exponent_bits) - 1;
  if (bits >> format.width() != 0) return false;
  if ((bits >> format.fraction_bits & exponent) == exponent) return false;
  return bits != 1ULL << (format.width() - 1);
}

// How many finite values of the format lie in [low, high], -0 not counted. 0 when low > high.
std::uint64_t count_between(FloatFormat format, double low, double high);

}  // namespace coffer::gate
