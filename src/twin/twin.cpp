#include "twin/twin.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/file_path.h"
#include "scan/csv.h"
#include "scan/proposal.h"
#include "twin/detail/column_maker.h"
#include "twin/detail/png.h"

namespace coffer::twin {
namespace {

constexpr std::size_t kBuffer = std::size_t{64} << 10;

// The delimiter of a table's format; nothing for what is no table.
std::optional<char> delimiter_of(std::string_view format) {
  if (format == "csv") return ',';
  if (format == "tsv") return '\t';
  if (format == "ssv") return ';';
  if (format == "psv") return '|';
  return {};
}

class Maker {
 public:
  Maker(const Options& options, int directory) : options_(options), tree_(directory) {}

  Result<> file(const scan::File& file) {
    COFFER_CHECK(tree_.begin(file.path, FileMode::Plain));
    made_.files += 1;
    if (const auto delimiter = delimiter_of(file.format)) return table(file, *delimiter);
    if (file.format == "png") return put(small_png(mix(options_.seed, file.path)));
    if (file.format == "json") return put(bytes_of("{}\n"));
    if (file.format == "text")
      return put(bytes_of("A line of text.\nAnother one: naïve, \"quoted\".\n"));
    note(file, fmt::format("{} is not synthesised, the file is empty", printable(file.format, 16)));
    return {};
  }

  Result<Made> finish() && {
    COFFER_CHECK(tree_.finish());
    return std::move(made_);
  }

 private:
  Result<> table(const scan::File& file, char delimiter) {
    if (file.columns.empty()) {
      note(file, "none of its columns is published, the file is empty");
      return {};
    }
    const std::uint64_t rows = options_.rows.value_or(std::min(file.rows, kRowsDefaultMax));
    if (!options_.rows && file.rows > rows) {
      note(file, fmt::format("{} of {} rows", render_count(rows), render_count(file.rows)));
    }
    std::vector<ColumnMaker> makers;
    std::vector<std::string> fields;
    for (const auto& column : file.columns) {
      auto maker = ColumnMaker::create(column, {mix(options_.seed, file.path), rows});
      if (!maker) return std::move(maker).error().in(printable(file.path));
      makers.push_back(*std::move(maker));
      fields.push_back(column.name);
    }
    COFFER_CHECK(line(fields, delimiter));
    for (std::uint64_t row = 0; row < rows; ++row) {
      for (std::size_t i = 0; i < makers.size(); ++i) fields[i] = makers[i].value(row);
      COFFER_CHECK(line(fields, delimiter));
    }
    return flush();
  }

  Result<> line(const std::vector<std::string>& fields, char delimiter) {
    for (std::size_t i = 0; i < fields.size(); ++i) {
      if (i > 0) buffer_ += delimiter;
      buffer_ += scan::csv_field(fields[i], delimiter);
    }
    // One blank alone would be a blank line, which is no row.
    if (fields.size() == 1 && fields[0].empty()) buffer_ += "\"\"";
    buffer_ += '\n';
    return buffer_.size() >= kBuffer ? flush() : Result<>{};
  }

  Result<> flush() {
    const std::string bytes = std::exchange(buffer_, {});
    return put(bytes_of(bytes));
  }

  Result<> put(ByteView bytes) {
    made_.bytes += bytes.size();
    return tree_.write(bytes);
  }

  void note(const scan::File& file, std::string_view text) {
    made_.notes.push_back(fmt::format("{}: {}", printable(file.path), text));
  }

  const Options& options_;
  TreeWriter tree_;
  Made made_;
  std::string buffer_;
};

}  // namespace

Result<Made> make(const Json& card, const Options& options, int directory) {
  COFFER_TRY(auto files, scan::files_from_card(card["files"]));
  std::sort(files.begin(), files.end(),
            [](const auto& a, const auto& b) { return a.path < b.path; });
  PathOrder order;
  for (const auto& file : files) {  // before anything is written
    COFFER_CHECK(check_path(file.path));
    COFFER_CHECK(order.accept(file.path));
  }
  Maker maker{options, directory};
  for (const auto& file : files) COFFER_CHECK(maker.file(file));
  return std::move(maker).finish();
}

}  // namespace coffer::twin
