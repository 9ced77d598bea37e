// From what was counted about a column, and its name, to a proposal with a reason.
//
// Errors: none.
// Thread-safety: pure functions.
#pragma once

#include <string>
#include <string_view>

#include "scan/detail/stats.h"
#include "scan/proposal.h"

namespace coffer::scan {

enum class Place : std::uint8_t { Inner, Last };  // the last column is often the label

Column classify(const std::string& name, const ColumnStats& stats, Place place);

// What a file's path gives away, in words; `hides`: whether it should not be published as it is.
struct PathFinding {
  std::string reason;
  bool hides{false};
};
PathFinding look_at_path(std::string_view path);

}  // namespace coffer::scan
