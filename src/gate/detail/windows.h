// The bytes rule: which windows of kCopyBytes of the views stand in the private data.
//
// Exact: a window counts as found only when two hashes of 64 bits agree, and none that stands in
// both is missed. Small views are sought directly; of large ones first those windows are kept that
// hold one of the data's blocks of 16 bytes (every 16th position of a row: any 31 bytes hold a
// whole one). Errors: as visit_inputs(). Thread-safety: as a plain value. Source: gate.md section 2
// (proposition 5) and 3.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "gate/detail/flat_map.h"
#include "gate/detail/inputs.h"
#include "gate/detail/views.h"
#include "gate/evidence.h"

namespace coffer::gate {

struct WindowHash {
  std::uint64_t first{0};
  std::uint64_t second{0};
};
// Of kCopyBytes bytes.
WindowHash hash_window(const char* bytes);
// Fewer than 13 different runs of three bytes.
bool says_little(const char* bytes);

struct ByteFindings {
  bool copied{false};
  std::uint32_t longest{0};
  std::uint64_t windows{0};
  std::uint64_t rows{0};
  std::uint32_t views{0};
  std::uint64_t view_bytes{0};
};

// Ends with the first batch of windows in which a copy is found: figures are then of that batch.
Result<ByteFindings> find_copies(int directory, const std::vector<ProtectedInput>& inputs,
                                 const program::Output& output, const BitString& object);

}  // namespace coffer::gate
