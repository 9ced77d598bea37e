// Text that people and wires use: encodings, sizes, durations, times, near names.
//
// Each parse_x is the inverse of its x or render_x. Errors: InvalidArgument, naming what was
// wanted. Thread-safety: pure functions. Source: RFC 4648 (base64 with padding, base32 in lower
// case without), RFC 3339.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace coffer {

using ByteView = std::span<const std::byte>;
using ByteVector = std::vector<std::byte>;

inline ByteView bytes_of(std::string_view text) {
  return std::as_bytes(std::span{text.data(), text.size()});
}
inline std::string_view text_of(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

bool is_utf8(std::string_view text);  // RFC 3629: no overlong forms, no surrogates

std::string hex(ByteView bytes);  // lower case
Result<ByteVector> parse_hex(std::string_view text);
std::string base64(ByteView bytes);
Result<ByteVector> parse_base64(std::string_view text);  // refuses non-canonical padding bits
std::string base32(ByteView bytes);                      // lower case, no padding

// "64k" "94M" "250" (decimal multiples), for counts such as bits and rows.
Result<std::uint64_t> parse_count(std::string_view text);
// "64MiB" "1GiB" "4096": bytes.
Result<std::uint64_t> parse_size(std::string_view text);
std::string render_size(std::uint64_t bytes);
// "30s" "10m" "2h": whole seconds, at least 1.
Result<std::chrono::seconds> parse_duration(std::string_view text);
std::string render_duration(std::chrono::seconds duration);
std::string render_count(std::uint64_t value);  // 64,000

// RFC 3339 in UTC with `Z`, whole seconds: "2026-03-01T09:30:00Z".
std::string render_time(UnixTime time);
Result<UnixTime> parse_time(std::string_view text);
// A DATE ends at 24:00Z: "2027-01-31" is 2027-02-01T00:00:00Z, the first instant after it.
Result<UnixTime> parse_date_end(std::string_view text);

// The candidate nearest to `name` by edit distance, empty when none is near (> 1/3 of its length).
std::string nearest(std::string_view name, const std::vector<std::string>& candidates);

std::vector<std::string> split(std::string_view text, char separator);
std::string join(const std::vector<std::string>& parts, std::string_view separator);
std::string_view trim(std::string_view text);  // spaces, tabs, line ends

// Text from outside made fit for a terminal or a log line: control bytes and escapes become '?'.
std::string printable(std::string_view untrusted, std::size_t length_max = 200);

}  // namespace coffer
