// A strict reader of CSV, one row at a time.
//
// RFC 4180: fields between commas, quoted where they hold a comma, quote or line end, a quote
// written twice; rows end with LF or CRLF, the last one may lack it. Everything else is a defect: a
// bare quote or CR, text after a closing quote, an open quote at the end, a blank line, a byte
// order mark, a field beyond kCsvFieldMax. Invariant: a row held is at most fields_max fields of
// kCsvFieldMax bytes. Errors: by the answer of next(). Thread-safety: as a plain value; the source
// must outlive it. Source: RFC 4180; protocol.md section 7.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "gate/detail/source.h"

namespace coffer::gate {

inline constexpr std::size_t kCsvFieldMax = 8192;

class CsvScan {
 public:
  enum class Step : std::uint8_t { Row, End, Defect };

  // Rows of more than `fields_max` fields are a defect.
  CsvScan(ByteSource& source, std::size_t fields_max) : source_(source), fields_max_(fields_max) {}
  Step next();
  // The row that next() read: unquoted, valid until it is asked again.
  const std::vector<std::string>& row() const { return row_; }

 private:
  enum class Stop : std::uint8_t { Comma, Line, End, Defect };
  Stop field(std::string& out);
  Stop quoted(std::string& out);
  Stop after(int symbol);  // what a symbol outside quotes ends
  ByteSource& source_;
  std::size_t fields_max_;
  std::vector<std::string> row_;
};

}  // namespace coffer::gate
