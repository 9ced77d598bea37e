#include "twin/detail/column_maker.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <numeric>
#include <optional>

#include "base/text.h"
#include "scan/decimal.h"

namespace coffer::twin {
namespace {

using scan::Kind;
using scan::Type;

constexpr unsigned kDigitsMin = 3;         // of decimals, where the range has fewer
constexpr std::size_t kScaledDigits = 17;  // so that a scaled number fits in 64 bits
constexpr std::uint64_t kBlankEvery = 16;

enum class Round : std::uint8_t { Up, Down };

// canonical * 10^digits, rounded to an integer; it has at most kScaledDigits digits.
std::int64_t scaled(std::string_view canonical, unsigned digits, Round round) {
  const bool negative = canonical.starts_with('-');
  if (negative) canonical.remove_prefix(1);
  const std::size_t point = std::min(canonical.find('.'), canonical.size());
  std::string fraction{canonical.substr(std::min(point + 1, canonical.size()))};
  const bool inexact = fraction.size() > digits;
  fraction.resize(digits, '0');
  const std::string text = std::string(canonical.substr(0, point)) + fraction;
  std::int64_t value = 0;
  (void)std::from_chars(text.data(), text.data() + text.size(), value);
  if (inexact && (negative ? round == Round::Down : round == Round::Up)) ++value;
  return negative ? -value : value;
}

std::size_t whole_digits(std::string_view canonical) {
  if (canonical.starts_with('-')) canonical.remove_prefix(1);
  return std::min(canonical.find('.'), canonical.size());
}

std::int64_t day_number(std::string_view iso) {
  const auto number = [&](std::size_t from, std::size_t length) {
    int value = 0;
    (void)std::from_chars(iso.data() + from, iso.data() + from + length, value);
    return value;
  };
  const std::chrono::year_month_day day{std::chrono::year{number(0, 4)},
                                        std::chrono::month{static_cast<unsigned>(number(5, 2))},
                                        std::chrono::day{static_cast<unsigned>(number(8, 2))}};
  return std::chrono::sys_days{day}.time_since_epoch().count();
}

std::string render_day(std::int64_t number) {
  const std::chrono::year_month_day day{std::chrono::sys_days{std::chrono::days{number}}};
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(day.year()),
                     static_cast<unsigned>(day.month()), static_cast<unsigned>(day.day()));
}

std::string render_scaled(std::int64_t value, unsigned digits) {
  const bool negative = value < 0;
  std::string text = std::to_string(negative ? -value : value);
  if (text.size() <= digits) text.insert(0, digits + 1 - text.size(), '0');
  if (digits > 0) text.insert(text.size() - digits, ".");
  if (digits > 0) {
    text.erase(text.find_last_not_of('0') + 1);
    if (text.ends_with('.')) text += '0';
  }
  return negative ? "-" + text : text;
}

// A decimal column shows a point in every value, as readers infer its type from that.
std::string with_point(std::string text, Type type) {
  if (type == Type::Decimal && text.find('.') == std::string::npos) text += ".0";
  return text;
}

std::string prose(Prng& prng) {
  constexpr std::array<std::string_view, 16> kWords{
      "seen",   "again, later", "no change", "the \"old\" form",
      "naïve",  "Größe",        "見本",      "stable",
      "review", "in two weeks", "left",      "right",
      "mild",   "none",         "100 %",     "ok;"};
  std::string out;
  const std::uint64_t words = 3 + prng.below(12);
  for (std::uint64_t i = 0; i < words; ++i) {
    if (i > 0) out += prng.below(20) == 0 ? "\n" : " ";
    out += kWords[prng.below(kWords.size())];
  }
  return out;
}

}  // namespace

std::uint64_t Prng::next() {
  std::uint64_t z = state_ += 0x9e3779b97f4a7c15;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return z ^ z >> 31;
}

std::uint64_t Prng::below(std::uint64_t limit) {
  // The high half of the product: a bias of at most limit / 2^64 does not matter here.
  __extension__ using Wide = unsigned __int128;
  return static_cast<std::uint64_t>(Wide{next()} * limit >> 64);
}

std::uint64_t mix(std::uint64_t seed, std::string_view text) {
  std::uint64_t hash = seed ^ 0xcbf29ce484222325;  // FNV-1a
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return Prng{hash}.next();
}

ColumnMaker::ColumnMaker(const scan::Column& column, const Table& table)
    : column_(column), seed_(mix(table.seed, column.name)), rows_(table.rows) {
  if (rows_ < 2) return;
  // About the golden section, and without a common divisor: neighbours land far apart.
  stride_ = rows_ / 1000 * 618 + rows_ % 1000 * 618 / 1000 + 1;
  while (std::gcd(stride_, rows_) != 1) ++stride_;
}

Result<ColumnMaker> ColumnMaker::create(const scan::Column& column, const Table& table) {
  ColumnMaker out{column, table};
  COFFER_CHECK(out.prepare_range());
  out.place_specials();
  return out;
}

Result<> ColumnMaker::prepare_range() {
  std::int64_t high = 0;
  if (column_.type == Type::Date) {
    low_ = day_number(column_.min.empty() ? "1950-01-01" : column_.min);
    high = day_number(column_.max.empty() ? "2020-12-31" : column_.max);
  } else if (column_.min.empty()) {
    digits_ = column_.type == Type::Decimal ? kDigitsMin : 0;
    high = column_.type == Type::Decimal ? 1000 : 100;
  } else {
    const std::size_t whole = std::max(whole_digits(column_.min), whole_digits(column_.max));
    if (whole > kScaledDigits) {
      only_extremes_ = true;
      return {};
    }
    if (column_.type != Type::Integer) {
      const std::size_t wanted =
          std::max({scan::fraction_digits(column_.min), scan::fraction_digits(column_.max),
                    std::size_t{kDigitsMin}});
      digits_ = static_cast<unsigned>(std::min(wanted, kScaledDigits - whole));
    }
    low_ = scaled(column_.min, digits_, Round::Up);
    high = scaled(column_.max, digits_, Round::Down);
    only_extremes_ = low_ > high && column_.type != Type::Integer;
    if (only_extremes_) return {};
  }
  if (low_ > high) {
    return Error{Code::InvalidArgument, fmt::format("column '{}': its range holds no whole number",
                                                    printable(column_.name, 60))};
  }
  span_ = static_cast<std::uint64_t>(high - low_);
  return {};
}

void ColumnMaker::place_specials() {
  std::vector<std::string> wanted = column_.values;
  if (!column_.min.empty() && column_.type == Type::Integer) {
    wanted = {std::to_string(low_), std::to_string(low_ + static_cast<std::int64_t>(span_))};
    if (only_extremes_) wanted = {column_.min, column_.max};
  } else if (!column_.min.empty()) {
    wanted = {with_point(column_.min, column_.type), with_point(column_.max, column_.type)};
  }
  if (column_.blanks == scan::Blanks::Allowed) wanted.emplace_back();
  const std::uint64_t count = std::min<std::uint64_t>(wanted.size(), rows_);
  for (std::uint64_t i = 0; i < count; ++i) specials_.emplace(shuffled(i), std::move(wanted[i]));
}

std::uint64_t ColumnMaker::shuffled(std::uint64_t row) const {
  __extension__ using Wide = unsigned __int128;
  return static_cast<std::uint64_t>((Wide{row} * stride_ + seed_) % rows_);
}

std::string ColumnMaker::value(std::uint64_t row) const {
  if (const auto special = specials_.find(row); special != specials_.end()) return special->second;
  Prng prng{seed_ ^ Prng{row}.next()};
  if (column_.blanks == scan::Blanks::Allowed && prng.below(kBlankEvery) == 0) return {};
  return plain(row, prng);
}

std::string ColumnMaker::plain(std::uint64_t row, Prng& prng) const {
  if (!column_.values.empty()) return column_.values[prng.below(column_.values.size())];
  switch (column_.type) {
    case Type::Integer:
      if (column_.kind == Kind::Identifier && column_.min.empty()) {
        return std::to_string(100'000 + shuffled(row));
      }
      return number(prng);
    case Type::Decimal:
      return number(prng);
    case Type::Date:
      return date(prng);
    case Type::Boolean:
      return prng.below(2) == 0 ? "false" : "true";
    case Type::Text:
      return text(row, prng);
  }
  return {};
}

std::string ColumnMaker::number(Prng& prng) const {
  if (only_extremes_)
    return with_point(prng.below(2) == 0 ? column_.min : column_.max, column_.type);
  // span_ is below 2 * 10^17, so neither sum can overflow.
  const auto offset = static_cast<std::int64_t>(prng.below(span_ + 1));
  return with_point(render_scaled(low_ + offset, digits_), column_.type);
}

std::string ColumnMaker::date(Prng& prng) const {
  return render_day(low_ + static_cast<std::int64_t>(prng.below(span_ + 1)));
}

std::string ColumnMaker::text(std::uint64_t row, Prng& prng) const {
  constexpr std::array<std::string_view, 8> kFiller{"north", "south", "east",  "west",
                                                    "upper", "lower", "inner", "outer"};
  if (!column_.min.empty()) return prng.below(2) == 0 ? column_.min : column_.max;
  if (column_.kind == Kind::Identifier) return fmt::format("ID{:08}", shuffled(row));
  if (column_.kind == Kind::FreeText) return prose(prng);
  if (column_.kind == Kind::Date) {
    const std::int64_t day =
        day_number("1950-01-01") + static_cast<std::int64_t>(prng.below(25'000));
    return fmt::format("{} {:02}:{:02}:00", render_day(day), prng.below(24), prng.below(60));
  }
  return std::string(kFiller[prng.below(kFiller.size())]);
}

}  // namespace coffer::twin
