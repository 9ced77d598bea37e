#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "scan/csv.h"
#include "scan/decimal.h"
#include "scan/detail/classify.h"
#include "scan/detail/file_scan.h"
#include "scan/detail/stats.h"
#include "scan/scanner.h"

namespace coffer::scan {
namespace {

constexpr std::size_t kNameMax = 256;

std::string latin1_as_utf8(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      out += c;
    } else {
      out += static_cast<char>(0xc0 | byte >> 6);
      out += static_cast<char>(0x80 | (byte & 0x3f));
    }
  }
  return out;
}

bool looks_like_names(const std::vector<std::string>& row) {
  std::set<std::string_view> seen;
  return std::all_of(row.begin(), row.end(), [&](const std::string& field) {
    return !is_blank(field) && !number_form(field) && !is_iso_date(field) &&
           seen.insert(field).second;
  });
}

class Notes {
 public:
  void add(bool holds, std::string text) {
    if (holds) notes_.push_back(std::move(text));
  }
  std::string text() const { return join(notes_, "; "); }

 private:
  std::vector<std::string> notes_;
};

class TableScan final : public FileScan {
 public:
  explicit TableScan(char delimiter)
      : delimiter_(delimiter), reader_(delimiter, [this](const CsvRow& r) { return row(r); }) {}

  void bytes(ByteView bytes) override { (void)reader_.feed(text_of(bytes)); }

  File end() override {
    (void)reader_.finish();
    File file;
    switch (delimiter_) {
      case '\t':
        file.format = "tsv";
        break;
      case ';':
        file.format = "ssv";
        break;
      case '|':
        file.format = "psv";
        break;
      default:
        file.format = "csv";
    }
    file.rows = rows_;
    file.reason = oddities();
    file.defect = defects();
    for (std::size_t i = 0; i < names_.size(); ++i) {
      const Place place = i + 1 == names_.size() && i > 0 ? Place::Last : Place::Inner;
      file.columns.push_back(classify(names_[i], stats_[i], place));
    }
    return file;
  }

 private:
  Result<> row(const CsvRow& row) {
    if (names_.empty()) {
      begin(row.fields);
      if (!named_) add(row.fields, row.line);
      return {};
    }
    add(row.fields, row.line);
    return {};
  }

  void begin(const std::vector<std::string>& first) {
    named_ = looks_like_names(first);
    std::set<std::string> taken;
    for (std::size_t i = 0; i < std::min(first.size(), kColumnsMax); ++i) {
      std::string name = named_ ? printable(utf8(first[i]), kNameMax - 16) : "";
      if (name.empty()) name = fmt::format("column_{}", i + 1);
      if (!taken.insert(name).second) {
        name += fmt::format("_{}", i + 1);
        taken.insert(name);
      }
      names_.push_back(std::move(name));
    }
    stats_.resize(names_.size());
    left_out_ = first.size() - names_.size();
  }

  void add(const std::vector<std::string>& fields, std::uint64_t line) {
    ++rows_;
    if (fields.size() != names_.size() + left_out_ && ragged_++ == 0) ragged_line_ = line;
    for (std::size_t i = 0; i < names_.size(); ++i) {
      stats_[i].add(i < fields.size() ? utf8(fields[i]) : std::string{});
    }
  }

  std::string utf8(const std::string& field) {
    if (field.find('\0') != std::string::npos) ++nul_;
    if (is_utf8(field)) return field;
    ++not_utf8_;
    return latin1_as_utf8(field);
  }

  // What two readers of the table would understand alike.
  std::string oddities() const {
    const CsvOddities& odd = reader_.oddities();
    Notes notes;
    notes.add(!names_.empty() && !named_, "the first row holds no names: columns are numbered");
    notes.add(left_out_ > 0,
              fmt::format("{} columns beyond {} were left out", left_out_, kColumnsMax));
    notes.add(odd.byte_order_mark, "it begins with a byte order mark");
    notes.add(odd.crlf, "lines end in CRLF");
    notes.add(odd.blank_lines > 0, fmt::format("{} blank lines", odd.blank_lines));
    return notes.text();
  }

  // What they would not: which value belongs to which column is in doubt.
  std::string defects() const {
    const CsvOddities& odd = reader_.oddities();
    Notes notes;
    notes.add(ragged_ > 0,
              fmt::format("{} rows have another number of fields, the first at line {}", ragged_,
                          ragged_line_));
    notes.add(odd.stray_quotes > 0, fmt::format("{} stray quotes", odd.stray_quotes));
    notes.add(odd.unfinished_quote, "the last quoted field has no end");
    notes.add(odd.cut, fmt::format("a field is longer than {}", render_size(kFieldMax)));
    notes.add(not_utf8_ > 0,
              fmt::format("{} fields are not UTF-8 (looked at as Latin-1)", not_utf8_));
    notes.add(nul_ > 0, fmt::format("{} fields have NUL bytes", nul_));
    return notes.text();
  }

  char delimiter_;
  CsvReader reader_;
  bool named_{false};
  std::vector<std::string> names_;
  std::vector<ColumnStats> stats_;
  std::uint64_t rows_{0}, ragged_{0}, ragged_line_{0}, not_utf8_{0}, nul_{0}, left_out_{0};
};

}  // namespace

std::unique_ptr<FileScan> make_table_scan(char delimiter) {
  return std::make_unique<TableScan>(delimiter);
}

}  // namespace coffer::scan
