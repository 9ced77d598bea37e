// DSSE envelopes: what is signed, by whom, over which exact bytes.
//
// Invariants: a signature covers PAE(type, payload), never the JSON; the digest of a signed object
// is SHA-256 of its payload; `keyid` only says which key to try first and never decides anything.
// parse_envelope() and render() are inverse. An envelope has 1 to kSignaturesMax signatures.
// Errors: InvalidArgument (no envelope: names the field; an unknown payload type), Denied (not
// signed by that key).
// Thread-safety: as plain values.
// Source: DSSE protocol.md (secure-systems-lab), protocol.md section 3 of the design.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "crypto/crypto.h"

namespace coffer::grant {

inline constexpr std::size_t kSignaturesMax = 16;
inline constexpr std::size_t kPayloadMax = std::size_t{4} << 20;

// What a signed object is; its payload type is application/vnd.cofferdam.<kind_name>.v1+json.
enum class Kind : std::uint8_t {
  Key,
  Removal,
  Manifest,
  Card,
  Limit,
  Grant,
  Revocation,
  Run,
  Approval
};
std::string_view kind_name(Kind kind);
std::string payload_type(Kind kind);
std::optional<Kind> kind_of(std::string_view payload_type);

// "DSSEv1 29 http://example.com/HelloWorld 11 hello world"
std::string pae(std::string_view type, std::string_view body);

// "sha256:" and the hex digest of the 32 bytes of the public key.
std::string key_id(const SignPublic& key);

struct EnvelopeSignature {
  std::string key_id;  // a hint
  Signature signature{};
  friend bool operator==(const EnvelopeSignature&, const EnvelopeSignature&) = default;
};

struct Envelope {
  Kind kind{Kind::Key};
  std::string payload;  // the exact bytes that were signed
  std::vector<EnvelopeSignature> signatures;

  Digest digest() const { return sha256(payload); }
  friend bool operator==(const Envelope&, const Envelope&) = default;
};

// Reads the JSON of an envelope. Signatures are not checked here.
Result<Envelope> parse_envelope(std::string_view json);
std::string render(const Envelope& envelope);  // canonical JSON

Envelope sign(Kind kind, std::string payload, const SignKey& key);
// Adds a signature; the same key twice leaves one.
Envelope countersign(Envelope envelope, const SignKey& key);

bool signed_by(const Envelope& envelope, const SignPublic& key);
// How many different ones of `keys` signed. A key listed twice counts once.
std::size_t count_signers(const Envelope& envelope, std::span<const SignPublic> keys);
// Errors: Denied.
Result<> require_signature(const Envelope& envelope, const SignPublic& key);

}  // namespace coffer::grant
