#include "base/text.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <numeric>
#include <optional>

namespace coffer {
namespace {

constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr unsigned kNoDigit = 64;
constexpr std::array<std::uint8_t, 256> kBase64Values = [] {
  std::array<std::uint8_t, 256> out{};
  out.fill(kNoDigit);
  for (std::size_t i = 0; i < kBase64.size(); ++i) {
    out[static_cast<unsigned char>(kBase64[i])] = static_cast<std::uint8_t>(i);
  }
  return out;
}();
constexpr std::string_view kBase32 = "abcdefghijklmnopqrstuvwxyz234567";

unsigned at(ByteView bytes, std::size_t i) {
  return i < bytes.size() ? std::to_integer<unsigned>(bytes[i]) : 0U;
}

struct Unit {
  std::string_view suffix;
  std::uint64_t factor;
};

// A whole number and one of `units`; nothing when it is malformed or does not fit in 64 bits.
std::optional<std::uint64_t> scaled(std::string_view text, std::span<const Unit> units) {
  std::uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{}) return {};
  const std::string_view suffix{rest, static_cast<std::size_t>(end - rest)};
  for (const auto& unit : units) {
    if (unit.suffix != suffix) continue;
    std::uint64_t product = 0;
    if (__builtin_mul_overflow(value, unit.factor, &product)) return {};
    return product;
  }
  return {};
}

constexpr std::array kCounts{Unit{"", 1}, Unit{"k", 1000}, Unit{"M", 1'000'000},
                             Unit{"G", 1'000'000'000}};
constexpr std::array kSizes{Unit{"GiB", 1ULL << 30}, Unit{"MiB", 1ULL << 20},
                            Unit{"KiB", 1ULL << 10}, Unit{"B", 1}, Unit{"", 1}};
constexpr std::array kDurations{Unit{"h", 3600}, Unit{"m", 60}, Unit{"s", 1}};

// `width` decimal digits at `from`, nothing when there is anything else.
std::optional<int> digits(std::string_view text, std::size_t from, std::size_t width) {
  if (from + width > text.size()) return {};
  int value = 0;
  for (const char c : text.substr(from, width)) {
    if (c < '0' || c > '9') return {};
    value = value * 10 + (c - '0');
  }
  return value;
}

std::optional<std::chrono::sys_days> calendar_day(std::string_view text) {
  const auto year = digits(text, 0, 4);
  const auto month = digits(text, 5, 2);
  const auto day = digits(text, 8, 2);
  if (!year || !month || !day || text[4] != '-' || text[7] != '-') return {};
  const std::chrono::year_month_day date{std::chrono::year{*year},
                                         std::chrono::month{static_cast<unsigned>(*month)},
                                         std::chrono::day{static_cast<unsigned>(*day)}};
  if (!date.ok()) return {};
  return std::chrono::sys_days{date};
}

// That many bytes at the front are ASCII, of a text that begins so: one, or whole words of them.
std::size_t ascii_run(std::string_view text) {
  std::size_t at = 0;
  std::uint64_t word = 0;
  for (; text.size() - at >= sizeof word; at += sizeof word) {
    std::memcpy(&word, text.data() + at, sizeof word);
    if ((word & 0x8080808080808080U) != 0) break;
  }
  return std::max<std::size_t>(at, 1);
}

}  // namespace

bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    if (lead < 0x80) {
      i += ascii_run(text.substr(i));
      continue;
    }
    const std::size_t length = lead < 0xc2   ? 0
                               : lead < 0xe0 ? 2
                               : lead < 0xf0 ? 3
                               : lead < 0xf5 ? 4
                                             : 0;
    if (length == 0 || i + length > text.size()) return false;
    for (std::size_t k = 1; k < length; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      const bool first = k == 1;
      const unsigned low = first && lead == 0xe0 ? 0xa0 : first && lead == 0xf0 ? 0x90 : 0x80;
      const unsigned high = first && lead == 0xed ? 0x9f : first && lead == 0xf4 ? 0x8f : 0xbf;
      if (next < low || next > high) return false;
    }
    i += length;
  }
  return true;
}

std::string hex(ByteView bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const std::byte b : bytes) {
    out += "0123456789abcdef"[std::to_integer<unsigned>(b) >> 4];
    out += "0123456789abcdef"[std::to_integer<unsigned>(b) & 15];
  }
  return out;
}

Result<ByteVector> parse_hex(std::string_view text) {
  ByteVector out;
  if (text.size() % 2 != 0) return Error{Code::InvalidArgument, "an odd number of hex digits"};
  for (std::size_t i = 0; i < text.size(); i += 2) {
    unsigned value = 0;
    const auto [rest, error] = std::from_chars(text.data() + i, text.data() + i + 2, value, 16);
    const bool upper =
        (text[i] >= 'A' && text[i] <= 'F') || (text[i + 1] >= 'A' && text[i + 1] <= 'F');
    if (error != std::errc{} || rest != text.data() + i + 2 || upper) {
      return Error{Code::InvalidArgument, "not lower-case hex"};
    }
    out.push_back(static_cast<std::byte>(value));
  }
  return out;
}

std::string base64(ByteView bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const unsigned group = at(bytes, i) << 16 | at(bytes, i + 1) << 8 | at(bytes, i + 2);
    const std::size_t have = std::min<std::size_t>(3, bytes.size() - i);
    for (std::size_t k = 0; k < 4; ++k) {
      out += k <= have ? kBase64[group >> (18 - 6 * k) & 63] : '=';
    }
  }
  return out;
}

Result<ByteVector> parse_base64(std::string_view text) {
  const auto bad = [] { return Error{Code::InvalidArgument, "not base64 with padding"}; };
  if (text.size() % 4 != 0) return bad();
  ByteVector out;
  out.reserve(text.size() / 4 * 3);
  for (std::size_t i = 0; i < text.size(); i += 4) {
    const std::size_t pad = i + 4 < text.size() || text[i + 3] != '=' ? 0
                            : text[i + 2] == '='                      ? 2
                                                                      : 1;
    unsigned group = 0;
    for (std::size_t k = 0; k < 4; ++k) {
      const unsigned value =
          k < 4 - pad ? kBase64Values[static_cast<unsigned char>(text[i + k])] : 0U;
      if (value == kNoDigit) return bad();
      group = group << 6 | value;
    }
    if ((group & ((1U << (8 * pad)) - 1)) != 0) return bad();
    for (std::size_t k = 0; k < 3 - pad; ++k) {
      out.push_back(static_cast<std::byte>(group >> (16 - 8 * k) & 255));
    }
  }
  return out;
}

std::string base32(ByteView bytes) {
  std::string out;
  const std::size_t bits = bytes.size() * 8;
  for (std::size_t i = 0; i < bits; i += 5) {
    const unsigned pair = at(bytes, i / 8) << 8 | at(bytes, i / 8 + 1);
    out += kBase32[pair >> (11 - i % 8) & 31];
  }
  return out;
}

Result<std::uint64_t> parse_count(std::string_view text) {
  if (const auto value = scaled(text, kCounts)) return *value;
  return Error{Code::InvalidArgument,
               fmt::format("'{}' is no count: write 250, 64k or 94M", printable(text, 40))};
}

Result<std::uint64_t> parse_size(std::string_view text) {
  if (const auto value = scaled(text, kSizes)) return *value;
  return Error{Code::InvalidArgument,
               fmt::format("'{}' is no size: write 512KiB, 64MiB or 1GiB", printable(text, 40))};
}

std::string render_size(std::uint64_t bytes) {
  for (const auto& unit : kSizes) {
    if (bytes < unit.factor || unit.factor == 1) continue;
    if (bytes % unit.factor == 0) return fmt::format("{} {}", bytes / unit.factor, unit.suffix);
    return fmt::format("{:.1f} {}", static_cast<double>(bytes) / static_cast<double>(unit.factor),
                       unit.suffix);
  }
  return fmt::format("{} B", bytes);
}

Result<std::chrono::seconds> parse_duration(std::string_view text) {
  const auto value = scaled(text, kDurations);
  if (value && *value >= 1 && *value <= 366ULL * 86400) {
    return std::chrono::seconds{static_cast<std::int64_t>(*value)};
  }
  return Error{Code::InvalidArgument,
               fmt::format("'{}' is no duration: write 30s, 10m or 2h", printable(text, 40))};
}

std::string render_duration(std::chrono::seconds duration) {
  const auto value = static_cast<std::uint64_t>(duration.count());
  for (const auto& unit : kDurations) {
    if (value >= unit.factor && value % unit.factor == 0) {
      return fmt::format("{}{}", value / unit.factor, unit.suffix);
    }
  }
  return fmt::format("{}s", value);
}

std::string render_count(std::uint64_t value) {
  std::string text = std::to_string(value);
  for (std::size_t i = text.size(); i > 3; i -= 3) text.insert(i - 3, 1, ',');
  return text;
}

std::string render_time(UnixTime time) {
  // By the calendar: {fmt} counts nanoseconds, of which 64 bits end in 2262.
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{std::chrono::floor<std::chrono::seconds>(time - day)};
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

Result<UnixTime> parse_time(std::string_view text) {
  const auto hour = digits(text, 11, 2);
  const auto minute = digits(text, 14, 2);
  const auto second = digits(text, 17, 2);
  const bool shape =
      text.size() == 20 && text[10] == 'T' && text[13] == ':' && text[16] == ':' && text[19] == 'Z';
  const auto day = shape ? calendar_day(text) : std::nullopt;
  if (!day || !hour || !minute || !second || *hour > 23 || *minute > 59 || *second > 59) {
    return Error{Code::InvalidArgument, "not a time like 2026-03-01T09:30:00Z"};
  }
  return UnixTime{*day + std::chrono::hours{*hour} + std::chrono::minutes{*minute} +
                  std::chrono::seconds{*second}};
}

Result<UnixTime> parse_date_end(std::string_view text) {
  const auto day = text.size() == 10 ? calendar_day(text) : std::nullopt;
  if (!day) return Error{Code::InvalidArgument, "not a date like 2027-01-31"};
  return UnixTime{*day + std::chrono::days{1}};
}

std::string nearest(std::string_view name, const std::vector<std::string>& candidates) {
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(name.size() / 3, 1) + 1;
  for (const auto& candidate : candidates) {
    std::vector<std::size_t> row(candidate.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 0; i < name.size(); ++i) {
      std::size_t diagonal = row[0]++;
      for (std::size_t k = 0; k < candidate.size(); ++k) {
        const std::size_t change = diagonal + (name[i] == candidate[k] ? 0 : 1);
        diagonal = row[k + 1];
        row[k + 1] = std::min({change, row[k] + 1, row[k + 1] + 1});
      }
    }
    if (row.back() < best_distance) {
      best_distance = row.back();
      best = candidate;
    }
  }
  return best;
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  for (std::size_t from = 0;;) {
    const auto to = text.find(separator, from);
    parts.emplace_back(text.substr(from, to - from));
    if (to == std::string_view::npos) return parts;
    from = to + 1;
  }
}

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
  return fmt::format("{}", fmt::join(parts, separator));
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const auto from = text.find_first_not_of(kBlank);
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(kBlank) - from + 1);
}

std::string printable(std::string_view untrusted, std::size_t length_max) {
  std::string out;
  const bool utf8 = is_utf8(untrusted);
  for (const char c : untrusted.substr(0, length_max)) {
    const auto u = static_cast<unsigned char>(c);
    out += u < 0x20 || u == 0x7f || (u >= 0x80 && !utf8) ? '?' : c;
  }
  // A cut in the middle of a character leaves no half of one behind.
  while (utf8 && !out.empty() && !is_utf8(out)) out.pop_back();
  if (untrusted.size() > length_max) out += "...";
  return out;
}

}  // namespace coffer
