#include <algorithm>
#include <numeric>
#include <optional>
#include <unordered_map>

#include "gate/detail/csv_scan.h"
#include "gate/detail/judging.h"

namespace coffer::gate {
namespace {

using program::Column;
using program::Refusal;
using program::Table;

bool is_nan(std::string_view text) {
  const auto is = [&](std::size_t i, char low) { return (text[i] | 0x20) == low; };
  return text.size() == 3 && is(0, 'n') && is(1, 'a') && is(2, 'n');
}

// Gives cells of one column their codes; a long list of texts is looked up in a map.
class CellCoder {
 public:
  explicit CellCoder(const program::Domain& domain) : domain_(domain) {
    if (const auto* choice = std::get_if<program::Choice>(&domain)) {
      for (std::size_t i = 0; i < choice->values.size(); ++i) texts_.emplace(choice->values[i], i);
    }
  }

  Coded operator()(const std::string& text) const {
    if (const auto* number = std::get_if<program::Number>(&domain_)) {
      if (text.empty() || is_nan(text)) return code_of_null(domain_);
      return code_of_number(*number, text);
    }
    if (const auto found = texts_.find(text); found != texts_.end()) return found->second;
    if (text.empty() || is_nan(text)) return code_of_null(domain_);
    return code_of_text(std::get<program::Choice>(domain_), text);
  }

 private:
  const program::Domain& domain_;
  std::unordered_map<std::string_view, std::uint64_t> texts_;
};

// For each field of the file the column it is; nothing unless every column is there once.
std::optional<std::vector<std::size_t>> read_header(const Table& table, CsvScan& in) {
  if (in.next() != CsvScan::Step::Row || in.row().size() != table.columns.size()) return {};
  std::unordered_map<std::string_view, std::size_t> columns;
  for (std::size_t i = 0; i < table.columns.size(); ++i) columns.emplace(table.columns[i].name, i);
  std::vector<std::size_t> order;
  for (const std::string& name : in.row()) {
    const auto found = columns.find(name);
    if (found == columns.end()) return {};
    order.push_back(found->second);
    columns.erase(found);
  }
  return order;
}

// The rows as a release has them.
Codes sorted(const Table& table, const RowOrder& order, Codes rows) {
  const std::size_t width = table.columns.size();
  std::vector<std::uint32_t> places(rows.size() / width);
  std::iota(places.begin(), places.end(), 0U);
  const auto row = [&](std::uint32_t place) { return rows.data() + place * width; };
  std::sort(places.begin(), places.end(),
            [&](std::uint32_t a, std::uint32_t b) { return order.compare(row(a), row(b)) < 0; });
  Codes out;
  out.reserve(rows.size());
  for (const std::uint32_t place : places) out.insert(out.end(), row(place), row(place) + width);
  return out;
}

bool repeats_a_key(const Table& table, const RowOrder& order, const Codes& rows) {
  const std::size_t width = table.columns.size();
  if (!order.has_keys()) return false;
  for (std::size_t at = width; at < rows.size(); at += width) {
    if (order.compare(rows.data() + at - width, rows.data() + at) == 0) return true;
  }
  return false;
}

}  // namespace

Judged judge_table(const Table& table, const RegularFile& file) {
  ByteSource source{file.fd.get()};
  CsvScan in{source, table.columns.size()};
  const auto header = read_header(table, in);
  if (!header) return Refusal::Malformed;
  std::vector<CellCoder> coders;
  for (const Column& column : table.columns) coders.emplace_back(column.domain);

  const std::size_t width = table.columns.size();
  Codes rows;
  for (std::uint64_t count = 0;; ++count) {
    const auto step = in.next();
    if (step == CsvScan::Step::End) break;
    if (step == CsvScan::Step::Defect || in.row().size() != width) return Refusal::Malformed;
    if (count == table.rows_max) return Refusal::OutOfRange;
    rows.resize(rows.size() + width);
    for (std::size_t i = 0; i < width; ++i) {
      const std::size_t column = (*header)[i];
      const Coded coded = coders[column](in.row()[i]);
      if (const auto* refusal = std::get_if<Refusal>(&coded)) return *refusal;
      rows[rows.size() - width + column] = std::get<std::uint64_t>(coded);
    }
  }
  const RowOrder order{table};
  rows = sorted(table, order, std::move(rows));
  if (repeats_a_key(table, order, rows)) return Refusal::Malformed;
  return encode_table(table, rows);
}

}  // namespace coffer::gate
