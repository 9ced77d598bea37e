// One entry of our ledger: public bytes that name its kind and commit to private bytes.
//
// Public bytes are canonical JSON: {"commit":"<base64>","kind":"run","time":"…Z","v":1}; a
// `recovery` has "lost":[first,last] too. The commitment is SHA-256(nonce || private bytes); who
// has both can check it, and without the nonce nobody can guess what was committed to.
// Invariants: parse accepts exactly what render writes; public bytes are all that the tree hashes.
// Errors: InvalidArgument (not an entry), Corrupt (private bytes that do not fit the commitment).
// Thread-safety: as plain values.
// Source: docs/formats/ledger.md.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "crypto/crypto.h"

namespace coffer::ledger {

using Nonce = std::array<std::byte, 32>;

inline constexpr std::string_view kRecoveryKind = "recovery";

// Entries first..last are known by their hashes only.
struct LostRange {
  std::uint64_t first{};
  std::uint64_t last{};
  friend bool operator==(const LostRange&, const LostRange&) = default;
};

struct Entry {
  std::string kind;  // 1..32 of a-z and '_'
  UnixTime time{};   // whole seconds are written
  Digest commit;
  std::optional<LostRange> lost;  // with kind `recovery` only, and always there

  ByteVector public_bytes() const;
  static Result<Entry> parse(ByteView public_bytes);
  friend bool operator==(const Entry&, const Entry&) = default;
};

Digest commitment(const Nonce& nonce, ByteView private_bytes);
// The nonce of the i-th entry that one operation makes: HMAC-SHA-256(seed, u32 big-endian i).
Nonce entry_nonce(const Key& seed, std::uint32_t i);

// An entry with what it commits to, as an auditor gets it; nonce and private bytes are both there
// or both absent.
struct Opening {
  ByteVector public_bytes;
  std::optional<Nonce> nonce;
  ByteVector private_bytes;

  // {"entry":base64,"nonce":base64 or "","private":base64}, canonical; parse is its inverse.
  ByteVector render() const;
  static Result<Opening> parse(ByteView bytes);
  // The entry, after its commitment was compared where it is opened.
  Result<Entry> check() const;
  // The private fields, of an opened entry whose check() passes; null when it is not opened.
  Result<Json> private_fields() const;
};

}  // namespace coffer::ledger
