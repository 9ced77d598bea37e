// Keys of a dataset and of its versions, and the boxes in which they travel.
//
// The dataset key names chunks (their ids are HMACs under it); a version key seals one chunk list
// and nothing else, ever: make a fresh one for each attempt to write a list. The dataset key lies
// inside every chunk list too, so the version key alone opens and verifies a version.
// Invariants: a box opens only for its recipient, and only when every field in it is as expected:
// the keeper refuses to use a key for another dataset, owner or manifest.
// Errors: Corrupt (a box that does not open or has another shape), InvalidArgument (a malformed
// dataset id or public key), Denied (a box made for another dataset, owner or manifest).
// Thread-safety: pure functions, as plain values.
// Source: docs/formats/vault.md, "Sealed keys".
#pragma once

#include <string>
#include <string_view>

#include "crypto/crypto.h"

namespace coffer::vault {

// Protected: ciphertext on the server, opened for a run. Public: the same machinery, with the
// version key published in clear. Fixed for a dataset id.
enum class Visibility : std::uint8_t { Protected, Public };

inline constexpr std::size_t kDatasetIdLength = 19;
std::string new_dataset_id();  // "ds_" and 16 base32 characters, random
Result<> check_dataset_id(std::string_view id);

Key copy_of(const Key& key);

// What a version's keys belong to.
struct KeyScope {
  std::string dataset_id;
  SignPublic owner_key;  // the owner's signing key
  Digest manifest;       // digest of the canonical manifest payload
};

// key[32] || dataset id[19] || owner key[32] || manifest digest[32], sealed to the keeper.
Result<ByteVector> seal_version_key(const SealPublic& keeper, const Key& version_key,
                                    const KeyScope& scope);
// The inverse. Denied when it was sealed for another scope.
Result<Key> open_version_key(const SealKey& keeper, ByteView sealed, const KeyScope& scope);

// Everything an owner needs to read a version again and to add the next one.
struct OwnerKeys {
  Key dataset_key;
  Key version_key;
};
// version key[32] || dataset id[19] || owner key[32] || manifest digest[32] || dataset key[32].
Result<ByteVector> seal_owner_keys(const SealPublic& owner, const OwnerKeys& keys,
                                   const KeyScope& scope);
Result<OwnerKeys> open_owner_keys(const SealKey& owner, ByteView sealed, const KeyScope& scope);

}  // namespace coffer::vault
