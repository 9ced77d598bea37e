#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "scan/decimal.h"
#include "scan/detail/classify.h"

namespace coffer::scan {
namespace {

bool digit(char c) { return c >= '0' && c <= '9'; }

// Eight digits that are a day, or yyyy-mm-dd with - or _.
bool has_date(std::string_view text) {
  for (std::size_t i = 0; i + 8 <= text.size(); ++i) {
    std::string day{text.substr(i, 10)};
    if (day.size() == 10 && (day[4] == '-' || day[4] == '_') && day[7] == day[4]) {
      day[4] = day[7] = '-';
      if (is_iso_date(day)) return true;
    }
    const auto eight = text.substr(i, 8);
    if (!std::all_of(eight.begin(), eight.end(), digit)) continue;
    const std::string joined =
        fmt::format("{}-{}-{}", eight.substr(0, 4), eight.substr(4, 2), eight.substr(6));
    const bool likely = eight.starts_with("19") || eight.starts_with("20");
    if (likely && is_iso_date(joined)) return true;
  }
  return false;
}

std::size_t longest_number(std::string_view text) {
  std::size_t longest = 0;
  std::size_t run = 0;
  for (const char c : text) {
    run = digit(c) ? run + 1 : 0;
    longest = std::max(longest, run);
  }
  return longest;
}

}  // namespace

PathFinding look_at_path(std::string_view path) {
  std::vector<std::string> found;
  bool hides = false;
  for (const auto& part : split(path, '/')) {
    const auto stem = std::string_view{part}.substr(0, part.rfind('.'));
    const auto form = form_of(stem);
    const auto words = words_of(stem);
    const bool dated = has_date(stem);
    if (dated) found.emplace_back("carries a date");
    if (!dated && longest_number(stem) >= 6) {
      found.emplace_back("carries a long number, perhaps an identifier");
      hides = true;
    }
    if (form && identifies(*form)) {
      found.push_back(fmt::format("looks like one of {}", describe(*form)));
      hides = true;
    }
    if (form == Form::PersonName) {
      found.emplace_back("looks like the name of a person");
      hides = true;
    }
    const bool personal = std::find(words.begin(), words.end(), "patient") != words.end();
    if (personal && longest_number(stem) > 0) {
      found.emplace_back("says 'patient' and a number");
      hides = true;
    }
  }
  if (found.empty()) return {};
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return {"the file's name " + join(found, " and "), hides};
}

}  // namespace coffer::scan
