#include "gate/codec.h"

#include <algorithm>

#include "gate/detail/floats.h"

namespace coffer::gate {
namespace {

using program::Dtype;
using program::Tensor;

Error no_code(std::string_view why) {
  return Error{Code::Corrupt, "the bit string is the code of no value: " + std::string(why)};
}

// A string that the writer could have made: whole bytes, filled with zeros.
Result<> check_frame(const BitString& string) {
  if (string.bytes.size() != (string.length + 7) / 8) return no_code("its length");
  const auto spare = static_cast<unsigned>(8 * string.bytes.size() - string.length);
  if (spare > 0 && (std::to_integer<unsigned>(string.bytes.back()) & ((1U << spare) - 1)) != 0) {
    return no_code("bits after its end");
  }
  return {};
}

Result<> check_tensors(const program::Tensors& tensors, const BitString& string) {
  BitReader in{string};
  for (const Tensor& tensor : tensors.tensors) {
    const std::uint64_t count = program::element_count(tensor);
    const unsigned width = program::element_bits(tensor);
    if (width == 0) continue;
    for (std::uint64_t i = 0; i < count; ++i) {
      if (!is_element(tensor, in.take(width))) return no_code("an element");
    }
  }
  return {};
}

}  // namespace

void BitWriter::put(std::uint64_t code, unsigned width) {
  while (width > 0) {
    const auto used = static_cast<unsigned>(string_.length % 8);
    const unsigned take = std::min(8 - used, width);
    const auto part = static_cast<unsigned>(code >> (width - take)) & ((1U << take) - 1);
    pending_ = static_cast<std::uint8_t>(pending_ | part << (8 - used - take));
    string_.length += take;
    width -= take;
    if (used + take == 8) {
      string_.bytes.push_back(static_cast<std::byte>(pending_));
      pending_ = 0;
    }
  }
}

BitString BitWriter::take() && {
  if (string_.length % 8 != 0) string_.bytes.push_back(static_cast<std::byte>(pending_));
  return std::move(string_);
}

std::uint64_t BitReader::take(unsigned width) {
  std::uint64_t code = 0;
  while (width > 0) {
    const auto used = static_cast<unsigned>(at_ % 8);
    const unsigned part = std::min(8 - used, width);
    const auto index = static_cast<std::size_t>(at_ / 8);
    const unsigned byte =
        index < string_.bytes.size() ? std::to_integer<unsigned>(string_.bytes[index]) : 0;
    code = code << part | ((byte >> (8 - used - part)) & ((1U << part) - 1));
    at_ += part;
    width -= part;
  }
  return code;
}

// ---- Metrics and tables
// --------------------------------------------------------------------------

BitString encode_metrics(const program::Metrics& metrics, const Codes& codes) {
  BitWriter out;
  for (std::size_t i = 0; i < metrics.fields.size(); ++i) {
    out.put(codes[i], program::domain_bits(metrics.fields[i].domain));
  }
  return std::move(out).take();
}

Result<Codes> decode_metrics(const program::Metrics& metrics, const BitString& string) {
  COFFER_CHECK(check_frame(string));
  std::uint64_t length = 0;
  for (const auto& field : metrics.fields) length += program::domain_bits(field.domain);
  if (length != string.length) return no_code("its length");
  BitReader in{string};
  Codes codes;
  for (const auto& field : metrics.fields) {
    codes.push_back(in.take(program::domain_bits(field.domain)));
    if (codes.back() >= program::value_count(field.domain)) return no_code("a field");
  }
  return codes;
}

RowOrder::RowOrder(const program::Table& table) {
  has_keys_ = std::any_of(table.columns.begin(), table.columns.end(),
                          [](const auto& column) { return column.key; });
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    const auto& [name, domain, key] = table.columns[i];
    if (has_keys_ && !key) continue;
    const std::uint64_t count = program::value_count(domain);
    parts_.push_back({i, program::is_optional(domain) ? count - 1 : count});
  }
}

int RowOrder::compare(const std::uint64_t* first, const std::uint64_t* second) const {
  for (const Part& part : parts_) {
    const std::uint64_t a = first[part.column];
    const std::uint64_t b = second[part.column];
    if (a == b) continue;
    if (a == part.null_code) return -1;
    if (b == part.null_code) return 1;
    return a < b ? -1 : 1;
  }
  return 0;
}

BitString encode_table(const program::Table& table, const Codes& rows) {
  const std::size_t width = table.columns.size();
  const std::uint64_t count = rows.size() / width;
  std::vector<unsigned> widths;
  for (const auto& column : table.columns) widths.push_back(program::domain_bits(column.domain));
  BitWriter out;
  out.reserve(program::table_bits(table, count));
  out.put(count, program::row_count_bits(table));
  for (std::size_t i = 0; i < rows.size(); ++i) out.put(rows[i], widths[i % width]);
  return std::move(out).take();
}

Result<Codes> decode_table(const program::Table& table, const BitString& string) {
  COFFER_CHECK(check_frame(string));
  BitReader in{string};
  const std::uint64_t count = in.take(program::row_count_bits(table));
  if (count > table.rows_max) return no_code("the number of rows");
  if (program::table_bits(table, count) != string.length) return no_code("its length");
  const RowOrder order{table};
  const std::size_t width = table.columns.size();
  std::vector<unsigned> widths;
  std::vector<std::uint64_t> counts;
  for (const auto& column : table.columns) {
    widths.push_back(program::domain_bits(column.domain));
    counts.push_back(program::value_count(column.domain));
  }
  Codes rows;
  rows.reserve(static_cast<std::size_t>(count) * width);
  for (std::uint64_t row = 0; row < count; ++row) {
    for (std::size_t column = 0; column < width; ++column) {
      rows.push_back(in.take(widths[column]));
      if (rows.back() >= counts[column]) return no_code("a cell");
    }
    if (row == 0) continue;
    const std::uint64_t* last = rows.data() + rows.size() - width;
    const int step = order.compare(last - width, last);
    if (step > 0 || (step == 0 && order.has_keys())) return no_code("the order of rows");
  }
  return rows;
}

// ---- Tensors
// ---------------------------------------------------------------------------------------

bool is_element(const Tensor& tensor, std::uint64_t code) {
  switch (tensor.dtype) {
    case Dtype::F32:
      return is_canonical_float(kFloat32, code);
    case Dtype::Bf16:
      return is_canonical_float(kBfloat16, code);
    case Dtype::F16:
      return is_canonical_float(kFloat16, code);
    case Dtype::I8:
      return code < 256;
    case Dtype::I32:
      return code <= static_cast<std::uint64_t>(std::int64_t{tensor.max} - tensor.min);
    case Dtype::Bool:
      return code < 2;
  }
  std::abort();
}

Result<> check_object(const program::Output& output, const BitString& string) {
  if (const auto* metrics = std::get_if<program::Metrics>(&output.body)) {
    COFFER_CHECK(decode_metrics(*metrics, string));
    return {};
  }
  if (const auto* table = std::get_if<program::Table>(&output.body)) {
    COFFER_CHECK(decode_table(*table, string));
    return {};
  }
  COFFER_CHECK(check_frame(string));
  if (string.length != program::object_bits_max(output)) return no_code("its length");
  return check_tensors(std::get<program::Tensors>(output.body), string);
}

}  // namespace coffer::gate
