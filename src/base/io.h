// Reads and writes of blocking descriptors that end whole: a partial one goes on, one that a signal
// interrupts is tried again.
//
// Errors: false or nothing, and errno says why; each part tells it in its own words. A write that
// takes nothing is EIO. Units: offsets in bytes from the file's start; the two at an offset
// leave alone where the descriptor stands. Thread-safety: pure but for the descriptors.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "base/text.h"

namespace coffer {

[[nodiscard]] bool write_fully(int fd, ByteView bytes);
[[nodiscard]] bool write_fully_at(int fd, ByteView bytes, std::uint64_t offset);

// How many bytes came; fewer than there is room for only at the end.
std::optional<std::size_t> read_fully(int fd, std::span<std::byte> room);
std::optional<std::size_t> read_fully_at(int fd, std::span<std::byte> room, std::uint64_t offset);

}  // namespace coffer
