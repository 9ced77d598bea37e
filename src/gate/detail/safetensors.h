// The header of a safetensors file, read strictly: where each tensor lies.
//
// Invariants of what parse() returns: every name once; offsets tile the data exactly, in any order;
// every extent is shape times the size of the type. Metadata is read over and left out.
// Errors: Corrupt (anything else). Thread-safety: pure functions.
// Source: the safetensors format (8 bytes of length, JSON, data), as written by its own library.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace coffer::gate {

enum class Stored : std::uint8_t {
  Bool,
  U8,
  I8,
  F8E5,
  F8E4,
  I16,
  U16,
  F16,
  Bf16,
  I32,
  U32,
  F32,
  F64,
  I64,
  U64,
};
std::optional<Stored> stored_of(std::string_view dtype);  // "BF16"
unsigned bytes_of_stored(Stored stored);

struct StoredTensor {
  std::string name;
  Stored dtype{Stored::U8};
  std::vector<std::uint64_t> shape;
  std::uint64_t begin{0};  // from the start of the data
  std::uint64_t end{0};
};

// `header`: the JSON text; `data_bytes`: all that follows it. Sorted by name.
Result<std::vector<StoredTensor>> parse_header(std::string_view header, std::uint64_t data_bytes);

}  // namespace coffer::gate
