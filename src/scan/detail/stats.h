// What is counted about one column while its values stream by, in bounded memory.
//
// Distinct values are exact up to kValuesMax short ones, else estimated (HyperLogLog, 2^12
// registers: standard error 1.6 percent). Ranges are exact.
// Errors: none.
// Thread-safety: as a plain value.
// Source: P. Flajolet et al., "HyperLogLog", AofA 2007.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "scan/detail/forms.h"

namespace coffer::scan {

class DistinctCount {
 public:
  void add(std::string_view value);
  std::uint64_t estimate() const;

 private:
  static constexpr unsigned kBits = 12;
  std::vector<std::uint8_t> registers_ = std::vector<std::uint8_t>(std::size_t{1} << kBits);
};

class ColumnStats {
 public:
  void add(std::string_view value);

  std::uint64_t rows() const { return rows_; }
  std::uint64_t blanks() const { return blanks_; }
  std::uint64_t filled() const { return rows_ - blanks_; }
  const std::string& blank_word() const { return blank_word_; }  // "NA"; empty when always ""
  std::uint64_t integers() const { return integers_; }
  std::uint64_t decimals() const { return decimals_; }
  std::uint64_t padded() const { return padded_; }
  std::uint64_t dates() const { return dates_; }
  std::uint64_t truths() const { return truths_; }
  std::uint64_t of_form(Form form) const { return forms_[static_cast<std::size_t>(form)]; }
  // Each value that is one more than the one before it.
  std::uint64_t steps() const { return steps_; }
  bool one_length() const { return length_min_ == length_max_; }
  std::uint64_t length_max() const { return length_max_; }
  double mean_length() const;
  double mean_words() const;

  std::uint64_t distinct() const;
  // All values with their counts; none when there are too many or too long ones.
  const std::map<std::string, std::uint64_t, std::less<>>& values() const { return values_; }
  bool values_complete() const { return complete_; }
  // Whether number_min and number_max are of all numbers: some may have too many digits.
  bool range_known() const { return range_known_; }
  const std::string& number_min() const { return number_min_; }
  const std::string& number_max() const { return number_max_; }
  const std::string& date_min() const { return date_min_; }
  const std::string& date_max() const { return date_max_; }

 private:
  void add_number(std::string_view value);
  void add_date(std::string_view value);
  void remember(std::string_view value);

  std::uint64_t rows_{0}, blanks_{0}, integers_{0}, decimals_{0}, padded_{0}, dates_{0}, truths_{0};
  std::uint64_t steps_{0}, length_sum_{0}, word_sum_{0}, length_min_{~std::uint64_t{0}},
      length_max_{0};
  std::array<std::uint64_t, kForms> forms_{};
  std::string blank_word_;
  std::map<std::string, std::uint64_t, std::less<>> values_;
  bool complete_{true};
  bool range_known_{true};
  std::string number_min_, number_max_, date_min_, date_max_;
  double low_{0}, high_{0};
  long long last_{0};
  bool has_last_{false};
  DistinctCount distinct_;
};

}  // namespace coffer::scan
