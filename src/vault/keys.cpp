#include "vault/keys.h"

#include "base/wire.h"

namespace coffer::vault {
namespace {

constexpr std::string_view kPrefix = "ds_";
constexpr std::size_t kScopeLength = kDatasetIdLength + 32 + 32;

ByteVector scope_bytes(const KeyScope& scope) {
  WireWriter out;
  out.raw(bytes_of(scope.dataset_id)).raw(scope.owner_key).raw(scope.manifest.bytes);
  return std::move(out).take();
}

void wipe(ByteVector& bytes) { sodium_memzero(bytes.data(), bytes.size()); }

Result<ByteVector> seal_with_scope(const SealPublic& recipient, const KeyScope& scope,
                                   const Key& first, const Key* last) {
  COFFER_CHECK(check_dataset_id(scope.dataset_id));
  WireWriter out;
  out.raw(first.expose()).raw(scope_bytes(scope));
  if (last != nullptr) out.raw(last->expose());
  ByteVector plain = std::move(out).take();
  auto sealed = seal_to(recipient, plain);
  wipe(plain);
  return sealed;
}

// The opened box, once its length and scope were found right.
Result<ByteVector> open_with_scope(const SealKey& recipient, ByteView sealed, const KeyScope& scope,
                                   std::size_t length) {
  COFFER_TRY(ByteVector plain, recipient.open(sealed));
  if (plain.size() != length) return Error{Code::Corrupt, "a sealed key has another length"};
  if (!equal_constant_time(ByteView{plain}.subspan(32, kScopeLength), scope_bytes(scope))) {
    wipe(plain);
    return Error{Code::Denied, "a sealed key belongs to another dataset, owner or manifest"};
  }
  return plain;
}

}  // namespace

std::string new_dataset_id() { return std::string(kPrefix) + base32(random_bytes(10)); }

Result<> check_dataset_id(std::string_view id) {
  constexpr std::string_view kDigits = "abcdefghijklmnopqrstuvwxyz234567";
  const bool good = id.size() == kDatasetIdLength && id.starts_with(kPrefix) &&
                    id.substr(kPrefix.size()).find_first_not_of(kDigits) == std::string_view::npos;
  if (good) return {};
  return Error{Code::InvalidArgument, "not a dataset id: ds_ and 16 base32 characters"};
}

Key copy_of(const Key& key) { return Key{key.expose()}; }

Result<ByteVector> seal_version_key(const SealPublic& keeper, const Key& version_key,
                                    const KeyScope& scope) {
  return seal_with_scope(keeper, scope, version_key, nullptr);
}

Result<Key> open_version_key(const SealKey& keeper, ByteView sealed, const KeyScope& scope) {
  COFFER_TRY(ByteVector plain, open_with_scope(keeper, sealed, scope, 32 + kScopeLength));
  auto key = key_from(ByteView{plain}.first(32));
  wipe(plain);
  return key;
}

Result<ByteVector> seal_owner_keys(const SealPublic& owner, const OwnerKeys& keys,
                                   const KeyScope& scope) {
  return seal_with_scope(owner, scope, keys.version_key, &keys.dataset_key);
}

Result<OwnerKeys> open_owner_keys(const SealKey& owner, ByteView sealed, const KeyScope& scope) {
  COFFER_TRY(ByteVector plain, open_with_scope(owner, sealed, scope, 32 + kScopeLength + 32));
  COFFER_TRY(Key version_key, key_from(ByteView{plain}.first(32)));
  COFFER_TRY(Key dataset_key, key_from(ByteView{plain}.last(32)));
  wipe(plain);
  return OwnerKeys{.dataset_key = std::move(dataset_key), .version_key = std::move(version_key)};
}

}  // namespace coffer::vault
