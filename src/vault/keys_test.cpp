#include "vault/keys.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace coffer::vault {
namespace {

KeyScope scope() {
  KeyScope out{
      .dataset_id = "ds_abcdefghijklmnop", .owner_key = {}, .manifest = sha256("manifest")};
  out.owner_key.fill(std::byte{5});
  return out;
}

TEST(VaultKeys, DatasetIdsAreRandomAndChecked) {
  EXPECT_TRUE(check_dataset_id(new_dataset_id()));
  EXPECT_NE(new_dataset_id(), new_dataset_id());
  for (const char* bad : {"", "ds_", "ds_ABCDEFGHIJKLMNOP", "ds_abcdefghijklmno1",
                          "ds_abcdefghijklmno", "ds_../abcdefghijklm", "xx_abcdefghijklmnop"}) {
    EXPECT_FALSE(check_dataset_id(bad)) << bad;
  }
}

TEST(VaultKeys, VersionKeyIsSealedAsTheProtocolLaysItOut) {
  const SealKey keeper = SealKey::generate();
  const Key key = random_key();
  const auto sealed = seal_version_key(keeper.public_key(), key, scope());
  const auto plain = keeper.open(*sealed);
  ASSERT_TRUE(plain);
  ASSERT_EQ(plain->size(), 32U + 19 + 32 + 32);
  EXPECT_TRUE(std::equal(plain->begin(), plain->begin() + 32, key.expose().begin()));
  EXPECT_EQ(text_of(ByteView{*plain}.subspan(32, 19)), "ds_abcdefghijklmnop");
  EXPECT_EQ(hex(ByteView{*plain}.subspan(51, 32)), hex(scope().owner_key));
  EXPECT_EQ(hex(ByteView{*plain}.subspan(83)), hex(scope().manifest.bytes));
  EXPECT_TRUE(*open_version_key(keeper, *sealed, scope()) == key);
}

TEST(VaultKeys, VersionKeyIsRefusedForAnyOtherScope) {
  const SealKey keeper = SealKey::generate();
  const auto sealed = seal_version_key(keeper.public_key(), random_key(), scope());
  KeyScope dataset = scope();
  dataset.dataset_id = "ds_bbcdefghijklmnop";
  KeyScope owner = scope();
  owner.owner_key[0] = std::byte{6};
  KeyScope manifest = scope();
  manifest.manifest = sha256("another");
  for (const auto& other : {dataset, owner, manifest}) {
    const auto opened = open_version_key(keeper, *sealed, other);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, Code::Denied);
  }
  EXPECT_FALSE(open_version_key(SealKey::generate(), *sealed, scope()));
}

TEST(VaultKeys, OwnerGetsBothKeysBackAndNobodyElse) {
  const SealKey owner = SealKey::generate();
  const OwnerKeys keys{.dataset_key = random_key(), .version_key = random_key()};
  const auto sealed = seal_owner_keys(owner.public_key(), keys, scope());
  const auto opened = open_owner_keys(owner, *sealed, scope());
  ASSERT_TRUE(opened);
  EXPECT_TRUE(opened->dataset_key == keys.dataset_key);
  EXPECT_TRUE(opened->version_key == keys.version_key);
  EXPECT_FALSE(open_owner_keys(SealKey::generate(), *sealed, scope()));
  // A box of the one kind is never taken for the other.
  EXPECT_FALSE(open_version_key(owner, *sealed, scope()));
}

}  // namespace
}  // namespace coffer::vault
