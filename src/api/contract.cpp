#include "api/contract.h"

#include <algorithm>
#include <set>

#include "api/schema.h"
#include "base/text.h"

namespace coffer::api {
namespace {

Error broken(std::string why) { return Error{Code::Internal, "openapi.json: " + std::move(why)}; }

// The schema of a media type, where the content is JSON.
const Json* json_schema(const Json& holder) {
  for (const auto& [type, media] : *holder["content"].as_object()) {
    if (type == "application/json") return media.find("schema");
  }
  return nullptr;
}

Result<Place> place_of(std::string_view word) {
  if (word == "path") return Place::Path;
  if (word == "query") return Place::Query;
  if (word == "header") return Place::Header;
  return broken("a parameter in " + std::string(word));
}

std::string upper(std::string_view text) {
  std::string out{text};
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  return out;
}

Result<> read_parameters(Schemas& schemas, const Json& given, Operation& operation) {
  const auto* items = given["parameters"].as_array();
  if (items == nullptr) return {};
  for (const auto& item : *items) {
    const Json& parameter = schemas.resolve(item);
    COFFER_TRY(const Place place, place_of(parameter.text_or("in", "")));
    const Json* schema = parameter.find("schema");
    if (schema == nullptr) return broken("a parameter of " + operation.id + " has no schema");
    COFFER_CHECK(schemas.compile_schema(*schema));
    operation.parameters.push_back({.name = parameter.text_or("name", ""),
                                    .place = place,
                                    .required = parameter.bool_or("required", false),
                                    .schema = schema});
  }
  return {};
}

Result<> read_answer(const Json& given, Operation& operation) {
  const auto* responses = given["responses"].as_object();
  if (responses == nullptr || responses->empty()) return broken(operation.id + " has no responses");
  const auto status = Json::parse(responses->front().first);
  if (!status || !status->is_integer())
    return broken(operation.id + " does not begin with success");
  operation.status = static_cast<int>(*status->as_int());
  const Json& answer = responses->front().second;
  if (answer["content"].is_object()) operation.answer = json_schema(answer);
  return {};
}

Result<Operation> read_operation(Schemas& schemas, const std::string& path,
                                 const std::string& method, const Json& given) {
  Operation out{.id = given.text_or("operationId", ""), .method = upper(method), .path = path};
  if (out.id.empty()) return broken(path + " has an operation without an id");
  const auto* security = given["security"].as_array();
  out.open = security != nullptr && security->empty();
  if (const auto* roles = given["x-roles"].as_array()) {
    for (const auto& role : *roles) out.roles.push_back(*role.as_string());
  }
  COFFER_CHECK(read_parameters(schemas, given, out));
  COFFER_CHECK(read_answer(given, out));
  if (given.has("requestBody")) out.body = json_schema(given["requestBody"]);
  return out;
}

}  // namespace

struct Contract::Impl {
  explicit Impl(Json given) : document(std::move(given)), schemas(document) {}
  const Json document;
  Schemas schemas;
  std::vector<Operation> operations;
};

Contract::Contract(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Contract::Contract(Contract&&) noexcept = default;
Contract& Contract::operator=(Contract&&) noexcept = default;
Contract::~Contract() = default;

Result<Contract> Contract::parse(std::string_view openapi) {
  COFFER_TRY(Json document, Json::parse(openapi));
  auto impl = std::make_unique<Impl>(std::move(document));
  const auto* paths = impl->document["paths"].as_object();
  if (paths == nullptr || !impl->document["components"]["schemas"].is_object()) {
    return broken("it has no paths or no schemas");
  }
  COFFER_CHECK(impl->schemas.compile());
  std::set<std::string> ids;
  for (const auto& [path, methods] : *paths) {
    for (const auto& [method, given] : *methods.as_object()) {
      COFFER_TRY(Operation operation, read_operation(impl->schemas, path, method, given));
      if (!ids.insert(operation.id).second) return broken("two operations " + operation.id);
      impl->operations.push_back(std::move(operation));
    }
  }
  return Contract{std::move(impl)};
}

const std::vector<Operation>& Contract::operations() const { return impl_->operations; }

const Operation* Contract::find(std::string_view id) const {
  for (const auto& operation : impl_->operations) {
    if (operation.id == id) return &operation;
  }
  return nullptr;
}

std::vector<std::string> Contract::error_codes() const {
  std::vector<std::string> out;
  const auto* words = impl_->document["components"]["schemas"]["ErrorCode"]["enum"].as_array();
  if (words == nullptr) return out;
  for (const auto& word : *words) out.push_back(*word.as_string());
  return out;
}

Result<> Contract::check(const Json& schema, const Json& value) const {
  return impl_->schemas.check(schema, value, "");
}

Result<> Contract::check_body(const Operation& operation, const Json& body) const {
  if (operation.body == nullptr) return {};
  return check(*operation.body, body);
}

Result<> Contract::check_parameter(const Parameter& parameter, std::string_view text) const {
  Json value{text};
  if (impl_->schemas.resolve(*parameter.schema).text_or("type", "") == "integer") {
    const bool digits = !text.empty() && text.size() <= 18 &&
                        text.find_first_not_of("0123456789") == std::string_view::npos;
    // Not a number: the text itself is refused, as one of the wrong type.
    if (digits && (text == "0" || text[0] != '0')) value = Json{Json::Number{std::string(text)}};
  }
  return impl_->schemas.check(*parameter.schema, value, parameter.name);
}

Result<> Contract::check_answer(const Operation& operation, const Json& answer) const {
  if (operation.answer == nullptr) return {};
  return check(*operation.answer, answer);
}

}  // namespace coffer::api
