#include "crypto/crypto.h"

#include <gtest/gtest.h>
#include <openssl/hmac.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <random>

#include "base/io.h"
#include "base/unique_fd.h"
#include "crypto/file_digest.h"

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

TEST(Crypto, Sha256OfAFileIsOfWhatIsLeft) {
  const UniqueFd file{::memfd_create("content", MFD_CLOEXEC)};
  const ByteVector content(std::size_t{3} << 18, std::byte{'d'});  // three pieces
  ASSERT_TRUE(write_fully(file.get(), content));
  EXPECT_EQ(sha256_of_file(file.get()), sha256(""));
  ASSERT_EQ(::lseek(file.get(), 1, SEEK_SET), 1);
  EXPECT_EQ(sha256_of_file(file.get()), sha256(ByteView{content}.subspan(1)));
  EXPECT_EQ(sha256_of_file(-1), std::nullopt);
  EXPECT_EQ(errno, EBADF);
}

// Any number, of any lengths, each at any place in its block: all are what each is alone.
TEST(Crypto, HashesBesideEachOtherAreWhatEachIsAlone) {
  std::mt19937 random{256};
  ByteVector content(4096);
  for (auto& byte : content) byte = static_cast<std::byte>(random());
  for (int round = 0; round < 500; ++round) {
    std::vector<Sha256> together(random() % 6);
    std::vector<Sha256> alone(together.size());
    for (int pieces = 0; pieces < 4; ++pieces) {
      std::vector<HashUpdate> updates;
      for (std::size_t i = 0; i < together.size(); ++i) {
        const auto from = ByteView{content}.subspan(random() % 2048);
        const ByteView piece = from.first(random() % 5 == 0 ? random() % 2 : random() % 2048);
        updates.push_back({&together[i], piece});
        alone[i].update(piece);
      }
      update_all(updates);
    }
    for (std::size_t i = 0; i < together.size(); ++i) {
      ASSERT_EQ(together[i].finish(), alone[i].finish()) << "round " << round << ", hash " << i;
    }
  }
}

TEST(Crypto, HashesBesideEachOtherOfFips180) {
  const std::string million(1'000'000, 'a');
  const std::string blocks = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
  std::array<Sha256, 2> hashes;
  update_all(std::array{HashUpdate{&hashes[0], bytes_of(million)},
                        HashUpdate{&hashes[1], bytes_of(blocks)}});
  EXPECT_EQ(hashes[0].finish().text(),
            "sha256:cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  EXPECT_EQ(hashes[1].finish().text(),
            "sha256:248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

// More than 2^32 bits: the length that a hash ends with counts them all.
TEST(Crypto, HashesBesideEachOtherCountTheirBits) {
  const ByteVector piece(std::size_t{16} << 20);
  std::array<Sha256, 2> hashes;
  Sha256 alone;
  for (int i = 0; i < 33; ++i) {
    update_all(std::array{HashUpdate{&hashes[0], piece}, HashUpdate{&hashes[1], piece}});
    alone.update(piece);
  }
  const Digest wanted = alone.finish();
  EXPECT_EQ(hashes[0].finish(), wanted);
  EXPECT_EQ(hashes[1].finish(), wanted);
}

// RFC 4231 has no key of 32 bytes; this is its construction, from RFC 2104, over OpenSSL's HMAC.
TEST(Crypto, HmacIsOpenSslsHmac) {
  std::mt19937 random{2104};
  for (int round = 0; round < 200; ++round) {
    const Key key = random_key();
    ByteVector x(random() % 300);
    ByteVector y(random() % 300);
    for (auto& byte : x) byte = static_cast<std::byte>(random());
    std::vector<Digest> wanted(2);
    unsigned length = 0;
    const auto hmac = [&](ByteView bytes, Digest& out) {
      HMAC(EVP_sha256(), key.expose().data(), 32,
           reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
           reinterpret_cast<unsigned char*>(out.bytes.data()), &length);
    };
    hmac(x, wanted[0]);
    hmac(y, wanted[1]);
    EXPECT_EQ(hmac_sha256(key, x), wanted[0]);
    EXPECT_EQ(hmac_sha256(key, std::array<ByteView, 2>{x, y}), wanted);
  }
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
