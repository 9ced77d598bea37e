#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "program/manifest.h"

namespace coffer::program {
namespace {

Error bad(std::string message) { return Error{Code::InvalidArgument, std::move(message)}; }

Result<std::int64_t> integer_of(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc{} && end == text.data() + text.size() && value >= -kParamIntegerMax &&
      value <= kParamIntegerMax) {
    return value;
  }
  return bad("must be a whole number within 2^53 - 1 of zero");
}

Result<Decimal> decimal_of(std::string_view text) {
  auto value = Decimal::parse(text);
  if (value && value->text().size() <= 400) return value;
  return bad("must be a number of at most 400 characters");
}

// A value of the type of `like`, from what a user typed.
Result<ParamValue> typed(const ParamValue& like, std::string_view text) {
  if (std::holds_alternative<bool>(like)) {
    if (text == "true" || text == "false") return ParamValue{text == "true"};
    return bad("must be true or false");
  }
  if (std::holds_alternative<std::int64_t>(like)) {
    COFFER_TRY(const std::int64_t value, integer_of(text));
    return ParamValue{value};
  }
  if (std::holds_alternative<Decimal>(like)) {
    COFFER_TRY(Decimal value, decimal_of(text));
    return ParamValue{std::move(value)};
  }
  if (text.size() > kParamBytesMax || !is_utf8(text)) {
    return bad(fmt::format("must be UTF-8 of at most {} bytes", kParamBytesMax));
  }
  return ParamValue{std::string(text)};
}

Json signed_value(const ParamValue& value) {
  if (const auto* flag = std::get_if<bool>(&value)) return Json{*flag};
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return Json{*integer};
  if (const auto* decimal = std::get_if<Decimal>(&value)) return Json{decimal->text()};
  return Json{std::get<std::string>(value)};
}

// A value of the type of `like`, from its signed form; and only from that form.
Result<ParamValue> from_signed(const ParamValue& like, const Json& value) {
  const auto* text = value.as_string();
  const auto* number = value.as_number();
  const auto flag = value.as_bool();
  const bool number_wanted = std::holds_alternative<std::int64_t>(like);
  const bool flag_wanted = std::holds_alternative<bool>(like);
  if (flag_wanted != flag.has_value() || number_wanted != (number != nullptr) ||
      (!flag_wanted && !number_wanted && text == nullptr)) {
    return bad("is not of the type of its default");
  }
  if (flag_wanted) return ParamValue{*flag};
  COFFER_TRY(ParamValue out, typed(like, number_wanted ? number->text : *text));
  if (signed_value(out) != value) return bad("is not in its canonical form");
  return out;
}

Error differs(std::string what) {
  return Error{Code::FailedPrecondition,
               "coffer.toml and the signed request differ in " + std::move(what)};
}

}  // namespace

Result<Manifest> with_param(Manifest manifest, std::string_view assignment) {
  const auto equals = assignment.find('=');
  if (equals == std::string_view::npos) {
    return bad(fmt::format("--param {}: write NAME=VALUE", printable(assignment, 60)));
  }
  const auto name = assignment.substr(0, equals);
  const auto found = std::find_if(manifest.params.begin(), manifest.params.end(),
                                  [&](const Param& param) { return param.name == name; });
  if (found == manifest.params.end()) {
    std::vector<std::string> names;
    for (const auto& param : manifest.params) names.push_back(param.name);
    const std::string near = nearest(name, names);
    return bad(fmt::format("params.{}: no such parameter in coffer.toml{}", printable(name, 60),
                           near.empty() ? "" : "; did you mean " + near + "?"));
  }
  auto value = typed(found->value, assignment.substr(equals + 1));
  if (!value) return std::move(value).error().in("params." + found->name);
  found->value = *std::move(value);
  return manifest;
}

Json resources_json(const Resources& r) {
  return Json::object({{"cpus", r.cpus},
                       {"memory_bytes", r.memory_bytes},
                       {"time_s", r.time_s},
                       {"output_bytes", r.output_bytes},
                       {"gpus", r.gpus}});
}

Result<Resources> parse_resources(const Json& object) {
  StrictReader in{object, "resources"};
  const auto small = [&in](std::string_view key) {
    const auto value = in.uint(key);
    if (value > UINT32_MAX) in.refuse(key, "is too large");
    return static_cast<std::uint32_t>(value);
  };
  const Resources out{.cpus = small("cpus"),
                      .memory_bytes = in.uint("memory_bytes"),
                      .time_s = in.uint("time_s"),
                      .output_bytes = in.uint("output_bytes"),
                      .gpus = small("gpus")};
  COFFER_CHECK(in.finish());
  COFFER_CHECK(check_resources(out));
  return out;
}

Json signed_params(const std::vector<Param>& params) {
  Json::Object out;
  for (const auto& param : params) out.emplace_back(param.name, signed_value(param.value));
  return Json{std::move(out)};
}

Result<std::vector<Param>> params_from_signed(const std::vector<Param>& defaults,
                                              const Json& parameters) {
  const auto* members = parameters.as_object();
  if (members == nullptr) return bad("parameters: must be an object");
  for (const auto& member : *members) {
    const std::string& name = member.first;
    const bool known = std::any_of(defaults.begin(), defaults.end(),
                                   [&name](const Param& param) { return param.name == name; });
    if (!known) return bad(fmt::format("parameters.{}: not in coffer.toml", printable(name, 60)));
  }
  std::vector<Param> out;
  for (const auto& param : defaults) {
    const Json* value = parameters.find(param.name);
    if (value == nullptr) return bad(fmt::format("parameters.{}: is missing", param.name));
    auto typed_value = from_signed(param.value, *value);
    if (!typed_value) return std::move(typed_value).error().in("parameters." + param.name);
    out.push_back({.name = param.name, .value = *std::move(typed_value)});
  }
  return out;
}

std::string params_file(const std::vector<Param>& params) {
  Json::Object out;
  for (const auto& param : params) {
    const auto* decimal = std::get_if<Decimal>(&param.value);
    if (decimal == nullptr) {
      out.emplace_back(param.name, signed_value(param.value));
      continue;
    }
    // With a point even where it is integral: a program reads the type from the form.
    std::string text = decimal->text();
    if (decimal->is_integer()) text += ".0";
    out.emplace_back(param.name, Json::Number{std::move(text)});
  }
  return Json{std::move(out)}.canonical() + "\n";
}

Result<> agree(const Manifest& manifest, const RunTerms& terms) {
  std::vector<std::string> aliases = terms.aliases;
  std::sort(aliases.begin(), aliases.end());
  std::vector<std::string> own;
  for (const auto& input : manifest.inputs) own.push_back(input.alias);
  if (aliases != own) return differs("inputs");
  if (!params_from_signed(manifest.params, terms.parameters)) return differs("params");
  if (terms.resources.output_bytes != manifest.resources.output_bytes) {
    return differs("resources.output");
  }
  if (terms.resources.gpus != manifest.resources.gpus) return differs("resources.gpus");
  if (terms.retry != manifest.retry) return differs("resources.retry");
  if (terms.outputs.size() != manifest.outputs.size()) return differs("the number of outputs");
  for (std::size_t i = 0; i < terms.outputs.size(); ++i) {
    if (terms.outputs[i] != manifest.outputs[i])
      return differs("outputs." + manifest.outputs[i].name);
  }
  return {};
}

}  // namespace coffer::program
