// Delimiter-separated tables, read as they stream by, and written.
//
// RFC 4180 in UTF-8; lenient, and says where it had to be: a quote inside an unquoted field is
// taken as it stands, a blank line is skipped, a byte order mark is dropped. LF and CRLF both end a
// row. A field's text beyond kFieldMax is dropped, fields of a row beyond kRowFieldsMax too.
// Errors: what the row handler answers.
// Thread-safety: as plain values.
// Source: RFC 4180.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/text.h"

namespace coffer::scan {

inline constexpr std::size_t kFieldMax = std::size_t{1} << 20;
inline constexpr std::size_t kRowFieldsMax = 10'001;

struct CsvRow {
  std::uint64_t line;  // of its first byte, from 1
  const std::vector<std::string>& fields;
};

// What was not as RFC 4180 wants it.
struct CsvOddities {
  bool byte_order_mark{false};
  bool crlf{false};
  std::uint64_t blank_lines{0};
  std::uint64_t stray_quotes{0};
  bool unfinished_quote{false};
  bool cut{false};  // a field or a row beyond the limits
};

class CsvReader {
 public:
  using Handler = std::function<Result<>(const CsvRow&)>;
  CsvReader(char delimiter, Handler handler)
      : delimiter_(delimiter), handler_(std::move(handler)) {}
  Result<> feed(std::string_view text);
  Result<> finish();  // the last row may lack its line end
  const CsvOddities& oddities() const { return oddities_; }

 private:
  enum class State : std::uint8_t { FieldStart, Plain, Quoted, QuoteInQuoted };
  Result<> take(char c);
  void end_field();
  Result<> end_row();
  void append(char c);

  char delimiter_;
  Handler handler_;
  State state_{State::FieldStart};
  std::vector<std::string> fields_;
  std::size_t count_{0};  // fields_ in use; the strings keep their memory from row to row
  std::string field_;
  bool quoted_{false};
  bool row_started_{false};
  std::uint64_t line_{1};
  std::uint64_t row_line_{1};
  std::uint64_t bytes_{0};
  CsvOddities oddities_;
};

// The delimiter among , ; tab | that splits the first rows of `head` into equally many fields, at
// least two; a comma when none does.
char find_delimiter(std::string_view head);

// A field as RFC 4180 writes it: quoted only where it must be.
std::string csv_field(std::string_view text, char delimiter = ',');

}  // namespace coffer::scan
