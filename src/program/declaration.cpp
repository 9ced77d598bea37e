#include "program/declaration.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <set>

#include "base/text.h"
#include "program/names.h"

namespace coffer::program {
namespace {

constexpr std::array<std::string_view, 3> kKinds{"metrics", "tensors", "table"};
constexpr std::array<std::string_view, 3> kExtensions{".json", ".safetensors", ".csv"};
constexpr std::array<std::string_view, 3> kLanes{"bounded", "statistics", "proved"};
constexpr std::array<std::string_view, 6> kDtypes{"f32", "bf16", "f16", "i8", "i32", "bool"};

template <class Enum, std::size_t N>
std::optional<Enum> enum_of(const std::array<std::string_view, N>& texts, std::string_view text) {
  const auto found = std::find(texts.begin(), texts.end(), text);
  if (found == texts.end()) return {};
  return static_cast<Enum>(found - texts.begin());
}

Error bad(std::string message) { return Error{Code::InvalidArgument, std::move(message)}; }

Result<> check_name(std::string_view name) {
  const bool control = std::any_of(name.begin(), name.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  });
  if (name.empty() || name.size() > kFieldNameBytesMax || control || !is_utf8(name)) {
    return bad(fmt::format("a name is 1 to {} bytes of UTF-8 without control characters",
                           kFieldNameBytesMax));
  }
  return {};
}

Result<> check_bound(std::string_view which, const Decimal& bound, unsigned digits) {
  if (!bound.on_grid(digits)) {
    return bad(fmt::format("{}: {} is no multiple of 10^-{}; the nearest is {}", which,
                           printable(bound.text(), 40), digits,
                           printable(bound.rounded(digits).text(), 40)));
  }
  if (!bound.scaled(digits)) {
    return bad(fmt::format("{}: at most 10^18 steps of 10^-{} from zero", which, digits));
  }
  return {};
}

Result<> check_number(const Number& number) {
  if (number.digits > kDigitsMax) return bad(fmt::format("digits: at most {}", kDigitsMax));
  COFFER_CHECK(check_bound("min", number.min, number.digits));
  COFFER_CHECK(check_bound("max", number.max, number.digits));
  if (number.min > number.max) {
    return bad(fmt::format("min: {} is above max, {}", number.min.text(), number.max.text()));
  }
  return {};
}

Result<> check_value(std::string_view value, Kind kind) {
  if (value.size() > kValueBytesMax) {
    return bad(fmt::format("values: one has more than {} bytes", kValueBytesMax));
  }
  if (!is_utf8(value) || value.find('\0') != std::string_view::npos) {
    return bad("values: one is not UTF-8, or has a NUL");
  }
  // In a CSV file both of these are null, so they could not be told from it.
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  std::string low(value);
  std::transform(low.begin(), low.end(), low.begin(), lower);
  if (kind == Kind::Table && (low.empty() || low == "nan")) {
    return bad("values: '' and 'nan' mean null in a table and cannot be values");
  }
  return {};
}

Result<> check_choice(const Choice& choice, Kind kind) {
  if (choice.values.empty() || choice.values.size() > kValuesMax) {
    return bad(fmt::format("values: 1 to {} of them", kValuesMax));
  }
  std::set<std::string_view> seen;
  for (const auto& value : choice.values) {
    COFFER_CHECK(check_value(value, kind));
    if (!seen.insert(value).second) {
      return bad(fmt::format("values: '{}' stands twice", printable(value, 40)));
    }
  }
  return {};
}

Result<> check_domain(const Domain& domain, Kind kind) {
  if (const auto* number = std::get_if<Number>(&domain)) return check_number(*number);
  return check_choice(std::get<Choice>(domain), kind);
}

std::string shown(std::string_view name) { return printable(name, 60); }

Result<> check_count(std::string_view what, std::size_t count, std::size_t most) {
  if (count >= 1 && count <= most) return {};
  return bad(fmt::format("{}: 1 to {} of them", what, most));
}

template <class Item>
Result<> check_names(std::string_view what, const std::vector<Item>& items) {
  std::set<std::string_view> seen;
  for (const auto& item : items) {
    if (auto good = check_name(item.name); !good) {
      return std::move(good).error().in(fmt::format("{}.{}", what, shown(item.name)));
    }
    if (!seen.insert(item.name).second) {
      return bad(fmt::format("{}.{}: stands twice", what, shown(item.name)));
    }
  }
  return {};
}

Result<> check_body(const Metrics& metrics) {
  COFFER_CHECK(check_count("fields", metrics.fields.size(), kFieldsMax));
  COFFER_CHECK(check_names("fields", metrics.fields));
  for (const auto& field : metrics.fields) {
    if (auto good = check_domain(field.domain, Kind::Metrics); !good) {
      return std::move(good).error().in("fields." + shown(field.name));
    }
  }
  return {};
}

Result<> check_body(const Table& table) {
  COFFER_CHECK(check_count("columns", table.columns.size(), kFieldsMax));
  if (table.rows_max > kRowsMax) return bad(fmt::format("rows_max: at most {}", kRowsMax));
  COFFER_CHECK(check_names("columns", table.columns));
  for (const auto& column : table.columns) {
    if (auto good = check_domain(column.domain, Kind::Table); !good) {
      return std::move(good).error().in("columns." + shown(column.name));
    }
  }
  return {};
}

Result<> check_scale(const Decimal& scale) {
  const bool positive = !scale.is_zero() && !scale.is_negative();
  // 10^-30 to 10^30 with at most as many digits: any float's range, and never a long text.
  static const Decimal kLeast = Decimal::from_scaled(1, 30);
  static const Decimal kMost = *Decimal::parse("1e30");
  if (positive && scale >= kLeast && scale <= kMost && scale.on_grid(60)) return {};
  return bad("scale: a number from 10^-30 to 10^30 with at most 60 digits after the point");
}

Result<> check_tensor(const Tensor& tensor) {
  if (tensor.name == "__metadata__") return bad("a name that safetensors keeps for itself");
  if (tensor.shape.size() > kRankMax) {
    return bad(fmt::format("shape: at most {} dimensions", kRankMax));
  }
  const bool large = std::any_of(tensor.shape.begin(), tensor.shape.end(),
                                 [](std::uint64_t n) { return n > kElementsMax; });
  if (large || element_count(tensor) > kElementsMax) {
    return bad(fmt::format("shape: at most {} elements", kElementsMax));
  }
  if (tensor.scale.has_value() != (tensor.dtype == Dtype::I8)) {
    return bad(tensor.scale ? "scale: belongs to i8 only" : "scale: i8 needs one");
  }
  if (tensor.scale) COFFER_CHECK(check_scale(*tensor.scale));
  if (tensor.dtype != Dtype::I32 && (tensor.min != 0 || tensor.max != 0)) {
    return bad("min and max: belong to i32 only");
  }
  if (tensor.min > tensor.max) {
    return bad(fmt::format("min: {} is above max, {}", tensor.min, tensor.max));
  }
  return {};
}

Result<> check_body(const Tensors& tensors) {
  COFFER_CHECK(check_count("tensors", tensors.tensors.size(), kTensorsMax));
  COFFER_CHECK(check_names("tensors", tensors.tensors));
  for (const auto& tensor : tensors.tensors) {
    if (auto good = check_tensor(tensor); !good) {
      return std::move(good).error().in("tensors." + shown(tensor.name));
    }
  }
  if (tensors.drop.size() > kDropMax)
    return bad(fmt::format("drop: at most {} patterns", kDropMax));
  for (const auto& pattern : tensors.drop) {
    if (auto good = check_name(pattern); !good) return std::move(good).error().in("drop");
    for (const auto& tensor : tensors.tensors) {
      if (drop_matches(pattern, tensor.name)) {
        return bad(fmt::format("drop: '{}' would leave out the declared tensor '{}'",
                               shown(pattern), shown(tensor.name)));
      }
    }
  }
  return {};
}

Result<> check_output(const Output& output) {
  if (!is_name(output.name)) return bad("name: must be [a-z0-9][a-z0-9._-]{0,62}");
  if (output.name == "release") return bad("name: release.json is the release's own file");
  if (output.lane != Lane::Bounded) {
    return bad(fmt::format("lane: {} is not offered, only bounded", text_of_lane(output.lane)));
  }
  COFFER_CHECK(std::visit([](const auto& body) { return check_body(body); }, output.body));
  if (object_bits_max(output) > kObjectBitsMax) {
    return bad(
        fmt::format("{} bits declared, at most {}", object_bits_max(output), kObjectBitsMax));
  }
  return {};
}

bool by_name(const auto& a, const auto& b) { return a.name < b.name; }

}  // namespace

std::string_view text_of_kind(Kind kind) { return kKinds[static_cast<std::size_t>(kind)]; }
std::string_view text_of_lane(Lane lane) { return kLanes[static_cast<std::size_t>(lane)]; }
std::string_view text_of_dtype(Dtype dtype) { return kDtypes[static_cast<std::size_t>(dtype)]; }
std::optional<Kind> kind_of(std::string_view text) { return enum_of<Kind>(kKinds, text); }
std::optional<Lane> lane_of(std::string_view text) { return enum_of<Lane>(kLanes, text); }
std::optional<Dtype> dtype_of(std::string_view text) { return enum_of<Dtype>(kDtypes, text); }
std::string_view extension_of(Kind kind) { return kExtensions[static_cast<std::size_t>(kind)]; }

unsigned bits_for(std::uint64_t count) {
  return count <= 1 ? 0U : static_cast<unsigned>(std::bit_width(count - 1));
}

bool is_optional(const Domain& domain) {
  return std::visit([](const auto& kind) { return kind.optional; }, domain);
}

std::uint64_t value_count(const Domain& domain) {
  const std::uint64_t null = is_optional(domain) ? 1 : 0;
  if (const auto* number = std::get_if<Number>(&domain)) {
    return static_cast<std::uint64_t>(number->max_scaled() - number->min_scaled()) + 1 + null;
  }
  return std::get<Choice>(domain).values.size() + null;
}

unsigned domain_bits(const Domain& domain) { return bits_for(value_count(domain)); }

std::uint64_t element_count(const Tensor& tensor) {
  if (std::find(tensor.shape.begin(), tensor.shape.end(), 0U) != tensor.shape.end()) return 0;
  std::uint64_t count = 1;
  for (const auto size : tensor.shape) {
    if (__builtin_mul_overflow(count, size, &count)) return UINT64_MAX;
  }
  return count;
}

unsigned element_bits(const Tensor& tensor) {
  switch (tensor.dtype) {
    case Dtype::F32:
      return 32;
    case Dtype::Bf16:
    case Dtype::F16:
      return 16;
    case Dtype::I8:
      return 8;
    case Dtype::I32:
      return bits_for(static_cast<std::uint64_t>(std::int64_t{tensor.max} - tensor.min) + 1);
    case Dtype::Bool:
      return 1;
  }
  return 64;
}

std::uint64_t row_bits(const Table& table) {
  std::uint64_t bits = 0;
  for (const auto& column : table.columns) bits += domain_bits(column.domain);
  return bits;
}

unsigned row_count_bits(const Table& table) { return bits_for(table.rows_max + 1); }

std::uint64_t table_bits(const Table& table, std::uint64_t rows) {
  return row_count_bits(table) + rows * row_bits(table);
}

std::uint64_t object_bits_max(const Output& output) {
  if (const auto* table = std::get_if<Table>(&output.body)) {
    return table_bits(*table, table->rows_max);
  }
  std::uint64_t bits = 0;
  if (const auto* metrics = std::get_if<Metrics>(&output.body)) {
    for (const auto& field : metrics->fields) bits += domain_bits(field.domain);
  } else {
    for (const auto& tensor : std::get<Tensors>(output.body).tensors) {
      bits += element_count(tensor) * element_bits(tensor);
    }
  }
  return bits;
}

bool drop_matches(std::string_view pattern, std::string_view name) {
  // The last `*` seen takes one character more whenever what follows it does not fit: linear space,
  // and no exponential search.
  std::size_t p = 0;
  std::size_t n = 0;
  std::size_t star = std::string_view::npos;
  std::size_t resume = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = n;
    } else if (p < pattern.size() && pattern[p] == name[n]) {
      ++p;
      ++n;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++resume;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

Result<std::vector<Output>> check_outputs(std::vector<Output> outputs) {
  if (outputs.size() > kOutputsMax) {
    return bad(fmt::format("outputs: at most {} of them", kOutputsMax));
  }
  std::set<std::string> seen;
  for (auto& output : outputs) {
    if (auto* metrics = std::get_if<Metrics>(&output.body)) {
      std::stable_sort(metrics->fields.begin(), metrics->fields.end(), by_name<Field, Field>);
    } else if (auto* tensors = std::get_if<Tensors>(&output.body)) {
      std::stable_sort(tensors->tensors.begin(), tensors->tensors.end(), by_name<Tensor, Tensor>);
    }
    if (auto good = check_output(output); !good) {
      return std::move(good).error().in("outputs." + shown(output.name));
    }
    if (!seen.insert(output.name).second) {
      return bad(fmt::format("outputs.{}: stands twice", output.name));
    }
  }
  if (declaration_json(outputs).canonical().size() > kDeclarationBytesMax) {
    return bad(fmt::format("outputs: at most {} bytes as JSON", kDeclarationBytesMax));
  }
  return outputs;
}

}  // namespace coffer::program
