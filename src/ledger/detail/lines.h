// The small pieces that the text formats of a log share: decimals, hashes, lines.
//
// Errors: none; what is malformed is nothing. Thread-safety: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "crypto/crypto.h"

namespace coffer::ledger::detail {

// A decimal without sign or leading zeros, at most 2^63 - 1 (other implementations sign theirs).
std::optional<std::uint64_t> parse_decimal(std::string_view text);

// 32 bytes from base64.
std::optional<Digest> parse_hash(std::string_view text);

// Takes the first line of `rest` without its line end; nothing when no line end is left.
std::optional<std::string_view> take_line(std::string_view& rest);

}  // namespace coffer::ledger::detail
