#include "ledger/detail/lines.h"

#include <charconv>
#include <limits>

namespace coffer::ledger::detail {

std::optional<std::uint64_t> parse_decimal(std::string_view text) {
  if (text.empty() || (text.size() > 1 && text[0] == '0')) return {};
  std::int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || rest != end || value < 0 || text[0] == '-') return {};
  return static_cast<std::uint64_t>(value);
}

std::optional<Digest> parse_hash(std::string_view text) {
  const auto bytes = parse_base64(text);
  if (!bytes) return {};
  auto digest = Digest::from_bytes(*bytes);
  if (!digest) return {};
  return *digest;
}

std::optional<std::string_view> take_line(std::string_view& rest) {
  const auto end = rest.find('\n');
  if (end == std::string_view::npos) return {};
  const auto line = rest.substr(0, end);
  rest.remove_prefix(end + 1);
  return line;
}

}  // namespace coffer::ledger::detail
