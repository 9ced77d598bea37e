// The protected inputs as the evidence sees them: rows of CSV files, or bytes.
//
// A file *.csv or *.tsv is rows; quotes may hold line ends; the separator is the one of , ; tab |
// that its first line has most of. Nothing in it is a defect: this is the owner's data as it is. A
// row longer than kRowBytesMax goes on as another row. The first row is a header, and passed over,
// when it has a column of the card, or when none of its fields is a number. Links and special files
// are passed over; so are directories deeper than kDepthMax.
// Errors: Unavailable (an alias is missing, a directory or file cannot be read).
// Thread-safety: pure but for reading.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "gate/evidence.h"

namespace coffer::gate {

inline constexpr std::size_t kRowBytesMax = 1U << 20;
inline constexpr unsigned kDepthMax = 32;

// value * 10^digits.
struct ScaledNumber {
  std::int64_t value{0};
  unsigned digits{0};
};

// A cell as a number of at most 18 digits (longer ones are rounded to that), in its shortest form.
// White space around it, a plus and leading zeros are allowed; nothing else.
std::optional<ScaledNumber> number_of_cell(std::string_view cell);
// The cells with numbers in their shortest form, joined by commas.
std::string canonical_row(const std::vector<std::string>& cells);

// One CSV file and what is published of it.
struct RowsFile {
  std::vector<std::string> names;      // of the columns; empty without a header
  std::vector<const Json*> published;  // per column: its entry of the card, or null
};

struct Visitor {
  std::function<void(const RowsFile&)> begin_rows{};
  // The row as it stands, without its line end, and its cells, unquoted.
  std::function<void(std::string_view raw, const std::vector<std::string>& cells)> row{};
  // A piece of another file; it begins with the last kCopyBytes - 1 bytes of the piece before,
  // unless it is the first of its file.
  std::function<void(std::string_view piece)> bytes{};
};

// Visits every file of every input, in byte order of paths.
Result<> visit_inputs(int directory, const std::vector<ProtectedInput>& inputs,
                      const Visitor& visitor);

}  // namespace coffer::gate
