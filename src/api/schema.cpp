#include "api/schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"

namespace coffer::api {
namespace {

constexpr std::size_t kPatternTextMax = 4096;  // a longer text fits none of our patterns
constexpr int kChecksDepthMax = 64;

constexpr std::array<std::string_view, 14> kPlainWords{
    "type",      "required", "enum",    "const",   "minItems",    "maxItems", "minLength",
    "maxLength", "minimum",  "maximum", "default", "description", "format",   "contentEncoding"};

Error refuse(const std::string& where, std::string_view why) {
  const std::string what = where.empty() ? "the body" : "field '" + where + "'";
  return Error{Code::InvalidArgument, fmt::format("{} {}", what, why)}.as("bad_request").at(where);
}

std::string below(const std::string& where, std::string_view name) {
  return where.empty() ? std::string(name) : fmt::format("{}.{}", where, name);
}

bool is_type(std::string_view type, const Json& value) {
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  if (type == "string") return value.is_string();
  if (type == "integer") return value.is_integer();
  if (type == "number") return value.is_number();
  if (type == "boolean") return value.is_bool();
  return type == "null" && value.is_null();
}

Result<> check_type(const Json& type, const Json& value, const std::string& where) {
  std::vector<std::string> wanted;
  if (const auto* one = type.as_string()) wanted.push_back(*one);
  if (const auto* some = type.as_array()) {
    for (const auto& item : *some) wanted.push_back(*item.as_string());
  }
  for (const auto& name : wanted) {
    if (is_type(name, value)) return {};
  }
  return refuse(where, "must be " + join(wanted, " or "));
}

std::string shown(const Json& value) {
  const auto* text = value.as_string();
  return text != nullptr ? *text : value.canonical();
}

Result<> check_enum(const Json::Array& words, const Json& value, const std::string& where) {
  if (std::find(words.begin(), words.end(), value) != words.end()) return {};
  std::vector<std::string> known;
  for (const auto& word : words) known.push_back(shown(word));
  return refuse(where, "must be one of " + join(known, " "));
}

std::uint64_t characters(std::string_view text) {
  return static_cast<std::uint64_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

struct Bounds {
  std::string_view least;
  std::string_view most;
  std::string_view unit;
};

Result<> check_count(const Json& schema, std::uint64_t count, const Bounds& bounds,
                     const std::string& where) {
  if (const Json* least = schema.find(bounds.least);
      least && count < least->as_uint().value_or(0)) {
    return refuse(where, fmt::format("must have at least {} {}", least->canonical(), bounds.unit));
  }
  if (const Json* most = schema.find(bounds.most); most && count > most->as_uint().value_or(0)) {
    return std::move(refuse(where,
                            fmt::format("must have at most {} {}", most->canonical(), bounds.unit)))
        .above(most->canonical());
  }
  return {};
}

}  // namespace

const Json& Schemas::resolve(const Json& schema) const {
  const Json* found = &schema;
  for (int steps = 0; steps < kChecksDepthMax; ++steps) {
    const Json* reference = found->find("$ref");
    if (reference == nullptr) return *found;
    const auto parts = split(*reference->as_string(), '/');
    found = &document_;
    for (std::size_t i = 1; i < parts.size(); ++i) found = &(*found)[parts[i]];
  }
  return *found;
}

Result<> Schemas::compile() {
  for (const auto& [name, schema] : *document_["components"]["schemas"].as_object()) {
    if (auto done = compile_schema(schema); !done) return std::move(done).error().in(name);
  }
  return {};
}

Result<> Schemas::compile_word(const std::string& word, const Json& value) {
  if (word == "pattern") {
    try {  // the one place where this library can throw
      patterns_.emplace(
          *value.as_string(),
          std::regex(*value.as_string(), std::regex::ECMAScript | std::regex::optimize));
    } catch (const std::regex_error&) {
      return Error{Code::Internal, "the pattern " + *value.as_string() + " cannot be read"};
    }
    return {};
  }
  if (word == "properties") {
    for (const auto& [name, schema] : *value.as_object()) COFFER_CHECK(compile_schema(schema));
    return {};
  }
  if (word == "items") return compile_schema(value);
  if (word == "additionalProperties") return value.is_bool() ? Result<>{} : compile_schema(value);
  if (word == "anyOf" || word == "oneOf") {
    for (const auto& schema : *value.as_array()) COFFER_CHECK(compile_schema(schema));
    return {};
  }
  const bool known = std::find(kPlainWords.begin(), kPlainWords.end(), word) != kPlainWords.end();
  if (known || word.starts_with("x-")) return {};
  return Error{Code::Internal, "the word '" + word + "' is not one that is checked"};
}

Result<> Schemas::compile_schema(const Json& schema) {
  if (schema.has("$ref")) {
    if (resolve(schema).is_object()) return {};
    return Error{Code::Internal, schema.text_or("$ref", "") + " leads nowhere"};
  }
  if (!schema.is_object()) return Error{Code::Internal, "a schema is no object"};
  for (const auto& [word, value] : *schema.as_object()) COFFER_CHECK(compile_word(word, value));
  return {};
}

Result<> Schemas::check(const Json& given, const Json& value, const std::string& where) const {
  const Json& schema = resolve(given);
  if (const Json* type = schema.find("type")) COFFER_CHECK(check_type(*type, value, where));
  if (const Json* wanted = schema.find("const"); wanted && !(*wanted == value)) {
    return refuse(where, "must be " + shown(*wanted));
  }
  if (const auto* words = schema["enum"].as_array()) COFFER_CHECK(check_enum(*words, value, where));
  for (const char* word : {"anyOf", "oneOf"}) {
    if (const auto* choices = schema[word].as_array())
      COFFER_CHECK(check_choice(*choices, value, where));
  }
  if (const auto* text = value.as_string()) return check_text(schema, *text, where);
  if (const auto* items = value.as_array()) return check_array(schema, *items, where);
  if (const auto* members = value.as_object()) return check_object(schema, *members, where);
  if (value.is_number()) return check_number(schema, value, where);
  return {};
}

// The refusal of the last choice that is not `null`: that is what was meant.
Result<> Schemas::check_choice(const Json::Array& choices, const Json& value,
                               const std::string& where) const {
  Result<> refusal = refuse(where, "is none of what it may be");
  for (const auto& choice : choices) {
    auto fits = check(choice, value, where);
    if (fits) return {};
    if (choice.text_or("type", "") != "null") refusal = std::move(fits);
  }
  return refusal;
}

Result<> Schemas::check_object(const Json& schema, const Json::Object& value,
                               const std::string& where) const {
  if (const auto* required = schema["required"].as_array()) {
    for (const auto& name : *required) {
      const auto has = [&](const Json::Member& member) {
        return member.first == *name.as_string();
      };
      if (std::any_of(value.begin(), value.end(), has)) continue;
      return refuse(below(where, *name.as_string()), "is missing");
    }
  }
  const Json& properties = schema["properties"];
  const Json* others = schema.find("additionalProperties");
  for (const auto& [name, member] : value) {
    const std::string place = below(where, printable(name, 80));
    if (const Json* known = properties.find(name)) {
      COFFER_CHECK(check(*known, member, place));
    } else if (others != nullptr && others->is_object()) {
      COFFER_CHECK(check(*others, member, place));
    } else if (others != nullptr) {
      std::vector<std::string> names;
      if (const auto* known_ones = properties.as_object()) {
        for (const auto& [known_name, unused] : *known_ones) names.push_back(known_name);
      }
      const std::string near = nearest(name, names);
      return Error{Code::InvalidArgument,
                   fmt::format("field '{}' is not known{}", place,
                               near.empty() ? "" : ": did you mean '" + near + "'?")}
          .as("unknown_field")
          .at(place);
    }
  }
  return {};
}

Result<> Schemas::check_array(const Json& schema, const Json::Array& value,
                              const std::string& where) const {
  COFFER_CHECK(check_count(schema, value.size(), {"minItems", "maxItems", "items"}, where));
  const Json* items = schema.find("items");
  if (items == nullptr) return {};
  for (std::size_t i = 0; i < value.size(); ++i) {
    COFFER_CHECK(check(*items, value[i], fmt::format("{}[{}]", where, i)));
  }
  return {};
}

Result<> Schemas::check_text(const Json& schema, const std::string& value,
                             const std::string& where) const {
  COFFER_CHECK(
      check_count(schema, characters(value), {"minLength", "maxLength", "characters"}, where));
  if (const auto* pattern = schema["pattern"].as_string()) {
    const auto found = patterns_.find(*pattern);
    const bool fits = found != patterns_.end() && value.size() <= kPatternTextMax &&
                      std::regex_match(value, found->second);
    if (!fits) return refuse(where, "must have the form " + *pattern);
  }
  if (schema.text_or("contentEncoding", "") == "base64" && !parse_base64(value)) {
    return refuse(where, "must be base64");
  }
  return {};
}

Result<> Schemas::check_number(const Json& schema, const Json& value,
                               const std::string& where) const {
  const auto number = value.as_int();
  if (!number) return {};  // `type` has said what it must be; as_int() is out of range above 2^63
  const Json* least = schema.find("minimum");
  if (least != nullptr && *number < least->as_int().value_or(0)) {
    return refuse(where, "must be at least " + least->canonical());
  }
  const Json* most = schema.find("maximum");
  if (most != nullptr && *number > most->as_int().value_or(0)) {
    return std::move(refuse(where, "must be at most " + most->canonical()))
        .above(most->canonical());
  }
  return {};
}

}  // namespace coffer::api
