#include "program/decimal.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace coffer::program {
namespace {

constexpr std::int64_t kExponentMax = 1'000'000'000'000'000;
constexpr std::int64_t kPlainMax = 1200;  // text() writes no more zeros than that

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Takes the digits at the front of `text` off it.
std::string_view take_digits(std::string_view& text) {
  const auto end = std::find_if_not(text.begin(), text.end(), is_digit);
  const auto run = text.substr(0, static_cast<std::size_t>(end - text.begin()));
  text.remove_prefix(run.size());
  return run;
}

bool take(std::string_view& text, char wanted) {
  if (!text.starts_with(wanted)) return false;
  text.remove_prefix(1);
  return true;
}

std::int64_t saturated_exponent(std::string_view digits) {
  std::int64_t value = 0;
  for (const char c : digits) value = std::min(value * 10 + (c - '0'), kExponentMax);
  return value;
}

// Adds one to the last place of decimal digits.
void increment(std::string& digits) {
  for (std::size_t i = digits.size(); i-- > 0;) {
    if (digits[i] != '9') {
      ++digits[i];
      return;
    }
    digits[i] = '0';
  }
  digits.insert(digits.begin(), '1');
}

std::strong_ordering compare_digits(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return a.size() <=> b.size();
  return a.compare(b) <=> 0;
}

void strip_zeros(std::string& digits) {
  digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size()));
}

// a -= b for digits without leading zeros, a >= b.
void subtract(std::string& a, std::string_view b) {
  int borrow = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    char& place = a[a.size() - 1 - i];
    const int from = i < b.size() ? b[b.size() - 1 - i] - '0' : 0;
    const int left = (place - '0') - from - borrow;
    borrow = left < 0 ? 1 : 0;
    place = static_cast<char>('0' + (left + 10) % 10);
  }
  strip_zeros(a);
}

std::string doubled(std::string digits) {
  int carry = 0;
  for (std::size_t i = digits.size(); i-- > 0;) {
    const int sum = 2 * (digits[i] - '0') + carry;
    digits[i] = static_cast<char>('0' + sum % 10);
    carry = sum / 10;
  }
  if (carry > 0) digits.insert(digits.begin(), '1');
  return digits;
}

}  // namespace

Decimal::Decimal(bool negative, std::string coefficient, std::int64_t exponent)
    : negative_(negative), coefficient_(std::move(coefficient)), exponent_(exponent) {
  strip_zeros(coefficient_);
  const auto last = coefficient_.find_last_not_of('0');
  if (last == std::string::npos) {
    *this = Decimal{};
    return;
  }
  exponent_ += static_cast<std::int64_t>(coefficient_.size() - last - 1);
  coefficient_.resize(last + 1);
  exponent_ = std::clamp(exponent_, -kExponentMax, kExponentMax);
}

Result<Decimal> Decimal::parse(std::string_view text) {
  if (text.size() > kDecimalTextMax) {
    return Error{Code::InvalidArgument,
                 "a number of more than " + std::to_string(kDecimalTextMax) + " characters"};
  }
  const Error bad{Code::InvalidArgument, "no decimal number"};
  const bool negative = take(text, '-');
  const auto whole = take_digits(text);
  if (whole.empty() || (whole.size() > 1 && whole[0] == '0')) return bad;
  std::string_view fraction;
  if (take(text, '.')) {
    fraction = take_digits(text);
    if (fraction.empty()) return bad;
  }
  std::int64_t exponent = 0;
  if (take(text, 'e') || take(text, 'E')) {
    const bool down = take(text, '-');
    if (!down) (void)take(text, '+');
    const auto digits = take_digits(text);
    if (digits.empty()) return bad;
    exponent = down ? -saturated_exponent(digits) : saturated_exponent(digits);
  }
  if (!text.empty()) return bad;
  return Decimal{negative, std::string(whole) + std::string(fraction),
                 exponent - static_cast<std::int64_t>(fraction.size())};
}

Decimal Decimal::from_integer(std::int64_t value) { return from_scaled(value, 0); }

Decimal Decimal::from_scaled(std::int64_t value, unsigned digits) {
  std::string text = std::to_string(value);
  const bool negative = text[0] == '-';
  return Decimal{negative, text.substr(negative ? 1 : 0), -static_cast<std::int64_t>(digits)};
}

std::optional<Decimal> Decimal::from_double(double value) {
  if (!std::isfinite(value)) return {};
  // No double has more than 767 significant digits, so this loses nothing.
  std::array<char, 800> text{};
  const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), value,
                                          std::chars_format::scientific, 766);
  if (error != std::errc{}) return {};
  auto parsed = parse({text.data(), static_cast<std::size_t>(end - text.data())});
  if (!parsed) return {};
  return *std::move(parsed);
}

bool Decimal::on_grid(unsigned digits) const {
  return exponent_ >= -static_cast<std::int64_t>(digits);
}

Decimal Decimal::rounded(unsigned digits) const {
  if (on_grid(digits)) return *this;
  const std::int64_t grid = -static_cast<std::int64_t>(digits);
  const std::int64_t keep = top() - grid;  // digits that stay
  if (keep < 0) return Decimal{};          // below a tenth of the grid
  std::string kept = coefficient_.substr(0, static_cast<std::size_t>(keep));
  const std::string_view rest = std::string_view{coefficient_}.substr(kept.size());
  // No trailing zeros are kept, so "5" alone is the tie.
  const bool odd = !kept.empty() && (kept.back() - '0') % 2 == 1;
  const bool up = rest == "5" ? odd : rest[0] >= '5';
  if (up) increment(kept);
  return Decimal{negative_, std::move(kept), grid};
}

std::optional<std::int64_t> Decimal::scaled(unsigned digits) const {
  if (is_zero()) return 0;
  if (!on_grid(digits) || top() + static_cast<std::int64_t>(digits) > 19) return {};
  std::int64_t value = 0;
  const auto zeros = static_cast<std::size_t>(exponent_ + static_cast<std::int64_t>(digits));
  for (std::size_t i = 0; i < coefficient_.size() + zeros; ++i) {
    const int digit = i < coefficient_.size() ? coefficient_[i] - '0' : 0;
    if (value > (kScaledMax - digit) / 10) return {};
    value = value * 10 + digit;
  }
  return negative_ ? -value : value;
}

std::string Decimal::text() const {
  if (is_zero()) return "0";
  std::string out = negative_ ? "-" : "";
  if (top() > kPlainMax || exponent_ < -kPlainMax) {
    return out + coefficient_ + "e" + std::to_string(exponent_);
  }
  if (exponent_ >= 0)
    return out + coefficient_ + std::string(static_cast<std::size_t>(exponent_), '0');
  if (top() <= 0)
    return out + "0." + std::string(static_cast<std::size_t>(-top()), '0') + coefficient_;
  const auto point = static_cast<std::size_t>(top());
  return out + coefficient_.substr(0, point) + "." + coefficient_.substr(point);
}

std::string Decimal::fixed(unsigned digits) const {
  std::string out = rounded(digits).text();
  if (digits == 0) return out;
  const auto point = out.find('.');
  const std::size_t have = point == std::string::npos ? 0 : out.size() - point - 1;
  if (point == std::string::npos) out += '.';
  return out + std::string(digits - std::min<std::size_t>(have, digits), '0');
}

Decimal Decimal::operator-() const {
  Decimal out = *this;
  out.negative_ = !negative_ && !is_zero();
  return out;
}

std::strong_ordering operator<=>(const Decimal& a, const Decimal& b) {
  if (a.negative_ != b.negative_) {
    return a.negative_ ? std::strong_ordering::less : std::strong_ordering::greater;
  }
  const Decimal& low = a.negative_ ? b : a;
  const Decimal& high = a.negative_ ? a : b;
  if (low.is_zero() || high.is_zero()) return high.is_zero() <=> low.is_zero();
  if (low.top() != high.top()) return low.top() <=> high.top();
  // Aligned at the leading digit; the one that is a prefix of the other has zeros to follow.
  return low.coefficient_.compare(high.coefficient_) <=> 0;
}

std::optional<std::int64_t> rounded_quotient(const Decimal& a, const Decimal& b) {
  if (b.is_zero()) return {};
  if (a.is_zero() || a.top() - b.top() < -1) return 0;  // less than a tenth
  if (a.top() - b.top() > 20) return {};
  // Both as integers of one exponent; the leading digits are near, so these stay short.
  const std::int64_t shift = a.exponent_ - b.exponent_;
  std::string dividend = a.coefficient_;
  std::string divisor = b.coefficient_;
  (shift > 0 ? dividend : divisor).append(static_cast<std::size_t>(std::abs(shift)), '0');
  std::int64_t quotient = 0;
  std::string rest;
  for (const char digit : dividend) {
    rest += digit;
    strip_zeros(rest);
    int times = 0;
    for (; compare_digits(rest, divisor) >= 0; ++times) subtract(rest, divisor);
    if (quotient > (kScaledMax - times) / 10) return {};
    quotient = quotient * 10 + times;
  }
  const std::string twice = doubled(rest);
  const auto half = compare_digits(twice, divisor);
  if (half > 0 || (half == 0 && quotient % 2 == 1)) ++quotient;
  return a.negative_ != b.negative_ ? -quotient : quotient;
}

}  // namespace coffer::program
