#include "scan/detail/stats.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>

#include "scan/decimal.h"
#include "scan/scanner.h"

namespace coffer::scan {
namespace {

constexpr std::size_t kValueLengthMax = 64;  // a longer value is no category

std::uint64_t hash_of(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  // The finaliser of MurmurHash3 spreads it over all bits.
  hash = (hash ^ hash >> 33) * 0xff51afd7ed558ccd;
  hash = (hash ^ hash >> 33) * 0xc4ceb9fe1a85ec53;
  return hash ^ hash >> 33;
}

double double_of(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  (void)std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace

void DistinctCount::add(std::string_view value) {
  const std::uint64_t hash = hash_of(value);
  const auto index = static_cast<std::size_t>(hash >> (64 - kBits));
  const auto rank = static_cast<std::uint8_t>(
      std::countl_zero(hash << kBits | std::uint64_t{1} << (kBits - 1)) + 1);
  registers_[index] = std::max(registers_[index], rank);
}

std::uint64_t DistinctCount::estimate() const {
  const auto count = static_cast<double>(registers_.size());
  double sum = 0;
  for (const auto rank : registers_) sum += std::ldexp(1.0, -rank);
  const double raw = 0.7213 / (1 + 1.079 / count) * count * count / sum;
  const auto zeros = static_cast<double>(std::count(registers_.begin(), registers_.end(), 0));
  const double estimate = raw <= 2.5 * count && zeros > 0 ? count * std::log(count / zeros) : raw;
  return static_cast<std::uint64_t>(std::llround(estimate));
}

void ColumnStats::add(std::string_view value) {
  ++rows_;
  if (is_blank(value)) {
    ++blanks_;
    if (blank_word_.empty()) blank_word_ = value;
    return;
  }
  length_sum_ += value.size();
  length_min_ = std::min<std::uint64_t>(length_min_, value.size());
  length_max_ = std::max<std::uint64_t>(length_max_, value.size());
  word_sum_ += 1 + static_cast<std::uint64_t>(std::count(value.begin(), value.end(), ' '));
  distinct_.add(value);
  remember(value);
  if (const auto number = number_form(value)) {
    if (*number == NumberForm::Integer) ++integers_;
    if (*number == NumberForm::Padded) ++padded_;
    if (*number == NumberForm::Decimal) ++decimals_;
    add_number(value);
  }
  if (is_iso_date(value)) add_date(value);
  if (is_truth_value(value)) ++truths_;
  if (const auto form = form_of(value)) ++forms_[static_cast<std::size_t>(*form)];
}

void ColumnStats::remember(std::string_view value) {
  if (!complete_) return;
  const auto at = values_.find(value);
  if (at != values_.end()) {
    ++at->second;
    return;
  }
  if (values_.size() == kValuesMax || value.size() > kValueLengthMax) {
    complete_ = false;
    values_.clear();
    return;
  }
  values_.emplace(value, 1);
}

void ColumnStats::add_number(std::string_view value) {
  long long whole = 0;
  const char* end = value.data() + value.size();
  const auto [rest, error] = std::from_chars(value.data(), end, whole);
  const bool is_whole = error == std::errc{} && rest == end;
  if (is_whole && has_last_ && whole == last_ + 1) ++steps_;
  has_last_ = is_whole;
  last_ = whole;
  // Doubles only spare the exact comparison where the value lies clearly inside.
  const double near = double_of(value);
  if (!number_min_.empty() && near > low_ && near < high_) return;
  const auto canonical = canonical_decimal(value);
  if (!canonical) {
    range_known_ = false;  // more digits than a card can state
    return;
  }
  if (number_min_.empty() || compare_decimal(*canonical, number_min_) < 0) {
    number_min_ = *canonical;
    low_ = near;
  }
  if (number_max_.empty() || compare_decimal(*canonical, number_max_) > 0) {
    number_max_ = *canonical;
    high_ = near;
  }
}

void ColumnStats::add_date(std::string_view value) {
  ++dates_;
  if (date_min_.empty() || value < date_min_) date_min_ = value;
  if (date_max_.empty() || value > date_max_) date_max_ = value;
}

double ColumnStats::mean_length() const {
  return filled() == 0 ? 0 : static_cast<double>(length_sum_) / static_cast<double>(filled());
}

double ColumnStats::mean_words() const {
  return filled() == 0 ? 0 : static_cast<double>(word_sum_) / static_cast<double>(filled());
}

std::uint64_t ColumnStats::distinct() const {
  return complete_ ? values_.size() : std::min(distinct_.estimate(), filled());
}

}  // namespace coffer::scan
