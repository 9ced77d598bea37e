#include "ledger/entry.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/wire.h"
#include "ledger/tiles.h"

namespace coffer::ledger {
namespace {

constexpr std::size_t kKindMax = 32;

bool is_kind(std::string_view kind) {
  return !kind.empty() && kind.size() <= kKindMax &&
         std::ranges::all_of(kind, [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; });
}

ByteVector copy_of(std::string_view text) {
  const ByteView view = bytes_of(text);
  return {view.begin(), view.end()};
}

Error malformed() { return Error{Code::InvalidArgument, "an entry is not in canonical form"}; }

// Reads what has one spelling only, from left to right.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}
  bool literal(std::string_view wanted) {
    if (!rest_.starts_with(wanted)) return false;
    rest_.remove_prefix(wanted.size());
    return true;
  }
  // Up to the next `end`, which stays.
  std::string_view until(char end) {
    const std::string_view found = rest_.substr(0, rest_.find(end));
    rest_.remove_prefix(found.size());
    return found;
  }
  // Without sign, space or leading zero.
  std::optional<std::uint64_t> number() {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    const auto length = static_cast<std::size_t>(end - rest_.data());
    if (error != std::errc{} || (rest_[0] == '0' && length > 1)) return {};
    rest_.remove_prefix(length);
    return value;
  }
  bool at_end() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

// [first,last], first <= last, with the comma behind it.
std::optional<LostRange> scan_lost(Scanner& in) {
  if (!in.literal(R"("lost":[)")) return {};
  const auto first = in.number();
  if (!first || !in.literal(",")) return {};
  const auto last = in.number();
  if (!last || *first > *last || !in.literal("],")) return {};
  return LostRange{*first, *last};
}

ByteVector read_base64(StrictReader& in, std::string_view key) {
  auto bytes = parse_base64(in.text(key));
  if (!bytes) in.refuse(key, "must be base64");
  return bytes ? *std::move(bytes) : ByteVector{};
}

}  // namespace

ByteVector Entry::public_bytes() const {
  Json json = Json::object(
      {{"commit", commit.base64()}, {"kind", kind}, {"time", render_time(time)}, {"v", 1}});
  if (lost) json.set("lost", Json::array({Json{lost->first}, Json{lost->last}}));
  return copy_of(json.canonical());
}

Result<Entry> Entry::parse(ByteView public_bytes) {
  if (public_bytes.size() > kEntryBytesMax) {
    return Error{Code::InvalidArgument, "an entry is longer than 65535 bytes"};
  }
  Scanner in{text_of(public_bytes)};
  Entry entry;
  if (!in.literal(R"({"commit":")")) return malformed();
  const auto commit = parse_base64(in.until('"'));
  const auto digest = commit ? Digest::from_bytes(*commit) : Result<Digest>{malformed()};
  if (!digest || !in.literal(R"(","kind":")")) return malformed();
  entry.commit = *digest;
  entry.kind = in.until('"');
  if (!is_kind(entry.kind) || !in.literal(R"(",)")) return malformed();
  if (entry.kind == kRecoveryKind) {
    entry.lost = scan_lost(in);
    if (!entry.lost) return malformed();
  }
  if (!in.literal(R"("time":")")) return malformed();
  const auto time = parse_time(in.until('"'));
  if (!time || !in.literal(R"(","v":1})") || !in.at_end()) return malformed();
  entry.time = *time;
  return entry;
}

Digest commitment(const Nonce& nonce, ByteView private_bytes) {
  return Sha256{}.update(nonce).update(private_bytes).finish();
}

Nonce entry_nonce(const Key& seed, std::uint32_t i) {
  return hmac_sha256(seed, WireWriter{}.u32(i).data()).bytes;
}

ByteVector Opening::render() const {
  return copy_of(Json::object({{"entry", base64(public_bytes)},
                               {"nonce", nonce ? base64(*nonce) : std::string{}},
                               {"private", base64(private_bytes)}})
                     .canonical());
}

Result<Opening> Opening::parse(ByteView bytes) {
  COFFER_TRY(const Json json, Json::parse(text_of(bytes)));
  StrictReader in{json, "opening"};
  Opening opening;
  opening.public_bytes = read_base64(in, "entry");
  const ByteVector nonce = read_base64(in, "nonce");
  opening.private_bytes = read_base64(in, "private");
  if (nonce.size() == sizeof(Nonce)) {
    std::ranges::copy(nonce, opening.nonce.emplace().begin());
  } else if (!nonce.empty() || !opening.private_bytes.empty()) {
    in.refuse("nonce", "must be 32 bytes, or empty with no private bytes");
  }
  COFFER_CHECK(in.finish());
  if (!std::ranges::equal(opening.render(), bytes)) {
    return Error{Code::InvalidArgument, "opening: not in canonical JSON"};
  }
  return opening;
}

Result<Entry> Opening::check() const {
  COFFER_TRY(auto entry, Entry::parse(public_bytes));
  const bool fits =
      nonce ? commitment(*nonce, private_bytes) == entry.commit : private_bytes.empty();
  if (!fits) return Error{Code::Corrupt, "the private fields do not fit the entry's commitment"};
  return entry;
}

Result<Json> Opening::private_fields() const {
  COFFER_TRY(const Entry entry, check());
  if (!nonce) return Json{};
  return Json::parse(text_of(private_bytes));
}

}  // namespace coffer::ledger
