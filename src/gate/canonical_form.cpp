#include "gate/detail/canonical_form.h"

#include <fmt/format.h>

#include <algorithm>

namespace coffer::gate {
namespace {

using program::Choice;
using program::Domain;
using program::Dtype;
using program::Number;
using program::Output;
using program::Table;
using program::Tensor;

constexpr std::size_t kPieceBytes = 1U << 17;

// Collects pieces until they are worth handing on.
class Buffer {
 public:
  explicit Buffer(const Sink& sink) : sink_(sink) {}
  std::string& text() { return text_; }
  Result<> pass_when_full() { return text_.size() < kPieceBytes ? Result<>{} : pass(); }
  Result<> pass() {
    COFFER_CHECK(sink_(bytes_of(text_)));
    text_.clear();
    return {};
  }

 private:
  const Sink& sink_;
  std::string text_;
};

std::string json_text(const std::string& text) { return Json{text}.canonical(); }

bool is_null(const Domain& domain, std::uint64_t code) {
  return program::is_optional(domain) && code + 1 == program::value_count(domain);
}

Result<> write_metrics(const program::Metrics& metrics, const BitString& object, Buffer& out) {
  COFFER_TRY(const Codes codes, decode_metrics(metrics, object));
  out.text() += '{';
  for (std::size_t i = 0; i < codes.size(); ++i) {
    const auto& [name, domain] = metrics.fields[i];
    const auto value = text_of_code(domain, codes[i]);
    const bool quoted = value && std::holds_alternative<Choice>(domain);
    if (i > 0) out.text() += ',';
    out.text() += json_text(name) + ':' + (quoted ? json_text(*value) : value.value_or("null"));
    COFFER_CHECK(out.pass_when_full());
  }
  out.text() += "}\n";
  return {};
}

std::string csv_line(const std::vector<std::string>& cells) {
  std::string line;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (i > 0) line += ',';
    line += csv_field(cells[i]);
  }
  // A lone empty field would be a blank line, which is no row.
  return line.empty() ? "\"\"\n" : line + "\n";
}

Result<> write_table(const Table& table, const BitString& object, Buffer& out) {
  COFFER_TRY(const Codes rows, decode_table(table, object));
  const std::size_t width = table.columns.size();
  std::vector<std::string> cells;
  for (const auto& column : table.columns) cells.push_back(column.name);
  out.text() += csv_line(cells);
  for (std::size_t at = 0; at < rows.size(); at += width) {
    for (std::size_t i = 0; i < width; ++i) {
      cells[i] = text_of_code(table.columns[i].domain, rows[at + i]).value_or("");
    }
    out.text() += csv_line(cells);
    COFFER_CHECK(out.pass_when_full());
  }
  return {};
}

// How an element lies in the file: little-endian, as its type says.
void put_element(const Tensor& tensor, std::uint64_t code, std::string& out) {
  std::uint64_t value = code;
  if (tensor.dtype == Dtype::I8) value -= 128;
  if (tensor.dtype == Dtype::I32) {
    value = static_cast<std::uint64_t>(std::int64_t{tensor.min} + static_cast<std::int64_t>(code));
  }
  for (unsigned i = 0; i < bytes_of_dtype(tensor.dtype); ++i) {
    out += static_cast<char>(value >> (8 * i) & 0xff);
  }
}

Result<> write_tensors(const program::Tensors& tensors, const BitString& object, Buffer& out) {
  out.text() += safetensors_head(tensors);
  BitReader in{object};
  for (const Tensor& tensor : tensors.tensors) {
    const std::uint64_t count = program::element_count(tensor);
    const unsigned width = program::element_bits(tensor);
    for (std::uint64_t i = 0; i < count; ++i) {
      put_element(tensor, in.take(width), out.text());
      COFFER_CHECK(out.pass_when_full());
    }
  }
  return {};
}

// The most bytes of one value of a domain, null included.
std::uint64_t text_max(const Domain& domain, std::string_view null) {
  const bool in_json = null == "null";
  std::uint64_t most = program::is_optional(domain) ? null.size() : 0;
  if (const auto* number = std::get_if<Number>(&domain)) {
    return std::max<std::uint64_t>(
        {most, number->min.fixed(number->digits).size(), number->max.fixed(number->digits).size()});
  }
  for (const std::string& value : std::get<Choice>(domain).values) {
    most =
        std::max<std::uint64_t>(most, in_json ? json_text(value).size() : csv_field(value).size());
  }
  return most;
}

std::uint64_t metrics_size_max(const program::Metrics& metrics) {
  std::uint64_t size = 3;
  for (const auto& field : metrics.fields) {
    size += json_text(field.name).size() + text_max(field.domain, "null") + 2;
  }
  return size;
}

std::uint64_t table_size_max(const Table& table) {
  std::uint64_t header = 0;
  std::uint64_t row = 0;
  for (const auto& column : table.columns) {
    header += csv_field(column.name).size() + 1;
    row += text_max(column.domain, "") + 1;
  }
  return std::max<std::uint64_t>(header, 3) + table.rows_max * std::max<std::uint64_t>(row, 3);
}

}  // namespace

std::optional<std::string> text_of_code(const Domain& domain, std::uint64_t code) {
  if (is_null(domain, code)) return std::nullopt;
  if (const auto* choice = std::get_if<Choice>(&domain)) return choice->values[code];
  const auto& number = std::get<Number>(domain);
  return scaled_text(number.min_scaled() + static_cast<std::int64_t>(code), number.digits);
}

std::string scaled_text(std::int64_t scaled, unsigned digits) {
  std::string text = std::to_string(scaled < 0 ? -scaled : scaled);
  if (digits > 0) {
    if (text.size() <= digits) text.insert(0, digits + 1 - text.size(), '0');
    text.insert(text.size() - digits, 1, '.');
  }
  if (scaled < 0) text.insert(0, 1, '-');
  return text;
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) {
    out += c;
    if (c == '"') out += '"';
  }
  return out + "\"";
}

unsigned bytes_of_dtype(Dtype dtype) {
  switch (dtype) {
    case Dtype::F32:
    case Dtype::I32:
      return 4;
    case Dtype::F16:
    case Dtype::Bf16:
      return 2;
    case Dtype::I8:
    case Dtype::Bool:
      return 1;
  }
  std::abort();
}

std::string safetensors_head(const program::Tensors& tensors) {
  std::string json = "{";
  std::uint64_t at = 0;
  for (const Tensor& tensor : tensors.tensors) {
    std::string dtype{program::text_of_dtype(tensor.dtype)};
    std::transform(dtype.begin(), dtype.end(), dtype.begin(),
                   [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
    const std::uint64_t end = at + program::element_count(tensor) * bytes_of_dtype(tensor.dtype);
    json += fmt::format(R"({}{}:{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})",
                        at == 0 && json.size() == 1 ? "" : ",", json_text(tensor.name), dtype,
                        fmt::join(tensor.shape, ","), at, end);
    at = end;
  }
  json += '}';
  while (json.size() % 8 != 0) json += ' ';
  std::string out;
  for (unsigned i = 0; i < 8; ++i) out += static_cast<char>(json.size() >> (8 * i) & 0xff);
  return out + json;
}

Result<> write_canonical(const Output& output, const BitString& object, const Sink& sink) {
  Buffer out{sink};
  if (const auto* metrics = std::get_if<program::Metrics>(&output.body)) {
    COFFER_CHECK(write_metrics(*metrics, object, out));
  } else if (const auto* table = std::get_if<Table>(&output.body)) {
    COFFER_CHECK(write_table(*table, object, out));
  } else {
    COFFER_CHECK(write_tensors(std::get<program::Tensors>(output.body), object, out));
  }
  return out.pass();
}

std::uint64_t canonical_size_max(const Output& output) {
  if (const auto* metrics = std::get_if<program::Metrics>(&output.body)) {
    return metrics_size_max(*metrics);
  }
  if (const auto* table = std::get_if<Table>(&output.body)) return table_size_max(*table);
  const auto& tensors = std::get<program::Tensors>(output.body);
  std::uint64_t size = safetensors_head(tensors).size();
  for (const Tensor& tensor : tensors.tensors) {
    size += program::element_count(tensor) * bytes_of_dtype(tensor.dtype);
  }
  return size;
}

std::uint64_t sealed_size(const Output& output) {
  constexpr std::uint64_t kSaltAndLength = 32 + 8;
  constexpr std::uint64_t kPage = 4096;
  return (canonical_size_max(output) + kSaltAndLength + kPage - 1) / kPage * kPage;
}

}  // namespace coffer::gate
