#include "program/detail/outputs_toml.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

#include "base/text.h"
#include "program/detail/fields.h"

namespace coffer::program::detail {
namespace {

using Known = std::vector<std::string>;

Domain read_domain(Fields& in) {
  if (in.find("values") != nullptr) {
    for (const auto* key : {"min", "max", "digits", "clamp"}) {
      if (in.find(key) != nullptr) in.refuse(key, "does not go with values");
    }
    return Choice{.values = in.texts("values"), .optional = in.flag_if("optional")};
  }
  if (in.find("min") == nullptr) in.refuse("min", "is missing; or values, for a text");
  return Number{.min = in.decimal("min"),
                .max = in.decimal("max"),
                .digits = static_cast<unsigned>(in.count("digits", {0, kDigitsMax})),
                .optional = in.flag_if("optional"),
                .clamp = in.flag_if("clamp")};
}

Result<Field> read_field(const std::string& name, const Json& table, const std::string& where) {
  static const Known kKnown{"min", "max", "digits", "optional", "clamp", "values"};
  Fields in{table, where, kKnown};
  Field field{.name = name, .domain = read_domain(in)};
  COFFER_CHECK(in.finish());
  return field;
}

Result<Column> read_column(const Json& table, const std::string& where) {
  static const Known kKnown{"name", "min", "max", "digits", "optional", "clamp", "values", "key"};
  Fields in{table, where + "." + printable(table.text_or("name", "?"), 60), kKnown};
  Column column{.name = in.text("name"), .domain = read_domain(in), .key = in.flag_if("key")};
  COFFER_CHECK(in.finish());
  return column;
}

// `a.b = {…}` without quotes is a table `a` that holds `b`: what people write by mistake for a
// tensor's name.
bool is_dotted_name(const Json& table, const Known& known) {
  const auto* members = table.as_object();
  return members != nullptr && !members->empty() && members->front().second.is_object() &&
         std::find(known.begin(), known.end(), members->front().first) == known.end();
}

std::int32_t read_i32(Fields& in, std::string_view key) {
  const std::int64_t value = in.integer(key);
  if (value >= INT32_MIN && value <= INT32_MAX) return static_cast<std::int32_t>(value);
  in.refuse(key, "must lie in 32 bits");
  return 0;
}

Result<Tensor> read_tensor(const std::string& name, const Json& table, const std::string& where) {
  static const Known kKnown{"shape", "dtype", "scale", "min", "max"};
  if (is_dotted_name(table, kKnown)) {
    return Error{Code::InvalidArgument,
                 where + ": a name with a dot must be quoted, \"a.b\" = { ... }"};
  }
  Fields in{table, where, kKnown};
  Tensor tensor{.name = name, .shape = {}};
  (void)in.need("shape");
  for (const auto& item : in.list_if("shape")) {
    const auto size = item.as_uint();
    if (!size) in.refuse("shape", "must be a list of whole numbers");
    tensor.shape.push_back(size.value_or(0));
  }
  const auto dtype = dtype_of(in.text("dtype"));
  if (!dtype) in.refuse("dtype", "must be f32, bf16, f16, i8, i32 or bool");
  tensor.dtype = dtype.value_or(Dtype::F32);
  const bool has_range = in.find("min") != nullptr || in.find("max") != nullptr;
  if (tensor.dtype == Dtype::I32) {
    tensor.min = read_i32(in, "min");
    tensor.max = read_i32(in, "max");
  } else if (has_range) {
    in.refuse(in.find("min") != nullptr ? "min" : "max", "belongs to i32 only");
  }
  if (tensor.dtype == Dtype::I8 && in.find("scale") == nullptr) in.refuse("scale", "i8 needs one");
  if (in.find("scale") != nullptr) tensor.scale = in.decimal("scale");
  COFFER_CHECK(in.finish());
  return tensor;
}

Result<Metrics> read_metrics(Fields& in) {
  Metrics out;
  (void)in.need("fields");
  for (const auto& [name, table] : in.table_if("fields")) {
    COFFER_TRY(Field field, read_field(name, table, in.path("fields." + printable(name, 60))));
    out.fields.push_back(std::move(field));
  }
  return out;
}

Result<Tensors> read_tensors(Fields& in) {
  Tensors out;
  (void)in.need("tensors");
  if (in.find("drop") != nullptr) out.drop = in.texts("drop");
  for (const auto& [name, table] : in.table_if("tensors")) {
    COFFER_TRY(Tensor tensor, read_tensor(name, table, in.path("tensors." + printable(name, 60))));
    out.tensors.push_back(std::move(tensor));
  }
  return out;
}

Result<Table> read_table(Fields& in) {
  Table out{.rows_max = in.count("rows_max", {0, kRowsMax}), .columns = {}};
  (void)in.need("columns");
  for (const auto& item : in.list_if("columns")) {
    COFFER_TRY(Column column, read_column(item, in.path("columns")));
    out.columns.push_back(std::move(column));
  }
  return out;
}

Known known_keys(std::optional<Kind> kind) {
  Known known{"name", "kind", "lane"};
  const auto add = [&known](std::initializer_list<const char*> keys) {
    known.insert(known.end(), keys.begin(), keys.end());
  };
  if (!kind || *kind == Kind::Metrics) add({"fields"});
  if (!kind || *kind == Kind::Tensors) add({"drop", "tensors"});
  if (!kind || *kind == Kind::Table) add({"rows_max", "columns"});
  return known;
}

Result<Output> read_output(const Json& table, const std::string& where) {
  const auto kind = kind_of(table.text_or("kind", ""));
  Fields in{table, where, known_keys(kind)};
  Output out{.name = in.text("name"), .body = {}};
  (void)in.text("kind");
  const auto lane = lane_of(in.text("lane"));
  if (!kind) in.refuse("kind", "must be metrics, tensors or table");
  if (!lane) in.refuse("lane", "must be bounded");
  COFFER_CHECK(in.finish());
  out.lane = lane.value_or(Lane::Bounded);
  if (kind == Kind::Metrics) {
    COFFER_TRY(out.body, read_metrics(in));
  } else if (kind == Kind::Tensors) {
    COFFER_TRY(out.body, read_tensors(in));
  } else {
    COFFER_TRY(out.body, read_table(in));
  }
  COFFER_CHECK(in.finish());
  return out;
}

}  // namespace

Result<std::vector<Output>> outputs_of_toml(const Json::Array& items) {
  std::vector<Output> outputs;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const std::string name = printable(items[i].text_or("name", std::to_string(i + 1)), 60);
    COFFER_TRY(Output output, read_output(items[i], "outputs." + name));
    outputs.push_back(std::move(output));
  }
  return check_outputs(std::move(outputs));
}

}  // namespace coffer::program::detail
