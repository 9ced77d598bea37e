// What a program left in /out, read on its author's own machine: facts, and declarations from them.
//
// For `coffer check` on twins only: nothing of a private run is ever read like this.
// Invariants: infer() gives outputs that check_outputs() accepts; widen() changes a declaration
// only where the facts do not fit it. Errors: InvalidArgument (a file that is none of the three
// kinds, saying why), NotFound. Thread-safety: reads files; the rest are pure functions.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "program/declaration.h"

namespace coffer::cli {

// All values of one field, column or (integer) tensor.
struct ValueFacts {
  std::string name;
  bool blanks{false};
  std::vector<std::string> texts;  // distinct, in order of arrival
  std::optional<program::Decimal> min, max;
  unsigned digits{0};  // of the value with the most
};

struct TensorFacts {
  std::string name;
  std::vector<std::uint64_t> shape;
  program::Dtype dtype{program::Dtype::F32};
  std::int32_t min{0}, max{0};  // I32
};

struct FileFacts {
  program::Kind kind{program::Kind::Metrics};
  std::string name;  // of the output: the file's without extension
  std::vector<ValueFacts> values;
  std::vector<TensorFacts> tensors;
  std::uint64_t rows{0};
};

// By the extension: .json, .safetensors, .csv.
Result<FileFacts> read_facts(const std::filesystem::path& file);

// A declaration that lets this file pass, in round numbers.
Result<program::Output> infer(const FileFacts& facts);
// The declared one, changed only as far as this file needs.
Result<program::Output> widen(const program::Output& declared, const FileFacts& facts);

}  // namespace coffer::cli
