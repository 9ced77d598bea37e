// Signed notes: a text, and lines that say who signed it.
//
// A note is text that ends in a line end, one empty line, and lines "— name base64(id || bytes)".
// Text is UTF-8 without control bytes other than the line end. A key is known by its name and a
// 4-byte id that covers name, type and public key.
// Invariants: Note::parse and render are inverse; a signature of a known key that fails rejects the
// whole note; one of an unknown key is ignored; a key counts once however many lines it has.
// Errors: InvalidArgument (not a note, not a key, a key type that is not verified here), Corrupt (a
// known key's signature that does not fit).
// Thread-safety: as plain values.
// Source: C2SP signed-note v1.0.0, tlog-cosignature v1.0.1.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "crypto/crypto.h"

namespace coffer::ledger {

enum class KeyType : std::uint8_t { Ed25519 = 0x01, Cosignature = 0x04 };

using KeyId = std::array<std::byte, 4>;

// A key that notes are checked with. Written "name+hex8(id)+base64(type || public key)".
class VerifierKey {
 public:
  static Result<VerifierKey> make(std::string_view name, KeyType type, const SignPublic& key);
  static Result<VerifierKey> parse(std::string_view vkey);
  std::string text() const;
  const std::string& name() const { return name_; }
  KeyType type() const { return type_; }
  const KeyId& id() const { return id_; }
  const SignPublic& public_key() const { return public_; }
  friend bool operator==(const VerifierKey&, const VerifierKey&) = default;

 private:
  VerifierKey(std::string name, KeyType type, const SignPublic& key);
  std::string name_;
  KeyType type_;
  SignPublic public_;
  KeyId id_;
};

struct NoteSignature {
  std::string name;
  KeyId id;
  ByteVector bytes;          // what follows the id in the base64
  std::string line() const;  // with its line end
  friend bool operator==(const NoteSignature&, const NoteSignature&) = default;
};

struct Note {
  std::string text;  // with its last line end
  std::vector<NoteSignature> signatures;

  static Result<Note> parse(std::string_view bytes);
  std::string render() const;
};

inline constexpr std::size_t kNoteBytesMax = 1 << 20;
inline constexpr std::size_t kNoteSignaturesMax = 100;

// Errors: InvalidArgument (a name that is empty, or has a space or '+').
Result<NoteSignature> sign_text(const SignKey& key, std::string_view name, std::string_view text);
// A cosignature (type 0x04): signs the time with the text.
Result<NoteSignature> cosign_text(const SignKey& key, std::string_view name,
                                  std::string_view checkpoint_text, std::uint64_t unix_seconds);

struct VerifiedSignature {
  std::size_t key;                            // its place in `keys`
  std::optional<std::uint64_t> unix_seconds;  // of a cosignature
};
// Every signature by one of `keys`, at most one per key, in order of `keys`. None is no error: the
// caller says whose it needs.
Result<std::vector<VerifiedSignature>> verify_note(const Note& note,
                                                   const std::vector<VerifierKey>& keys);

}  // namespace coffer::ledger
