#include "crypto/crypto.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>
#include <cstring>

#include "crypto/detail/must.h"

namespace coffer {
namespace {

unsigned char* raw(std::byte* p) { return reinterpret_cast<unsigned char*>(p); }
const unsigned char* raw(const std::byte* p) { return reinterpret_cast<const unsigned char*>(p); }

void ready() { must(sodium_init() >= 0); }

template <std::size_t N>
std::array<std::byte, N> copy_of(ByteView bytes) {
  std::array<std::byte, N> out{};
  must(bytes.size() == N);
  std::copy(bytes.begin(), bytes.end(), out.begin());
  return out;
}

Secret<32> secret_of(ByteView bytes) { return Secret<32>{bytes.first<32>()}; }

struct CipherFree {
  void operator()(EVP_CIPHER_CTX* c) const { EVP_CIPHER_CTX_free(c); }
};
using Cipher = std::unique_ptr<EVP_CIPHER_CTX, CipherFree>;

std::array<unsigned char, 12> nonce_bytes(std::uint64_t nonce) {
  std::array<unsigned char, 12> out{};
  for (std::size_t i = 0; i < 8; ++i) out[11 - i] = static_cast<unsigned char>(nonce >> (8 * i));
  return out;
}

Error seal_broken() {
  return Error{Code::Corrupt, "sealed bytes do not open: changed, or sealed to another key"};
}

}  // namespace

std::string Digest::text() const { return "sha256:" + hex(bytes); }

std::string Digest::id(std::string_view prefix) const {
  return std::string(prefix) + base32(ByteView{bytes}.first(10));
}

Result<Digest> Digest::parse(std::string_view text) {
  constexpr std::string_view kPrefix = "sha256:";
  if (text.starts_with(kPrefix)) {
    auto bytes = parse_hex(text.substr(kPrefix.size()));
    if (bytes && bytes->size() == 32) return Digest{copy_of<32>(*bytes)};
  }
  return Error{Code::InvalidArgument, "not a digest: sha256: and 64 hex digits"};
}

Result<Digest> Digest::from_bytes(ByteView bytes) {
  if (bytes.size() != 32) return Error{Code::InvalidArgument, "a digest has 32 bytes"};
  return Digest{copy_of<32>(bytes)};
}

Digest sha256(ByteView bytes) { return Sha256{}.update(bytes).finish(); }

namespace {

// RFC 2104: the two hashes of HMAC, after the block that the key fills.
Sha256 keyed(const Key& key, std::byte pad) {
  std::array<std::byte, 64> block{};
  block.fill(pad);
  for (std::size_t i = 0; i < key.expose().size(); ++i) block[i] ^= key.expose()[i];
  Sha256 out;
  out.update(block);
  OPENSSL_cleanse(block.data(), block.size());
  return out;
}
Sha256 inner(const Key& key) { return keyed(key, std::byte{0x36}); }
Digest outer(const Key& key, Sha256& inner) {
  return keyed(key, std::byte{0x5c}).update(inner.finish().bytes).finish();
}

}  // namespace

Digest hmac_sha256(const Key& key, ByteView bytes) {
  Sha256 hash = inner(key);
  hash.update(bytes);
  return outer(key, hash);
}

std::vector<Digest> hmac_sha256(const Key& key, std::span<const ByteView> messages) {
  std::vector<Sha256> hashes;
  std::vector<HashUpdate> updates;
  for (std::size_t i = 0; i < messages.size(); ++i) hashes.push_back(inner(key));
  for (std::size_t i = 0; i < messages.size(); ++i) updates.push_back({&hashes[i], messages[i]});
  update_all(updates);
  std::vector<Digest> out;
  for (auto& hash : hashes) out.push_back(outer(key, hash));
  return out;
}

Key derive_key(const Key& key, std::string_view label) {
  return Key{std::span<const std::byte, 32>{hmac_sha256(key, bytes_of(label)).bytes}};
}

ByteVector random_bytes(std::size_t length) {
  ready();
  ByteVector out(length);
  randombytes_buf(out.data(), out.size());
  return out;
}

Key random_key() { return secret_of(random_bytes(32)); }

Result<Key> key_from(ByteView bytes) {
  if (bytes.size() != 32) return Error{Code::InvalidArgument, "a key has 32 bytes"};
  return secret_of(bytes);
}

ByteVector aead_seal(const Key& key, ByteView plain, ByteView associated, std::uint64_t nonce) {
  ByteVector bytes;
  bytes.reserve(plain.size() + kAeadOverhead);
  bytes.assign(plain.begin(), plain.end());
  return aead_seal(key, std::move(bytes), associated, nonce);
}

ByteVector aead_seal(const Key& key, ByteVector&& plain, ByteView associated, std::uint64_t nonce) {
  const Cipher cipher{EVP_CIPHER_CTX_new()};
  must(cipher != nullptr);
  const auto iv = nonce_bytes(nonce);
  ByteVector out{std::move(plain)};
  const std::size_t size = out.size();
  out.resize(size + kAeadOverhead);
  int length = 0;
  must(EVP_EncryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, raw(key.expose().data()),
                          iv.data()) == 1);
  must(EVP_EncryptUpdate(cipher.get(), nullptr, &length, raw(associated.data()),
                         static_cast<int>(associated.size())) == 1);
  must(EVP_EncryptUpdate(cipher.get(), raw(out.data()), &length, raw(out.data()),
                         static_cast<int>(size)) == 1);
  must(EVP_EncryptFinal_ex(cipher.get(), raw(out.data()) + length, &length) == 1);
  must(EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_GET_TAG, kAeadOverhead, out.data() + size) ==
       1);
  return out;
}

Result<ByteVector> aead_open(const Key& key, ByteView sealed, ByteView associated,
                             std::uint64_t nonce) {
  return aead_open(key, ByteVector{sealed.begin(), sealed.end()}, associated, nonce);
}

Result<ByteVector> aead_open(const Key& key, ByteVector&& sealed, ByteView associated,
                             std::uint64_t nonce) {
  if (sealed.size() < kAeadOverhead) return seal_broken();
  const Cipher cipher{EVP_CIPHER_CTX_new()};
  must(cipher != nullptr);
  const auto iv = nonce_bytes(nonce);
  ByteVector out{std::move(sealed)};
  ByteVector tag(out.end() - kAeadOverhead, out.end());
  out.resize(out.size() - kAeadOverhead);
  int length = 0;
  must(EVP_DecryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, raw(key.expose().data()),
                          iv.data()) == 1);
  must(EVP_DecryptUpdate(cipher.get(), nullptr, &length, raw(associated.data()),
                         static_cast<int>(associated.size())) == 1);
  must(EVP_DecryptUpdate(cipher.get(), raw(out.data()), &length, raw(out.data()),
                         static_cast<int>(out.size())) == 1);
  must(EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_SET_TAG, kAeadOverhead, tag.data()) == 1);
  if (EVP_DecryptFinal_ex(cipher.get(), raw(out.data()) + length, &length) != 1) {
    return seal_broken();
  }
  return out;
}

Result<std::array<std::byte, 32>> parse_key32(std::string_view base64_text) {
  auto bytes = parse_base64(base64_text);
  if (bytes && bytes->size() == 32) return copy_of<32>(*bytes);
  return Error{Code::InvalidArgument, "not base64 of 32 bytes"};
}

SignKey SignKey::generate() { return *from_seed(random_bytes(32)); }

Result<SignKey> SignKey::from_seed(ByteView seed) {
  ready();
  if (seed.size() != 32) return Error{Code::InvalidArgument, "a signing seed has 32 bytes"};
  SignPublic pub{};
  std::array<unsigned char, 64> expanded{};
  must(crypto_sign_seed_keypair(raw(pub.data()), expanded.data(), raw(seed.data())) == 0);
  sodium_memzero(expanded.data(), expanded.size());
  return SignKey{secret_of(seed), pub};
}

Signature SignKey::sign(ByteView message) const {
  SignPublic pub{};
  std::array<unsigned char, 64> expanded{};
  must(crypto_sign_seed_keypair(raw(pub.data()), expanded.data(), raw(seed_.expose().data())) == 0);
  Signature out{};
  must(crypto_sign_detached(raw(out.data()), nullptr, raw(message.data()), message.size(),
                            expanded.data()) == 0);
  sodium_memzero(expanded.data(), expanded.size());
  return out;
}

bool verify(const SignPublic& key, ByteView message, ByteView signature) {
  ready();
  return signature.size() == 64 &&
         crypto_sign_verify_detached(raw(signature.data()), raw(message.data()), message.size(),
                                     raw(key.data())) == 0;
}

SealKey SealKey::generate() { return *from_secret(random_bytes(32)); }

Result<SealKey> SealKey::from_secret(ByteView secret) {
  ready();
  if (secret.size() != 32) return Error{Code::InvalidArgument, "a sealing key has 32 bytes"};
  SealPublic pub{};
  must(crypto_scalarmult_base(raw(pub.data()), raw(secret.data())) == 0);
  return SealKey{secret_of(secret), pub};
}

Result<ByteVector> SealKey::open(ByteView sealed) const {
  if (sealed.size() < crypto_box_SEALBYTES) return seal_broken();
  ByteVector out(sealed.size() - crypto_box_SEALBYTES);
  if (crypto_box_seal_open(raw(out.data()), raw(sealed.data()), sealed.size(), raw(public_.data()),
                           raw(secret_.expose().data())) != 0) {
    return seal_broken();
  }
  return out;
}

Result<ByteVector> seal_to(const SealPublic& recipient, ByteView plain) {
  ready();
  ByteVector out(plain.size() + crypto_box_SEALBYTES);
  if (crypto_box_seal(raw(out.data()), raw(plain.data()), plain.size(), raw(recipient.data())) !=
      0) {
    return Error{Code::InvalidArgument, "the recipient's key is no X25519 key"};
  }
  return out;
}

bool equal_constant_time(ByteView a, ByteView b) {
  return a.size() == b.size() && sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace coffer
