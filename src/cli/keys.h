// The user's own keys, and the keys of others that were seen before.
//
// Invariants: a key file is mode 600 and holds one user's signing and sealing key; a pin changes
// only along a chain of `key` statements that starts at the pinned one, each signed by the key
// before it or by enough of its recovery keys; everything else is refused.
// read and render functions are inverse.
// Errors: NotFound (no keys here), Denied (open to others; a key that changed without a chain),
// InvalidArgument (not a key file).
// Thread-safety: as plain values. Source: protocol.md section 3.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "cli/profile.h"
#include "crypto/crypto.h"
#include "grant/envelope.h"
#include "grant/objects.h"

namespace coffer::cli {

struct KeyPair {
  std::string user;
  SignKey sign;
  SealKey seal;
  static KeyPair generate(std::string user);
};

// First 80 bits of SHA-256(sign key || seal key) in base32.
std::string key_fingerprint(const SignPublic& sign_key, const SealPublic& seal_key);

std::string render_keys(const KeyPair& keys);
Result<KeyPair> parse_keys(std::string_view text);
Result<> save_keys(const std::filesystem::path& path, const KeyPair& keys);
Result<KeyPair> load_keys(const std::filesystem::path& path);

// A first `key` statement, or the one after `previous`.
struct Rotation {
  const grant::UserKey* previous{nullptr};
  std::vector<SignPublic> recovery_keys{};
  std::uint64_t recovery_need{0};
};
grant::UserKey key_statement(const KeyPair& keys, const Rotation& rotation,
                             std::string_view ledger_vkey, UnixTime now);

// Checks a chain of statements, oldest first, of one user for one ledger, and gives the last one.
Result<grant::UserKey> follow_chain(const std::vector<grant::Envelope>& chain,
                                    std::string_view user, std::string_view ledger_vkey);

// What others' keys were when they were last seen.
class Pins {
 public:
  static Result<Pins> parse(std::string_view text);
  std::string render() const;

  enum class Seen : std::uint8_t { First, Same, Rotated };
  // Follows the chain from the pinned statement, pins its end, and says how that compares.
  // Errors: Denied: the pinned statement is not in the chain.
  Result<Seen> see(const std::vector<grant::Envelope>& chain, const grant::UserKey& present);
  const Digest* find(const std::string& user) const;

 private:
  std::map<std::string, Digest> by_user_;  // digest of the last statement seen
};

}  // namespace coffer::cli
