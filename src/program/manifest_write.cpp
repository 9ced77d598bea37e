#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "program/detail/toml_json.h"
#include "program/manifest.h"

namespace coffer::program {
namespace {

std::string toml_text(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\u{:04x}", byte);
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string key(std::string_view name) {
  const bool bare = std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  });
  return bare ? std::string(name) : toml_text(name);
}

std::string list(const std::vector<std::string>& texts) {
  std::vector<std::string> items;
  for (const auto& text : texts) items.push_back(toml_text(text));
  return "[" + join(items, ", ") + "]";
}

std::string domain_toml(const Domain& domain) {
  std::string out;
  if (const auto* number = std::get_if<Number>(&domain)) {
    out = fmt::format("min = {}, max = {}, digits = {}", number->min.text(), number->max.text(),
                      number->digits);
    if (number->clamp) out += ", clamp = true";
  } else {
    out = "values = " + list(std::get<Choice>(domain).values);
  }
  return is_optional(domain) ? out + ", optional = true" : out;
}

std::string tensor_toml(const Tensor& tensor) {
  std::string out = fmt::format("shape = [{}], dtype = \"{}\"", fmt::join(tensor.shape, ", "),
                                text_of_dtype(tensor.dtype));
  if (tensor.scale) out += ", scale = " + tensor.scale->text();
  if (tensor.dtype == Dtype::I32)
    out += fmt::format(", min = {}, max = {}", tensor.min, tensor.max);
  return out;
}

std::string body_toml(const Metrics& metrics) {
  std::string out = "[outputs.fields]\n";
  for (const auto& field : metrics.fields) {
    out += fmt::format("{} = {{ {} }}\n", key(field.name), domain_toml(field.domain));
  }
  return out;
}

std::string body_toml(const Tensors& tensors) {
  std::string out;
  if (!tensors.drop.empty()) out += "drop = " + list(tensors.drop) + "\n";
  out += "[outputs.tensors]\n";
  for (const auto& tensor : tensors.tensors) {
    out += fmt::format("{} = {{ {} }}\n", key(tensor.name), tensor_toml(tensor));
  }
  return out;
}

std::string body_toml(const Table& table) {
  std::string out = fmt::format("rows_max = {}\ncolumns = [\n", table.rows_max);
  for (const auto& column : table.columns) {
    out += fmt::format("  {{ name = {}, {}{} }},\n", toml_text(column.name),
                       domain_toml(column.domain), column.key ? ", key = true" : "");
  }
  return out + "]\n";
}

enum class Header : std::uint8_t { None, Outputs, Other };

Header header_of(std::string_view line) {
  line = trim(line);
  if (!line.starts_with('[')) return Header::None;
  line.remove_prefix(line.starts_with("[[") ? 2 : 1);
  line = trim(line);
  if (!line.starts_with("outputs")) return Header::Other;
  const std::string_view rest = trim(line.substr(std::string_view{"outputs"}.size()));
  return rest.starts_with(']') || rest.starts_with('.') ? Header::Outputs : Header::Other;
}

bool is_blank_or_comment(std::string_view line) {
  const auto text = trim(line);
  return text.empty() || text.starts_with('#');
}

// A manifest's text without its outputs, cut where they stood.
struct Rest {
  std::vector<std::string> before;
  std::vector<std::string> after;
};

Rest without_outputs(std::string_view toml) {
  Rest rest;
  auto lines = split(toml, '\n');
  if (lines.back().empty()) lines.pop_back();
  bool inside = false;
  bool seen = false;
  std::vector<std::string> loose;  // blank lines and comments: of the next header, when one comes
  for (auto& line : lines) {
    const Header header = header_of(line);
    if (header == Header::Outputs) inside = seen = true;
    if (header == Header::Other) inside = false;
    auto& target = seen ? rest.after : rest.before;
    if (inside) {
      if (!is_blank_or_comment(line)) {
        loose.clear();
      } else {
        loose.push_back(std::move(line));
      }
      continue;
    }
    for (auto& kept : loose) target.push_back(std::move(kept));
    loose.clear();
    target.push_back(std::move(line));
  }
  while (!rest.before.empty() && trim(rest.before.back()).empty()) rest.before.pop_back();
  return rest;
}

// The manifest as data, without its outputs.
Result<Json> data_without_outputs(std::string_view toml) {
  COFFER_TRY(Json json, detail::toml_to_json(toml));
  if (auto* members = json.as_object()) {
    std::erase_if(*members, [](const Json::Member& member) { return member.first == "outputs"; });
  }
  return json;
}

}  // namespace

std::string outputs_toml(const std::vector<Output>& outputs) {
  std::string out;
  for (const auto& output : outputs) {
    if (!out.empty()) out += "\n";
    out += fmt::format("[[outputs]]\nname = \"{}\"\nkind = \"{}\"\nlane = \"{}\"\n", output.name,
                       text_of_kind(output.kind()), text_of_lane(output.lane));
    out += std::visit([](const auto& body) { return body_toml(body); }, output.body);
  }
  return out;
}

Result<std::string> replace_outputs(std::string_view toml, const std::vector<Output>& outputs) {
  const Rest rest = without_outputs(toml);
  std::string out;
  for (const auto& line : rest.before) out += line + "\n";
  if (!out.empty() && !outputs.empty()) out += "\n";
  out += outputs_toml(outputs);
  if (!rest.after.empty() && !out.empty()) out += "\n";
  for (const auto& line : rest.after) out += line + "\n";

  // Lines were cut without reading TOML, so what came out is read back.
  const Error failed{Code::FailedPrecondition,
                     "coffer.toml: its outputs cannot be replaced by lines; write them as "
                     "[[outputs]] tables"};
  const auto wanted = data_without_outputs(toml);
  const auto have = data_without_outputs(out);
  if (!wanted || !have || *wanted != *have) return failed;
  COFFER_TRY(const Manifest manifest, parse_manifest(out));
  if (manifest.outputs != outputs) return failed;
  return out;
}

}  // namespace coffer::program
