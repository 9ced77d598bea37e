#include "program/manifest.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "base/text.h"
#include "program/detail/fields.h"
#include "program/detail/outputs_toml.h"
#include "program/detail/toml_json.h"
#include "program/tree.h"

namespace coffer::program {
namespace {

using detail::Fields;
using Known = std::vector<std::string>;

constexpr std::string_view kFile = "coffer.toml";

Result<ParamValue> param_of(const Json& value) {
  if (const auto flag = value.as_bool()) return ParamValue{*flag};
  if (const auto* text = value.as_string()) {
    if (text->size() <= kParamBytesMax) return ParamValue{*text};
    return Error{Code::InvalidArgument, fmt::format("at most {} bytes", kParamBytesMax)};
  }
  const auto* number = value.as_number();
  if (number == nullptr) {
    return Error{Code::InvalidArgument, "must be a text, a number, true or false"};
  }
  if (number->text.find_first_of(".eE") != std::string::npos) {
    COFFER_TRY(Decimal decimal, Decimal::parse(number->text));
    if (decimal.text().size() <= 400) return ParamValue{std::move(decimal)};
    return Error{Code::InvalidArgument, "a number of more than 400 characters"};
  }
  const auto integer = value.as_int();
  if (integer && *integer >= -kParamIntegerMax && *integer <= kParamIntegerMax) {
    return ParamValue{*integer};
  }
  return Error{Code::InvalidArgument, "an integer lies within 2^53 - 1 of zero"};
}

// A size or duration in quotes, or `otherwise` when the key is absent.
std::uint64_t quoted(Fields& in, std::string_view key, std::uint64_t otherwise,
                     const std::function<Result<std::uint64_t>(std::string_view)>& parse) {
  const auto text = in.text_if(key);
  if (!text) return otherwise;
  const auto value = parse(*text);
  if (!value) in.refuse(key, value.error().message);
  return value ? *value : otherwise;
}

Result<std::uint64_t> seconds_of(std::string_view text) {
  COFFER_TRY(const auto duration, parse_duration(text));
  return static_cast<std::uint64_t>(duration.count());
}

// Reads the tables of a manifest one after the other; the first problem wins.
class ManifestReader {
 public:
  explicit ManifestReader(const Json& json) : top_(json, "", known()) {}
  Result<Manifest> read() && {
    read_program();
    read_inputs();
    read_params();
    read_resources();
    const auto& outputs = top_.list_if("outputs");
    COFFER_CHECK(top_.finish());
    COFFER_TRY(out_.outputs, detail::outputs_of_toml(outputs));
    return std::move(out_);
  }

 private:
  static Known known() { return {"program", "inputs", "params", "resources", "outputs"}; }
  void read_program();
  void read_inputs();
  void read_params();
  void read_resources();

  Fields top_;
  Manifest out_;
};

void ManifestReader::read_program() {
  static const Known kKnown{"name", "entry", "environment"};
  const Json* table = top_.need("program");
  if (table == nullptr) return;
  Fields in{*table, "program", kKnown};
  out_.name = in.text("name");
  if (!is_name(out_.name)) in.refuse("name", "must be [a-z0-9][a-z0-9._-]{0,62}");
  out_.entry = in.texts("entry");
  if (out_.entry.empty() || out_.entry.size() > kEntryMax) {
    in.refuse("entry", fmt::format("1 to {} words", kEntryMax));
  }
  for (const auto& word : out_.entry) {
    if (word.size() > kEntryWordBytesMax || word.find('\0') != std::string::npos) {
      in.refuse("entry", fmt::format("a word has at most {} bytes and no NUL", kEntryWordBytesMax));
    }
  }
  if (!out_.entry.empty() && out_.entry[0].empty()) in.refuse("entry", "the first word is empty");
  if (auto name = EnvironmentName::parse(in.text("environment"))) {
    out_.environment = *std::move(name);
  } else {
    in.refuse("environment", name.error().message);
  }
  if (auto good = in.finish(); !good) top_.refuse(good.error());
}

void ManifestReader::read_inputs() {
  for (const auto& [alias, value] : top_.table_if("inputs")) {
    const std::string key = "inputs." + printable(alias, 60);
    if (!is_alias(alias)) top_.refuse(key, "an alias is [A-Za-z0-9_][A-Za-z0-9._-]{0,62}");
    const auto* text = value.as_string();
    if (text == nullptr) {
      top_.refuse(key, "must be a dataset in quotes, \"org/name\" or \"org/name@v3\"");
      continue;
    }
    auto dataset = DatasetName::parse(*text);
    if (!dataset) {
      top_.refuse(key, dataset.error().message);
      continue;
    }
    out_.inputs.push_back({.alias = alias, .dataset = *std::move(dataset)});
  }
  if (out_.inputs.size() > kInputsMax) top_.refuse("inputs", fmt::format("at most {}", kInputsMax));
}

void ManifestReader::read_params() {
  for (const auto& [name, value] : top_.table_if("params")) {
    const std::string key = "params." + printable(name, 60);
    if (!is_alias(name)) top_.refuse(key, "a name is [A-Za-z0-9_][A-Za-z0-9._-]{0,62}");
    auto param = param_of(value);
    if (!param) {
      top_.refuse(key, param.error().message);
      continue;
    }
    out_.params.push_back({.name = name, .value = *std::move(param)});
  }
  if (out_.params.size() > kParamsMax) top_.refuse("params", fmt::format("at most {}", kParamsMax));
}

void ManifestReader::read_resources() {
  static const Known kKnown{"cpus", "memory", "time", "output", "gpus", "retry"};
  const Json* table = top_.find("resources");
  if (table == nullptr) return;
  Fields in{*table, "resources", kKnown};
  Resources& r = out_.resources;
  r.cpus = static_cast<std::uint32_t>(in.count_or("cpus", r.cpus, {1, kCpusMax}));
  r.memory_bytes = quoted(in, "memory", r.memory_bytes, parse_size);
  r.time_s = quoted(in, "time", r.time_s, seconds_of);
  r.output_bytes = quoted(in, "output", r.output_bytes, parse_size);
  r.gpus = static_cast<std::uint32_t>(in.count_or("gpus", r.gpus, {0, kGpusMax}));
  out_.retry = static_cast<unsigned>(in.count_or("retry", 0, {0, 1}));
  if (auto good = check_resources(r); !good) {
    in.refuse(std::move(good).error().in("resources"));
  }
  if (auto good = in.finish(); !good) top_.refuse(good.error());
}

Result<> within(std::string_view what, std::uint64_t value, detail::Range range) {
  if (value >= range.min && value <= range.max) return {};
  return Error{Code::InvalidArgument,
               fmt::format("{}: {} is not from {} to {}", what, value, range.min, range.max)};
}

}  // namespace

Result<> check_resources(const Resources& r) {
  COFFER_CHECK(within("cpus", r.cpus, {1, kCpusMax}));
  COFFER_CHECK(within("memory in bytes", r.memory_bytes, {kMemoryMin, kMemoryMax}));
  COFFER_CHECK(within("time in seconds", r.time_s, {1, kTimeMax}));
  COFFER_CHECK(within("output in bytes", r.output_bytes, {kOutputBytesMin, kOutputBytesMax}));
  return within("gpus", r.gpus, {0, kGpusMax});
}

Result<Manifest> parse_manifest(std::string_view toml) {
  if (toml.size() > kManifestBytesMax) {
    return Error{Code::InvalidArgument,
                 fmt::format("{}: more than {} bytes", kFile, kManifestBytesMax)};
  }
  auto json = detail::toml_to_json(toml);
  if (!json) return std::move(json).error().in(std::string(kFile));
  auto manifest = ManifestReader{*json}.read();
  if (!manifest) return std::move(manifest).error().in(std::string(kFile));
  return manifest;
}

Result<Manifest> read_manifest(const std::filesystem::path& directory) {
  COFFER_TRY(const std::string text, read_tree_file(directory, kFile, kManifestBytesMax));
  return parse_manifest(text);
}

}  // namespace coffer::program
