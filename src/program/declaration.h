// What a program declares that it will leave in /out, and the most bits that each of it can carry.
//
// Invariants of what parse_declaration() or check_outputs() accepted: names are well formed and
// unique; fields and tensors are in byte order of names, columns as declared; min <= max, both
// multiples of 10^-digits within kScaledMax; every count is within the limits below; so no sum of
// bits overflows 64.
// declaration_json() and parse_declaration() are inverse. Numbers have one form: a JSON integer
// where integral and at most 2^53-1 in magnitude, a string of canonical decimal text elsewhere.
// Errors: InvalidArgument, naming output, field and limit.
// Thread-safety: plain values, pure functions.
// Source: protocol.md sections 5 and 7, outside.md section 2.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "program/decimal.h"

namespace coffer::program {

// ---- Limits ----------------------------------------------------------------------------------

inline constexpr std::size_t kOutputsMax = 64;
inline constexpr std::size_t kFieldsMax = 4096;     // fields of one metrics, columns of one table
inline constexpr std::size_t kValuesMax = 65'536;   // values of one field
inline constexpr std::size_t kValueBytesMax = 256;  // bytes of one value
inline constexpr std::size_t kFieldNameBytesMax =
    200;  // bytes of a field's, column's, tensor's name
inline constexpr std::size_t kTensorsMax = 16'384;
inline constexpr std::size_t kRankMax = 8;
inline constexpr std::size_t kDropMax = 64;
inline constexpr std::uint64_t kRowsMax = 100'000'000;
inline constexpr std::uint64_t kElementsMax = 1ULL << 36;      // of one tensor
inline constexpr std::uint64_t kObjectBitsMax = 1ULL << 40;    // of one output
inline constexpr std::size_t kDeclarationBytesMax = 1U << 20;  // all outputs as canonical JSON

// ---- Values ----------------------------------------------------------------------------------

enum class Kind : std::uint8_t { Metrics, Tensors, Table };
enum class Lane : std::uint8_t { Bounded, Statistics, Proved };
enum class Dtype : std::uint8_t { F32, Bf16, F16, I8, I32, Bool };

std::string_view text_of_kind(Kind kind);     // "metrics"
std::string_view text_of_lane(Lane lane);     // "bounded"
std::string_view text_of_dtype(Dtype dtype);  // "f16"
std::optional<Kind> kind_of(std::string_view text);
std::optional<Lane> lane_of(std::string_view text);
std::optional<Dtype> dtype_of(std::string_view text);
std::string_view extension_of(Kind kind);  // ".json", ".safetensors", ".csv"

// A number on the grid min, min + 10^-digits, …, max; and null when optional.
struct Number {
  Decimal min{};
  Decimal max{};
  unsigned digits{0};
  bool optional{false};
  bool clamp{false};  // values outside become min or max; else they refuse the output
  std::int64_t min_scaled() const { return *min.scaled(digits); }
  std::int64_t max_scaled() const { return *max.scaled(digits); }
  friend bool operator==(const Number&, const Number&) = default;
};

// One of these texts, in declared order; and null when optional.
struct Choice {
  std::vector<std::string> values;
  bool optional{false};
  friend bool operator==(const Choice&, const Choice&) = default;
};

using Domain = std::variant<Number, Choice>;

struct Field {
  std::string name;
  Domain domain{};
  friend bool operator==(const Field&, const Field&) = default;
};

struct Column {
  std::string name;
  Domain domain{};
  bool key{false};
  friend bool operator==(const Column&, const Column&) = default;
};

struct Tensor {
  std::string name;
  std::vector<std::uint64_t> shape{};  // {} is a scalar; a zero makes it empty
  Dtype dtype{Dtype::F32};
  std::optional<Decimal> scale{};  // I8 only, and then always; above 0
  std::int32_t min{0};             // I32 only
  std::int32_t max{0};
  friend bool operator==(const Tensor&, const Tensor&) = default;
};

struct Metrics {
  std::vector<Field> fields;  // byte order of names
  friend bool operator==(const Metrics&, const Metrics&) = default;
};

struct Tensors {
  std::vector<Tensor> tensors;      // byte order of names
  std::vector<std::string> drop{};  // patterns: `*` stands for any run of characters
  friend bool operator==(const Tensors&, const Tensors&) = default;
};

struct Table {
  std::uint64_t rows_max{0};
  std::vector<Column> columns{};  // as declared
  friend bool operator==(const Table&, const Table&) = default;
};

struct Output {
  std::string name;
  Lane lane{Lane::Bounded};
  std::variant<Metrics, Tensors, Table> body{};
  Kind kind() const { return static_cast<Kind>(body.index()); }
  // The one file that the program leaves, and the canonical one of the release: "metrics.json".
  std::string file() const { return name + std::string(extension_of(kind())); }
  friend bool operator==(const Output&, const Output&) = default;
};

// ---- Sizes -----------------------------------------------------------------------------------

// ceil(log2(count)): 0 for one value. `count` > 0.
unsigned bits_for(std::uint64_t count);
// How many values a domain has, null included: the codes are 0 … count-1, null the last.
std::uint64_t value_count(const Domain& domain);
unsigned domain_bits(const Domain& domain);
bool is_optional(const Domain& domain);
std::uint64_t element_count(const Tensor& tensor);
unsigned element_bits(const Tensor& tensor);
std::uint64_t row_bits(const Table& table);
unsigned row_count_bits(const Table& table);  // ceil(log2(rows_max + 1))
// The length of an object of so many rows. `rows` <= rows_max.
std::uint64_t table_bits(const Table& table, std::uint64_t rows);
// The most bits that a released object of this declaration is charged.
std::uint64_t object_bits_max(const Output& output);

// Whether a tensor's name matches a pattern of `drop`.
bool drop_matches(std::string_view pattern, std::string_view name);

// ---- Forms -----------------------------------------------------------------------------------

// Puts fields and tensors into byte order, then checks every limit: the only way to outputs that
// were not parsed here.
Result<std::vector<Output>> check_outputs(std::vector<Output> outputs);

// The array of the `outputs` member of a signed run, every default written out.
Json declaration_json(const std::vector<Output>& outputs);
// Strict: every member required, none unknown, one form per value; then check_outputs().
Result<std::vector<Output>> parse_declaration(const Json& array);

// A decimal as signed JSON: an integer or canonical text (see above).
Json decimal_json(const Decimal& value);
Result<Decimal> parse_decimal_json(const Json& value);

}  // namespace coffer::program
