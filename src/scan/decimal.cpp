#include "scan/decimal.h"

#include <algorithm>
#include <charconv>
#include <chrono>

namespace coffer::scan {
namespace {

struct Parts {
  bool negative{false};
  std::string_view whole;
  std::string_view fraction;
  int exponent{0};
  bool plain{true};  // neither point nor exponent
};

std::string_view take_digits(std::string_view& text) {
  const std::size_t length = std::min(text.find_first_not_of("0123456789"), text.size());
  const std::string_view digits = text.substr(0, length);
  text.remove_prefix(length);
  return digits;
}

std::optional<Parts> parts_of(std::string_view text) {
  Parts out;
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) {
    out.negative = text.front() == '-';
    text.remove_prefix(1);
  }
  out.whole = take_digits(text);
  if (!text.empty() && text.front() == '.') {
    text.remove_prefix(1);
    out.fraction = take_digits(text);
    out.plain = false;
  }
  if (out.whole.empty() && out.fraction.empty()) return {};
  if (text.empty()) return out;
  if (text.front() != 'e' && text.front() != 'E') return {};
  text.remove_prefix(1);
  if (text.starts_with('+')) text.remove_prefix(1);
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, out.exponent);
  if (text.empty() || error != std::errc{} || rest != end) return {};
  out.plain = false;
  return out;
}

bool is_negative(std::string_view canonical) { return canonical.starts_with('-'); }

struct Canonical {
  std::string_view whole;
  std::string_view fraction;
};
Canonical split_canonical(std::string_view text) {
  if (is_negative(text)) text.remove_prefix(1);
  const std::size_t point = text.find('.');
  if (point == std::string_view::npos) return {text, {}};
  return {text.substr(0, point), text.substr(point + 1)};
}

int sign_of(int value) { return value < 0 ? -1 : value > 0 ? 1 : 0; }

}  // namespace

std::optional<NumberForm> number_form(std::string_view text) {
  const auto parts = parts_of(text);
  if (!parts) return {};
  if (!parts->plain) return NumberForm::Decimal;
  return parts->whole.size() > 1 && parts->whole.front() == '0' ? NumberForm::Padded
                                                                : NumberForm::Integer;
}

std::optional<std::string> canonical_decimal(std::string_view text) {
  const auto parts = parts_of(text);
  constexpr int kExponentMax = 2 * static_cast<int>(kDecimalDigitsMax);
  if (!parts || parts->exponent > kExponentMax || parts->exponent < -kExponentMax) return {};
  std::string digits{parts->whole};
  digits += parts->fraction;
  if (digits.size() > 4 * kDecimalDigitsMax) return {};
  // Where the point stands in `digits`, after zeros were added so that it stands inside.
  int point = static_cast<int>(parts->whole.size()) + parts->exponent;
  if (point < 0) {
    digits.insert(0, static_cast<std::size_t>(-point), '0');
    point = 0;
  }
  const auto at = static_cast<std::size_t>(point);
  if (at > digits.size()) digits.append(at - digits.size(), '0');
  std::string whole = digits.substr(0, at);
  std::string fraction = digits.substr(at);
  whole.erase(0, std::min(whole.find_first_not_of('0'), whole.size()));
  fraction.erase(fraction.find_last_not_of('0') + 1);
  if (whole.size() > kDecimalDigitsMax || fraction.size() > kDecimalDigitsMax) return {};
  const bool zero = whole.empty() && fraction.empty();
  std::string out = parts->negative && !zero ? "-" : "";
  out += whole.empty() ? "0" : whole;
  if (!fraction.empty()) out += "." + fraction;
  return out;
}

bool is_canonical_decimal(std::string_view text) {
  const auto canonical = canonical_decimal(text);
  return canonical && *canonical == text;
}

int compare_decimal(std::string_view a, std::string_view b) {
  if (is_negative(a) != is_negative(b)) return is_negative(a) ? -1 : 1;
  const int direction = is_negative(a) ? -1 : 1;
  const Canonical x = split_canonical(a);
  const Canonical y = split_canonical(b);
  if (x.whole.size() != y.whole.size())
    return x.whole.size() < y.whole.size() ? -direction : direction;
  const int whole = x.whole.compare(y.whole);
  // Without trailing zeros, a fraction that is a prefix of another one is the smaller one.
  return sign_of(whole != 0 ? whole : x.fraction.compare(y.fraction)) * direction;
}

std::size_t fraction_digits(std::string_view canonical) {
  return split_canonical(canonical).fraction.size();
}

bool is_iso_date(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return false;
  const auto number = [&](std::size_t from, std::size_t length) {
    int value = 0;
    const char* begin = text.data() + from;
    const auto [rest, error] = std::from_chars(begin, begin + length, value);
    return error == std::errc{} && rest == begin + length ? value : -1;
  };
  const int year = number(0, 4);
  const int month = number(5, 2);
  const int day = number(8, 2);
  return year > 0 && month > 0 && day > 0 &&
         std::chrono::year_month_day{std::chrono::year{year},
                                     std::chrono::month{static_cast<unsigned>(month)},
                                     std::chrono::day{static_cast<unsigned>(day)}}
             .ok();
}

}  // namespace coffer::scan
