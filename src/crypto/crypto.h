// Hashes, ciphers, signatures and sealed boxes: thin and typed, over OpenSSL and libsodium.
//
// Invariants: a key is 32 bytes of the operating system's randomness or derived by HMAC; no nonce
// is ever used twice under one key (each key here seals one thing, or the nonce is its counter).
// Errors: Corrupt (a tag, signature or seal that does not fit), InvalidArgument (malformed text).
// Thread-safety: pure functions; Sha256 as a plain value.
// Source: FIPS 180-4, RFC 2104, NIST SP 800-38D, RFC 8032 (strict: S < L, no small order),
// libsodium sealed boxes (X25519, XSalsa20-Poly1305).
#pragma once

#include <array>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/text.h"
#include "crypto/secret.h"

namespace coffer {

// ---- Hashes ----------------------------------------------------------------------------------

// A SHA-256 value. Written "sha256:" and 64 hex digits.
struct Digest {
  std::array<std::byte, 32> bytes{};
  std::string text() const;  // sha256:…
  std::string base64() const { return coffer::base64(bytes); }
  // The id that people see: `prefix` and the first 80 bits in base32, "run_" + 16 characters.
  std::string id(std::string_view prefix) const;
  static Result<Digest> parse(std::string_view text);
  static Result<Digest> from_bytes(ByteView bytes);
  friend auto operator<=>(const Digest&, const Digest&) = default;
};

class Sha256;
struct HashUpdate {
  Sha256* hash;  // borrowed
  ByteView bytes;
};
// As each hash->update(bytes), two beside each other: in half the time where the processor has SHA
// instructions. No hash may be there twice.
void update_all(std::span<const HashUpdate> updates);

class Sha256 {
 public:
  Sha256();
  Sha256(Sha256&&) noexcept = default;
  Sha256& operator=(Sha256&&) noexcept = default;
  Sha256& update(ByteView bytes);
  Sha256& update(std::string_view text) { return update(bytes_of(text)); }
  Digest finish();  // once
  friend void update_all(std::span<const HashUpdate> updates);

 private:
  ByteView to_block_edge(ByteView bytes);  // takes what completes a block, gives back the rest
  struct Free {
    void operator()(void* context) const;
  };
  std::unique_ptr<void, Free> context_;
};

Digest sha256(ByteView bytes);
inline Digest sha256(std::string_view text) { return sha256(bytes_of(text)); }

using Key = Secret<32>;
Digest hmac_sha256(const Key& key, ByteView bytes);
// Of each message; as update_all().
std::vector<Digest> hmac_sha256(const Key& key, std::span<const ByteView> messages);
// A key for one purpose from another: HMAC-SHA-256(key, label).
Key derive_key(const Key& key, std::string_view label);

// ---- Chance ----------------------------------------------------------------------------------

ByteVector random_bytes(std::size_t length);
Key random_key();
Result<Key> key_from(ByteView bytes);  // InvalidArgument unless 32 bytes

// ---- One key, one message: AES-256-GCM with an all-zero nonce unless given ---------------------

inline constexpr std::size_t kAeadOverhead = 16;
// `nonce`: a number never repeated under `key` (0 where a key seals one message).
ByteVector aead_seal(const Key& key, ByteView plain, ByteView associated, std::uint64_t nonce = 0);
Result<ByteVector> aead_open(const Key& key, ByteView sealed, ByteView associated,
                             std::uint64_t nonce = 0);
// The same in the memory of what is given.
ByteVector aead_seal(const Key& key, ByteVector&& plain, ByteView associated,
                     std::uint64_t nonce = 0);
Result<ByteVector> aead_open(const Key& key, ByteVector&& sealed, ByteView associated,
                             std::uint64_t nonce = 0);

// ---- Signatures: Ed25519 ---------------------------------------------------------------------

using SignPublic = std::array<std::byte, 32>;
using Signature = std::array<std::byte, 64>;

// Reads 32 bytes from base64, for any of the public keys below.
Result<std::array<std::byte, 32>> parse_key32(std::string_view base64_text);

class SignKey {
 public:
  static SignKey generate();
  static Result<SignKey> from_seed(ByteView seed);  // 32 bytes
  const SignPublic& public_key() const { return public_; }
  const Secret<32>& seed() const { return seed_; }
  Signature sign(ByteView message) const;

 private:
  SignKey(Secret<32> seed, SignPublic pub) : seed_(std::move(seed)), public_(pub) {}
  Secret<32> seed_;
  SignPublic public_;
};

bool verify(const SignPublic& key, ByteView message, ByteView signature);

// ---- Sealed boxes: anyone seals to a public key, its owner opens
// ---------------------------------

using SealPublic = std::array<std::byte, 32>;

class SealKey {
 public:
  static SealKey generate();
  static Result<SealKey> from_secret(ByteView secret);  // 32 bytes
  const SealPublic& public_key() const { return public_; }
  const Secret<32>& secret() const { return secret_; }
  Result<ByteVector> open(ByteView sealed) const;

 private:
  SealKey(Secret<32> secret, SealPublic pub) : secret_(std::move(secret)), public_(pub) {}
  Secret<32> secret_;
  SealPublic public_;
};

Result<ByteVector> seal_to(const SealPublic& recipient, ByteView plain);

// ---- Passwords and tokens ----------------------------------------------------------------------

bool equal_constant_time(ByteView a, ByteView b);

}  // namespace coffer
