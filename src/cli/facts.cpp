// read_facts: the three kinds of files, read plainly.
#include <algorithm>
#include <cstring>
#include <limits>

#include "base/json.h"
#include "base/text.h"
#include "cli/files.h"
#include "cli/infer.h"

namespace coffer::cli {
namespace {

using program::Decimal;

constexpr unsigned kDigitsSeen = 9;

void add_number(ValueFacts& facts, const Decimal& value) {
  if (!facts.min || value < *facts.min) facts.min = value;
  if (!facts.max || value > *facts.max) facts.max = value;
  unsigned digits = 0;
  while (digits < kDigitsSeen && !value.on_grid(digits)) ++digits;
  facts.digits = std::max(facts.digits, digits);
}

void add_text(ValueFacts& facts, std::string_view text) {
  if (std::find(facts.texts.begin(), facts.texts.end(), text) == facts.texts.end()) {
    facts.texts.emplace_back(text);
  }
}

bool is_nan(std::string_view text) { return text == "NaN" || text == "nan"; }

Result<FileFacts> read_metrics(FileFacts facts, const std::string& text) {
  COFFER_TRY(const Json json, Json::parse(text, JsonNumbers::AsPythonWrites));
  const auto* members = json.as_object();
  if (members == nullptr) return Error{Code::InvalidArgument, "it must be one flat JSON object"};
  for (const auto& [name, value] : *members) {
    ValueFacts one{.name = name, .blanks = value.is_null(), .texts = {}, .min = {}, .max = {}};
    if (const auto* number = value.as_number()) {
      if (is_nan(number->text)) {
        one.blanks = true;
      } else {
        auto decimal = Decimal::parse(number->text);
        if (!decimal) return Error{Code::InvalidArgument, "'" + name + "' is infinite"};
        add_number(one, *decimal);
      }
    } else if (const auto* word = value.as_string()) {
      add_text(one, *word);
    } else if (!value.is_null()) {
      return Error{Code::InvalidArgument,
                   "'" + name +
                       "' is neither a number nor a text (true and false are written as "
                       "0 and 1, or as texts)"};
    }
    facts.values.push_back(std::move(one));
  }
  return facts;
}

// RFC 4180: rows of cells.
Result<std::vector<std::vector<std::string>>> csv_rows(const std::string& text) {
  std::vector<std::vector<std::string>> rows;
  std::vector<std::string> row;
  std::string cell;
  bool quoted = false;
  bool any = false;
  const auto end_row = [&] {
    row.push_back(std::move(cell));
    cell.clear();
    rows.push_back(std::move(row));
    row.clear();
    any = false;
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c != '"') {
        cell += c;
      } else if (i + 1 < text.size() && text[i + 1] == '"') {
        cell += text[++i];
      } else {
        quoted = false;
      }
      continue;
    }
    if (c == '"' && cell.empty()) {
      quoted = true;
      any = true;
    } else if (c == ',') {
      row.push_back(std::move(cell));
      cell.clear();
      any = true;
    } else if (c == '\n') {
      if (!cell.empty() && cell.back() == '\r') cell.pop_back();
      end_row();
    } else {
      cell += c;
      any = true;
    }
  }
  if (quoted) return Error{Code::InvalidArgument, "a quote is not closed"};
  if (any) end_row();
  return rows;
}

Result<FileFacts> read_table(FileFacts facts, const std::string& text) {
  COFFER_TRY(const auto rows, csv_rows(text));
  if (rows.empty()) return Error{Code::InvalidArgument, "it has no header"};
  for (const auto& name : rows[0]) {
    facts.values.push_back({.name = name, .blanks = false, .texts = {}, .min = {}, .max = {}});
  }
  for (std::size_t i = 1; i < rows.size(); ++i) {
    if (rows[i].size() != facts.values.size()) {
      return Error{Code::InvalidArgument,
                   "row " + std::to_string(i) + " has " + std::to_string(rows[i].size()) +
                       " cells, the header " + std::to_string(facts.values.size())};
    }
    for (std::size_t column = 0; column < rows[i].size(); ++column) {
      const std::string& cell = rows[i][column];
      ValueFacts& one = facts.values[column];
      if (cell.empty() || is_nan(cell)) {
        one.blanks = true;
      } else if (const auto decimal = Decimal::parse(cell)) {
        add_number(one, *decimal);
        add_text(one, cell);
      } else {
        add_text(one, cell);
      }
    }
  }
  facts.rows = rows.size() - 1;
  // A column is numeric when every cell is: else its numbers are texts like the others.
  for (auto& one : facts.values) {
    const bool numeric = std::all_of(one.texts.begin(), one.texts.end(), [](const auto& cell) {
      return Decimal::parse(cell).has_value();
    });
    if (numeric) one.texts.clear();
    if (!numeric) one.min = one.max = std::nullopt;
  }
  return facts;
}

std::optional<program::Dtype> dtype_of(std::string_view text) {
  if (text == "F64" || text == "F32") return program::Dtype::F32;
  if (text == "F16") return program::Dtype::F16;
  if (text == "BF16") return program::Dtype::Bf16;
  if (text == "I8") return program::Dtype::I8;
  if (text == "I32" || text == "I64") return program::Dtype::I32;
  if (text == "BOOL") return program::Dtype::Bool;
  return std::nullopt;
}

// The range of little-endian integers of `width` bytes.
void add_range(TensorFacts& facts, std::string_view data, std::size_t width) {
  std::int64_t least = std::numeric_limits<std::int64_t>::max();
  std::int64_t most = std::numeric_limits<std::int64_t>::min();
  for (std::size_t at = 0; at + width <= data.size(); at += width) {
    std::int64_t value = 0;
    if (width == 4) {
      std::int32_t narrow = 0;
      std::memcpy(&narrow, data.data() + at, 4);
      value = narrow;
    } else {
      std::memcpy(&value, data.data() + at, 8);
    }
    least = std::min(least, value);
    most = std::max(most, value);
  }
  if (least > most) return;  // empty
  constexpr std::int64_t kLow = std::numeric_limits<std::int32_t>::min();
  constexpr std::int64_t kHigh = std::numeric_limits<std::int32_t>::max();
  facts.min = static_cast<std::int32_t>(std::clamp(least, kLow, kHigh));
  facts.max = static_cast<std::int32_t>(std::clamp(most, kLow, kHigh));
}

Result<TensorFacts> read_tensor(const std::string& name, const Json& entry, std::string_view data) {
  const std::string type = entry.text_or("dtype", "");
  const auto dtype = dtype_of(type);
  if (!dtype) {
    return Error{Code::InvalidArgument, "tensor '" + name + "' is " + printable(type, 20) +
                                            ": write F32, F16, BF16, I8, I32 or BOOL"};
  }
  TensorFacts facts{.name = name, .shape = {}, .dtype = *dtype};
  if (const auto* shape = entry["shape"].as_array()) {
    for (const auto& size : *shape) facts.shape.push_back(size.as_uint().value_or(0));
  }
  const auto* offsets = entry["data_offsets"].as_array();
  if (offsets == nullptr || offsets->size() != 2) {
    return Error{Code::InvalidArgument, "tensor '" + name + "' has no data_offsets"};
  }
  const auto first = (*offsets)[0].as_uint().value_or(1);
  const auto last = (*offsets)[1].as_uint().value_or(0);
  if (first > last || last > data.size()) {
    return Error{Code::InvalidArgument, "tensor '" + name + "' lies outside the file"};
  }
  if (*dtype == program::Dtype::I32) {
    add_range(facts, data.substr(first, last - first), type == "I64" ? 8 : 4);
  }
  return facts;
}

Result<FileFacts> read_tensors(FileFacts facts, const std::string& text) {
  std::uint64_t length = 0;
  for (unsigned i = 0; i < 8 && i < text.size(); ++i) {
    length |= std::uint64_t{static_cast<unsigned char>(text[i])} << (8 * i);
  }
  if (text.size() < 8 || length > text.size() - 8) {
    return Error{Code::InvalidArgument, "it is no safetensors file"};
  }
  const std::string_view whole = text;
  COFFER_TRY(const Json header,
             Json::parse(trim(whole.substr(8, static_cast<std::size_t>(length)))));
  if (!header.is_object()) return Error{Code::InvalidArgument, "its header is no object"};
  const std::string_view data = whole.substr(8 + static_cast<std::size_t>(length));
  for (const auto& [name, entry] : *header.as_object()) {
    if (name == "__metadata__") continue;
    COFFER_TRY(TensorFacts one, read_tensor(name, entry, data));
    facts.tensors.push_back(std::move(one));
  }
  return facts;
}

}  // namespace

Result<FileFacts> read_facts(const std::filesystem::path& file) {
  FileFacts facts;
  facts.name = file.stem().string();
  COFFER_TRY(const std::string text, read_whole(file, 1ULL << 30));
  const std::string extension = file.extension().string();
  Result<FileFacts> read = Error{Code::InvalidArgument, "an output is .json, .safetensors or .csv"};
  if (extension == ".json") {
    facts.kind = program::Kind::Metrics;
    read = read_metrics(std::move(facts), text);
  } else if (extension == ".safetensors") {
    facts.kind = program::Kind::Tensors;
    read = read_tensors(std::move(facts), text);
  } else if (extension == ".csv") {
    facts.kind = program::Kind::Table;
    read = read_table(std::move(facts), text);
  }
  if (!read) return std::move(read).error().in("/out/" + file.filename().string());
  return read;
}

}  // namespace coffer::cli
