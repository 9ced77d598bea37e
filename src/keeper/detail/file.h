// Bytes at a place of an open file: all of them, or an error.
//
// Errors: Unavailable and its kin, as system_error(); a file that ends before is an input error.
// `what` names the file. Thread-safety: pure functions over the descriptor.
#pragma once

#include <string_view>

#include "base/result.h"
#include "base/text.h"

namespace coffer::keeper {

struct Extent {
  std::uint64_t offset{0};
  std::uint64_t length{0};
};

Result<ByteVector> read_extent(int fd, Extent extent, std::string_view what);
Result<> write_bytes_at(int fd, std::uint64_t offset, ByteView bytes, std::string_view what);

}  // namespace coffer::keeper
