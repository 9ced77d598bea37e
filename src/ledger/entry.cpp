#include "ledger/entry.h"

#include <fmt/format.h>

#include <algorithm>

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

// Reads [first, last], first <= last.
std::optional<LostRange> read_lost(const Json& json) {
  const auto* items = json.as_array();
  if (items == nullptr || items->size() != 2) return {};
  const auto first = (*items)[0].as_uint();
  const auto last = (*items)[1].as_uint();
  if (!first || !last || *first > *last) return {};
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
  COFFER_TRY(const Json json, Json::parse(text_of(public_bytes)));
  StrictReader in{json, "entry"};
  Entry entry;
  const ByteVector commit = read_base64(in, "commit");
  if (const auto digest = Digest::from_bytes(commit)) {
    entry.commit = *digest;
  } else {
    in.refuse("commit", "must be 32 bytes");
  }
  entry.kind = in.text("kind");
  if (!is_kind(entry.kind)) in.refuse("kind", "must be 1 to 32 of a-z and _");
  if (const auto time = parse_time(in.text("time"))) {
    entry.time = *time;
  } else {
    in.refuse("time", "must be a time");
  }
  if (in.uint("v") != 1) in.refuse("v", "must be 1");
  if (entry.kind == kRecoveryKind) {
    entry.lost = read_lost(in.any("lost"));
    if (!entry.lost) in.refuse("lost", "must be [first, last]");
  }
  COFFER_CHECK(in.finish());
  if (!std::ranges::equal(entry.public_bytes(), public_bytes)) {
    return Error{Code::InvalidArgument, "an entry is not in canonical form"};
  }
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
