// Words in column names that say what a column holds.
//
// Errors: none.
// Thread-safety: pure functions.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "scan/proposal.h"

namespace coffer::scan {

struct NameHint {
  Kind kind;
  std::string word;  // the one that decided
};
// `words`: of words_of(name). Identifier before sensitive, quasi-identifier, date, label, free
// text.
std::optional<NameHint> hint_of(const std::vector<std::string>& words);

}  // namespace coffer::scan
