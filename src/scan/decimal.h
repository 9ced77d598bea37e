// Numbers as they stand in data: recognised, brought to canonical decimal text, compared exactly.
//
// Canonical decimal text: -?(0|[1-9][0-9]*)(\.[0-9]*[1-9])?, never "-0"; the form that cards and
// signed objects use. At most kDecimalDigitsMax digits on each side of the point.
// Errors: none; what is no number answers nothing.
// Thread-safety: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace coffer::scan {

inline constexpr std::size_t kDecimalDigitsMax = 40;

// Integer and Padded have digits and perhaps a sign only; Padded has leading zeros ("0042"), which
// is how codes are written, not quantities. Decimal has a point or an exponent.
enum class NumberForm : std::uint8_t { Integer, Padded, Decimal };
// `text` by the usual grammar of data files: [+-]? digits and a point, [eE] exponent.
std::optional<NumberForm> number_form(std::string_view text);

// The same value as canonical text; nothing when it is no number or has too many digits.
std::optional<std::string> canonical_decimal(std::string_view text);
bool is_canonical_decimal(std::string_view text);

// -1, 0, 1. Both canonical.
int compare_decimal(std::string_view a, std::string_view b);

// Digits behind the point of canonical text.
std::size_t fraction_digits(std::string_view canonical);

// A day as yyyy-mm-dd, 0001-01-01 to 9999-12-31, that exists.
bool is_iso_date(std::string_view text);

}  // namespace coffer::scan
