#include <fmt/format.h>

#include "base/text.h"
#include "program/declaration.h"

namespace coffer::program {
namespace {

constexpr std::int64_t kExactIntegerMax = (1LL << 53) - 1;  // RFC 8785 numbers are doubles

Json::Object domain_members(const Domain& domain) {
  if (const auto* number = std::get_if<Number>(&domain)) {
    return {{"min", decimal_json(number->min)},
            {"max", decimal_json(number->max)},
            {"digits", number->digits},
            {"optional", number->optional},
            {"clamp", number->clamp}};
  }
  const auto& choice = std::get<Choice>(domain);
  return {{"values", choice.values}, {"optional", choice.optional}};
}

Json tensor_json(const Tensor& tensor) {
  Json::Array shape;
  for (const auto size : tensor.shape) shape.emplace_back(size);
  Json out = Json::object({{"shape", std::move(shape)}, {"dtype", text_of_dtype(tensor.dtype)}});
  if (tensor.scale) out.set("scale", decimal_json(*tensor.scale));
  if (tensor.dtype == Dtype::I32) {
    out.set("min", tensor.min);
    out.set("max", tensor.max);
  }
  return out;
}

void add_body(Json& out, const Metrics& metrics) {
  Json::Object fields;
  for (const auto& field : metrics.fields)
    fields.emplace_back(field.name, domain_members(field.domain));
  out.set("fields", std::move(fields));
}

void add_body(Json& out, const Tensors& tensors) {
  Json::Object members;
  for (const auto& tensor : tensors.tensors) members.emplace_back(tensor.name, tensor_json(tensor));
  out.set("drop", tensors.drop);
  out.set("tensors", std::move(members));
}

void add_body(Json& out, const Table& table) {
  Json::Array columns;
  for (const auto& column : table.columns) {
    Json::Object members = domain_members(column.domain);
    members.emplace_back("name", column.name);
    members.emplace_back("key", column.key);
    columns.emplace_back(std::move(members));
  }
  out.set("rows_max", table.rows_max);
  out.set("columns", std::move(columns));
}

Result<Domain> read_domain(StrictReader& in, const Json& object) {
  if (object.has("values")) {
    Choice choice{.values = in.texts("values"), .optional = in.boolean("optional")};
    return Domain{std::move(choice)};
  }
  Number number;
  auto min = parse_decimal_json(in.any("min"));
  auto max = parse_decimal_json(in.any("max"));
  if (!min) in.refuse("min", min.error().message);
  if (!max) in.refuse("max", max.error().message);
  const auto digits = in.uint("digits");
  if (digits > kDigitsMax) in.refuse("digits", fmt::format("at most {}", kDigitsMax));
  number.digits = static_cast<unsigned>(std::min<std::uint64_t>(digits, kDigitsMax));
  number.optional = in.boolean("optional");
  number.clamp = in.boolean("clamp");
  if (min) number.min = *std::move(min);
  if (max) number.max = *std::move(max);
  return Domain{std::move(number)};
}

Result<Field> read_field(const std::string& name, const Json& object) {
  StrictReader in{object, "fields." + printable(name, 60)};
  COFFER_TRY(Domain domain, read_domain(in, object));
  COFFER_CHECK(in.finish());
  return Field{name, std::move(domain)};
}

Result<Column> read_column(const Json& object) {
  StrictReader in{object, "columns." + printable(object.text_or("name", "?"), 60)};
  Column column{.name = in.text("name"), .domain = {}, .key = in.boolean("key")};
  COFFER_TRY(column.domain, read_domain(in, object));
  COFFER_CHECK(in.finish());
  return column;
}

std::int32_t read_i32(StrictReader& in, std::string_view key) {
  const std::int64_t value = in.integer(key);
  if (value < INT32_MIN || value > INT32_MAX) in.refuse(key, "must lie in 32 bits");
  return static_cast<std::int32_t>(value);
}

Result<Tensor> read_tensor(const std::string& name, const Json& object) {
  StrictReader in{object, "tensors." + printable(name, 60)};
  Tensor tensor{.name = name, .shape = {}};
  const auto* shape = in.any("shape").as_array();
  if (shape == nullptr) in.refuse("shape", "must be an array of counts");
  for (std::size_t i = 0; shape != nullptr && i < shape->size(); ++i) {
    const auto size = (*shape)[i].as_uint();
    if (!size) in.refuse("shape", "must be an array of counts");
    tensor.shape.push_back(size.value_or(0));
  }
  const auto dtype = dtype_of(in.text("dtype"));
  if (!dtype) in.refuse("dtype", "must be f32, bf16, f16, i8, i32 or bool");
  tensor.dtype = dtype.value_or(Dtype::F32);
  if (tensor.dtype == Dtype::I8) {
    auto scale = parse_decimal_json(in.any("scale"));
    if (!scale) in.refuse("scale", scale.error().message);
    if (scale) tensor.scale = *std::move(scale);
  }
  if (tensor.dtype == Dtype::I32) {
    tensor.min = read_i32(in, "min");
    tensor.max = read_i32(in, "max");
  }
  COFFER_CHECK(in.finish());
  return tensor;
}

const Json::Object& object_of(StrictReader& in, std::string_view key) {
  static const Json::Object kNone;
  const auto* members = in.any(key).as_object();
  if (members != nullptr) return *members;
  in.refuse(key, "must be an object");
  return kNone;
}

Result<Metrics> read_metrics(StrictReader& in) {
  Metrics out;
  for (const auto& [name, object] : object_of(in, "fields")) {
    COFFER_TRY(Field field, read_field(name, object));
    out.fields.push_back(std::move(field));
  }
  return out;
}

Result<Tensors> read_tensors(StrictReader& in) {
  Tensors out{.tensors = {}, .drop = in.texts("drop")};
  for (const auto& [name, object] : object_of(in, "tensors")) {
    COFFER_TRY(Tensor tensor, read_tensor(name, object));
    out.tensors.push_back(std::move(tensor));
  }
  return out;
}

Result<Table> read_table(StrictReader& in) {
  Table out{.rows_max = in.uint("rows_max"), .columns = {}};
  const auto* columns = in.any("columns").as_array();
  if (columns == nullptr) in.refuse("columns", "must be an array");
  for (std::size_t i = 0; columns != nullptr && i < columns->size(); ++i) {
    COFFER_TRY(Column column, read_column((*columns)[i]));
    out.columns.push_back(std::move(column));
  }
  return out;
}

Result<Output> read_output(const Json& object) {
  StrictReader in{object};
  Output out{.name = in.text("name"), .body = {}};
  const auto lane = lane_of(in.text("lane"));
  const auto kind = kind_of(in.text("kind"));
  if (!lane) in.refuse("lane", "must be bounded");
  if (!kind) in.refuse("kind", "must be metrics, tensors or table");
  out.lane = lane.value_or(Lane::Bounded);
  if (kind == Kind::Metrics) {
    COFFER_TRY(out.body, read_metrics(in));
  } else if (kind == Kind::Tensors) {
    COFFER_TRY(out.body, read_tensors(in));
  } else if (kind == Kind::Table) {
    COFFER_TRY(out.body, read_table(in));
  }
  COFFER_CHECK(in.finish());
  return out;
}

}  // namespace

Json decimal_json(const Decimal& value) {
  const auto integer = value.integer();
  if (integer && *integer >= -kExactIntegerMax && *integer <= kExactIntegerMax)
    return Json{*integer};
  return Json{value.text()};
}

Result<Decimal> parse_decimal_json(const Json& value) {
  const Error bad{Code::InvalidArgument, "must be an integer, or a decimal as canonical text"};
  const auto* number = value.as_number();
  const auto* text = value.as_string();
  if (number == nullptr && text == nullptr) return bad;
  auto parsed = Decimal::parse(number != nullptr ? number->text : *text);
  // One form per value: what is written back must be what came.
  if (!parsed || decimal_json(*parsed) != value) return bad;
  return *std::move(parsed);
}

Json declaration_json(const std::vector<Output>& outputs) {
  Json::Array items;
  for (const auto& output : outputs) {
    Json item = Json::object({{"name", output.name},
                              {"kind", text_of_kind(output.kind())},
                              {"lane", text_of_lane(output.lane)}});
    std::visit([&item](const auto& body) { add_body(item, body); }, output.body);
    items.push_back(std::move(item));
  }
  return Json{std::move(items)};
}

Result<std::vector<Output>> parse_declaration(const Json& array) {
  const auto* items = array.as_array();
  if (items == nullptr) return Error{Code::InvalidArgument, "outputs: must be an array"};
  if (items->size() > kOutputsMax) {
    return Error{Code::InvalidArgument, fmt::format("outputs: at most {} of them", kOutputsMax)};
  }
  std::vector<Output> outputs;
  for (const auto& item : *items) {
    auto output = read_output(item);
    if (!output) {
      return std::move(output).error().in("outputs." + printable(item.text_or("name", "?"), 60));
    }
    outputs.push_back(*std::move(output));
  }
  return check_outputs(std::move(outputs));
}

}  // namespace coffer::program
