#include "crypto/crypto.h"

#include <gtest/gtest.h>

namespace coffer {
namespace {

ByteVector of(std::string_view text) {
  const auto view = bytes_of(text);
  return {view.begin(), view.end()};
}

TEST(Crypto, Sha256OfFips180) {
  EXPECT_EQ(sha256("abc").text(),
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(*Digest::parse(sha256("abc").text()), sha256("abc"));
  EXPECT_EQ(sha256("abc").id("run_"), "run_xj4bnp4pahh6uqkb");
  EXPECT_FALSE(Digest::parse("sha256:00"));
  EXPECT_FALSE(Digest::parse(std::string("sha512:") + std::string(64, '0')));
}

TEST(Crypto, HmacOfRfc4231) {
  const ByteVector key(32, std::byte{0xaa});
  EXPECT_EQ(hmac_sha256(*key_from(key), bytes_of("x")), hmac_sha256(*key_from(key), bytes_of("x")));
  EXPECT_NE(hmac_sha256(*key_from(key), bytes_of("x")), hmac_sha256(*key_from(key), bytes_of("y")));
}

TEST(Crypto, AeadFindsEveryFlippedBit) {
  const Key key = random_key();
  const ByteVector sealed = aead_seal(key, bytes_of("rows"), bytes_of("chunk"), 3);
  EXPECT_EQ(*aead_open(key, sealed, bytes_of("chunk"), 3), of("rows"));
  for (std::size_t i = 0; i < sealed.size() * 8; ++i) {
    ByteVector changed = sealed;
    changed[i / 8] ^= static_cast<std::byte>(1U << (i % 8));
    EXPECT_FALSE(aead_open(key, changed, bytes_of("chunk"), 3)) << i;
  }
  EXPECT_FALSE(aead_open(key, sealed, bytes_of("other"), 3));
  EXPECT_FALSE(aead_open(key, sealed, bytes_of("chunk"), 4));
  EXPECT_FALSE(aead_open(random_key(), sealed, bytes_of("chunk"), 3));
  EXPECT_FALSE(aead_open(key, ByteView{sealed}.first(3), bytes_of("chunk"), 3));
}

TEST(Crypto, Ed25519OfRfc8032Test1) {
  const auto key = SignKey::from_seed(
      *parse_hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"));
  EXPECT_EQ(hex(key->public_key()),
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
  const Signature signature = key->sign({});
  EXPECT_EQ(hex(signature).substr(0, 32), "e5564300c360ac729086e2cc806e828a");
  EXPECT_TRUE(verify(key->public_key(), {}, signature));
  EXPECT_FALSE(verify(key->public_key(), bytes_of("x"), signature));
  EXPECT_FALSE(verify(key->public_key(), {}, ByteView{signature}.first(63)));
}

TEST(Crypto, SealedBoxesOpenForTheirOwnerOnly) {
  const SealKey owner = SealKey::generate();
  const auto sealed = seal_to(owner.public_key(), bytes_of("key"));
  EXPECT_EQ(*owner.open(*sealed), of("key"));
  EXPECT_FALSE(SealKey::generate().open(*sealed));
  EXPECT_FALSE(owner.open({}));
  EXPECT_FALSE(seal_to(SealPublic{}, bytes_of("key")));
}

TEST(Crypto, DerivedKeysDifferByLabel) {
  const Key key = random_key();
  EXPECT_TRUE(derive_key(key, "a") == derive_key(key, "a"));
  EXPECT_FALSE(derive_key(key, "a") == derive_key(key, "b"));
}

}  // namespace
}  // namespace coffer
