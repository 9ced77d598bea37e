#include "scan/columns_csv.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>

#include "base/text.h"
#include "scan/csv.h"
#include "scan/decimal.h"

namespace coffer::scan {
namespace {

constexpr std::array<std::string_view, 10> kHeader{"file", "column", "kind",   "type",    "values",
                                                   "min",  "max",    "blanks", "publish", "reason"};
enum Field : std::size_t {
  kFile,
  kColumn,
  kKind,
  kType,
  kValues,
  kMin,
  kMax,
  kBlanks,
  kPublish,
  kReason
};
constexpr std::string_view kFileKind = "file";
constexpr std::string_view kTagPrefix = "tag:";

std::string join_values(const std::vector<std::string>& values) {
  std::string out;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i > 0) out += '|';
    for (const char c : values[i]) {
      if (c == '|' || c == '\\') out += '\\';
      out += c;
    }
  }
  return out;
}

// Nothing when a backslash stands before anything but | and backslash.
std::optional<std::vector<std::string>> split_values(std::string_view text) {
  std::vector<std::string> out;
  if (text.empty()) return out;
  out.emplace_back();
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '|') {
      out.emplace_back();
      continue;
    }
    if (text[i] == '\\') {
      ++i;
      if (i == text.size() || (text[i] != '|' && text[i] != '\\')) return {};
    }
    out.back() += text[i];
  }
  return out;
}

void write_line(std::string& out, const std::array<std::string, kHeader.size()>& fields) {
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (i > 0) out += ',';
    out += csv_field(fields[i]);
  }
  out += '\n';
}

std::string yes_no(Publish publish) { return publish == Publish::Yes ? "yes" : "no"; }

// Reads the lines one by one into a proposal where nothing is published until its line says so.
class Parser {
 public:
  explicit Parser(const Proposal& proposal) : out_(proposal) {
    for (std::size_t i = 0; i < out_.files.size(); ++i) {
      File& file = out_.files[i];
      by_path_[file.path] = i;
      readable_.push_back(!file.columns.empty());
      file.publish = Publish::No;
      for (auto& column : file.columns) column.publish = Publish::No;
    }
  }

  Result<> line(const CsvRow& row) {
    line_ = row.line;
    if (!header_seen_) return header(row.fields);
    if (row.fields.size() != kHeader.size()) {
      return wrong("fields", fmt::format("{} instead of {}", row.fields.size(), kHeader.size()));
    }
    const auto file = by_path_.find(row.fields[kFile]);
    if (file == by_path_.end()) return wrong("file", "is none of the dataset");
    // A table has no embedded tags, and may have a column of any name.
    if (!readable_[file->second] && row.fields[kColumn].starts_with(kTagPrefix)) {
      return tag(row.fields);
    }
    if (row.fields[kColumn].empty()) return whole_file(out_.files[file->second], row.fields);
    return column(file->second, row.fields);
  }

  Result<Proposal> take() && {
    if (!header_seen_) return wrong("file", "the header is missing");
    return std::move(out_);
  }

 private:
  Error wrong(std::string_view field, std::string_view why) const {
    return Error{Code::InvalidArgument,
                 fmt::format("columns.csv line {}, {}: {}", line_, field, why)};
  }

  Result<> header(const std::vector<std::string>& fields) {
    header_seen_ = true;
    if (std::equal(fields.begin(), fields.end(), kHeader.begin(), kHeader.end())) return {};
    return wrong("header", "must be file,column,kind,type,values,min,max,blanks,publish,reason");
  }

  Result<Publish> publish(const std::string& text) const {
    if (text == "yes") return Publish::Yes;
    if (text == "no") return Publish::No;
    return wrong("publish", "must be yes or no");
  }

  Result<> tag(const std::vector<std::string>& fields) const {
    COFFER_TRY(const Publish wanted, publish(fields[kPublish]));
    if (wanted == Publish::Yes)
      return wrong("publish", "an embedded tag is never published: write no");
    return {};
  }

  Result<> whole_file(File& file, const std::vector<std::string>& fields) {
    if (fields[kKind] != kFileKind) return wrong("kind", "must be 'file' where no column is named");
    COFFER_TRY(file.publish, publish(fields[kPublish]));
    return {};
  }

  Result<> column(std::size_t index, const std::vector<std::string>& fields) {
    File& file = out_.files[index];
    auto at = std::find_if(file.columns.begin(), file.columns.end(),
                           [&](const Column& c) { return c.name == fields[kColumn]; });
    if (at == file.columns.end()) {
      if (readable_[index]) return wrong("column", "is none of this file");
      at = file.columns.insert(at, Column{.name = fields[kColumn]});
    }
    if (!seen_.insert({index, fields[kColumn]}).second) return wrong("column", "stands here twice");
    COFFER_TRY(*at, edited(*at, fields));
    return {};
  }

  Result<Column> edited(Column column, const std::vector<std::string>& fields) const {
    const auto kind = parse_kind(fields[kKind]);
    if (!kind) return wrong("kind", kind.error().message);
    const auto type = parse_type(fields[kType]);
    if (!type) return wrong("type", type.error().message);
    auto values = split_values(fields[kValues]);
    if (!values) return wrong("values", "write \\| for a bar and \\\\ for a backslash");
    column.kind = *kind;
    column.type = *type;
    column.values = *std::move(values);
    column.min = number_or_date(*type, fields[kMin]);
    column.max = number_or_date(*type, fields[kMax]);
    if (fields[kBlanks] != "allowed" && fields[kBlanks] != "required") {
      return wrong("blanks", "must be allowed or required");
    }
    column.blanks = fields[kBlanks] == "allowed" ? Blanks::Allowed : Blanks::Required;
    COFFER_TRY(column.publish, publish(fields[kPublish]));
    auto sorted = column.values;
    std::sort(sorted.begin(), sorted.end());
    if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) {
      return wrong("values", "one stands twice");
    }
    const std::string problem = column_defect(column);
    if (!problem.empty()) {
      const auto colon = problem.find(": ");
      return wrong(problem.substr(0, colon), problem.substr(colon + 2));
    }
    return column;
  }

  // A steward may write 1.50 or 1e3; a card has canonical text only.
  static std::string number_or_date(Type type, const std::string& text) {
    if (type == Type::Date) return text;
    return canonical_decimal(text).value_or(text);
  }

  Proposal out_;
  std::map<std::string, std::size_t> by_path_;
  std::vector<bool> readable_;
  std::set<std::pair<std::size_t, std::string>> seen_;
  bool header_seen_{false};
  std::uint64_t line_{1};
};

}  // namespace

std::string render_columns_csv(const Proposal& proposal) {
  std::string out;
  std::array<std::string, kHeader.size()> header;
  std::copy(kHeader.begin(), kHeader.end(), header.begin());
  write_line(out, header);
  for (const auto& file : proposal.files) {
    write_line(out, {file.path, "", std::string(kFileKind), file.format, "", "", "", "",
                     yes_no(file.publish), file.reason});
    for (const auto& column : file.columns) {
      write_line(out, {file.path, column.name, std::string(text_of(column.kind)),
                       std::string(text_of(column.type)), join_values(column.values), column.min,
                       column.max, column.blanks == Blanks::Allowed ? "allowed" : "required",
                       yes_no(column.publish), column.reason});
    }
    for (const auto& tag : file.tags) {
      write_line(out, {file.path, std::string(kTagPrefix) + tag.name,
                       std::string(text_of(tag.kind)), "", "", "", "", "", "no", tag.reason});
    }
  }
  return out;
}

Result<Proposal> parse_columns_csv(std::string_view text, const Proposal& proposal) {
  if (!is_utf8(text)) return Error{Code::InvalidArgument, "columns.csv is not UTF-8"};
  Parser parser{proposal};
  // Spreadsheets of some countries save with semicolons.
  CsvReader reader{find_delimiter(text.substr(0, kFieldMax)),
                   [&](const CsvRow& row) { return parser.line(row); }};
  COFFER_CHECK(reader.feed(text));
  COFFER_CHECK(reader.finish());
  if (reader.oddities().unfinished_quote) {
    return Error{Code::InvalidArgument, "columns.csv: a quoted field has no end"};
  }
  return std::move(parser).take();
}

}  // namespace coffer::scan
