// Manifest: a program's coffer.toml, checked.
//
// Invariants: every name is well formed; resources and counts are within the limits below; outputs
// are those of check_outputs(). Unknown keys are errors, with the nearest known one.
// Errors: InvalidArgument, "coffer.toml: FIELD: what is wrong and the limit"; NotFound (no
// coffer.toml in the directory).
// Thread-safety: plain values, pure functions but read_manifest(), which reads one file.
// Source: outside.md section 2.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "program/declaration.h"
#include "program/names.h"

namespace coffer::program {

inline constexpr std::size_t kManifestBytesMax = 1U << 20;
inline constexpr std::size_t kEntryMax = 64;  // words of `entry`
inline constexpr std::size_t kEntryWordBytesMax = 4096;
inline constexpr std::size_t kInputsMax = 32;
inline constexpr std::size_t kParamsMax = 64;
inline constexpr std::size_t kParamBytesMax = 4096;                // of one text
inline constexpr std::int64_t kParamIntegerMax = (1LL << 53) - 1;  // either sign
inline constexpr std::uint32_t kCpusMax = 1024;
inline constexpr std::uint32_t kGpusMax = 64;
inline constexpr std::uint64_t kMemoryMin = 16ULL << 20, kMemoryMax = 64ULL << 40;
inline constexpr std::uint64_t kTimeMax = 30ULL * 86'400;  // seconds
inline constexpr std::uint64_t kOutputBytesMin = 64ULL << 10, kOutputBytesMax = 1ULL << 40;

struct Input {
  std::string alias;  // appears at /data/ALIAS
  DatasetName dataset{};
  friend bool operator==(const Input&, const Input&) = default;
};

// A parameter's type is that of its default.
using ParamValue = std::variant<bool, std::int64_t, Decimal, std::string>;
struct Param {
  std::string name;
  ParamValue value{};
  friend bool operator==(const Param&, const Param&) = default;
};

struct Resources {
  std::uint32_t cpus{1};
  std::uint64_t memory_bytes{1ULL << 30};
  std::uint64_t time_s{600};  // wall clock
  std::uint64_t output_bytes{64ULL << 20};
  std::uint32_t gpus{0};
  friend bool operator==(const Resources&, const Resources&) = default;
};

struct Manifest {
  std::string name;
  std::vector<std::string> entry{};
  EnvironmentName environment{};
  std::vector<Input> inputs{};  // byte order of aliases
  std::vector<Param> params{};  // byte order of names
  Resources resources{};
  unsigned retry{0};  // 0 or 1
  std::vector<Output> outputs{};
  friend bool operator==(const Manifest&, const Manifest&) = default;
};

// ---- Reading ---------------------------------------------------------------------------------

Result<Manifest> parse_manifest(std::string_view toml);
// DIR/coffer.toml, a regular file and no link.
Result<Manifest> read_manifest(const std::filesystem::path& directory);

// The manifest with one parameter set, "K=V"; V is read by the type of the default.
// Errors: InvalidArgument (no such parameter, with the nearest; not of its type).
Result<Manifest> with_param(Manifest manifest, std::string_view assignment);

// Checks resources given from elsewhere (flags, a signed request) against the limits.
Result<> check_resources(const Resources& resources);

// ---- Signed and other forms
// ----------------------------------------------------------------------

// {"cpus","memory_bytes","time_s","output_bytes","gpus"} of a signed run, and back (strict).
Json resources_json(const Resources& resources);
Result<Resources> parse_resources(const Json& object);

// The `parameters` of a signed run: integers and booleans as they are, decimals as canonical text.
Json signed_params(const std::vector<Param>& params);
// The values of a signed run in place of the defaults: every parameter present, none unknown, each
// of its default's type.
Result<std::vector<Param>> params_from_signed(const std::vector<Param>& defaults,
                                              const Json& parameters);
// /params.json: the values with their types; a decimal always has a point (5 is written 5.0).
std::string params_file(const std::vector<Param>& params);

// What of a signed run the program's own coffer.toml fixes.
struct RunTerms {
  std::vector<std::string> aliases{};  // of the inputs, any order
  Json parameters{};
  Resources resources{};
  unsigned retry{0};
  std::vector<Output> outputs{};
};
// Whether the signed terms are those of the manifest. cpus, memory and time may be set for a run
// and parameters may have other values; everything else must be equal.
// Errors: FailedPrecondition, naming the first field that differs.
Result<> agree(const Manifest& manifest, const RunTerms& terms);

// ---- Writing ---------------------------------------------------------------------------------

// `[[outputs]]` tables in TOML; parse_manifest() of a manifest that ends in them yields `outputs`.
std::string outputs_toml(const std::vector<Output>& outputs);
// The text of a coffer.toml with its outputs replaced and all else, comments included, as it was.
// Errors: FailedPrecondition, when the result does not read back as intended.
Result<std::string> replace_outputs(std::string_view toml, const std::vector<Output>& outputs);

}  // namespace coffer::program
