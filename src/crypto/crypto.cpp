#include "crypto/crypto.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace coffer {
namespace {

// A failure of the library itself (no memory, no entropy): there is nothing to go on with.
void must(bool ok) {
  if (ok) return;
  (void)std::fputs("crypto: the library failed\n", stderr);
  std::abort();
}

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

// Looked up once: the look-up costs more than the hash of a short message.
const EVP_MD* sha256_method() {
  static const EVP_MD* const kMethod = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  must(kMethod != nullptr);
  return kMethod;
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

void Sha256::Free::operator()(void* context) const {
  EVP_MD_CTX_free(static_cast<EVP_MD_CTX*>(context));
}

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  must(context_ != nullptr);
  must(EVP_DigestInit_ex(static_cast<EVP_MD_CTX*>(context_.get()), sha256_method(), nullptr) == 1);
}

Sha256& Sha256::update(ByteView bytes) {
  must(EVP_DigestUpdate(static_cast<EVP_MD_CTX*>(context_.get()), bytes.data(), bytes.size()) == 1);
  return *this;
}

Digest Sha256::finish() {
  Digest out;
  must(EVP_DigestFinal_ex(static_cast<EVP_MD_CTX*>(context_.get()), raw(out.bytes.data()),
                          nullptr) == 1);
  return out;
}

Digest sha256(ByteView bytes) { return Sha256{}.update(bytes).finish(); }

Digest hmac_sha256(const Key& key, ByteView bytes) {
  Digest out;
  unsigned length = 32;
  must(HMAC(sha256_method(), key.expose().data(), 32, raw(bytes.data()), bytes.size(),
            raw(out.bytes.data()), &length) != nullptr);
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
  const Cipher cipher{EVP_CIPHER_CTX_new()};
  must(cipher != nullptr);
  const auto iv = nonce_bytes(nonce);
  ByteVector out(plain.size() + kAeadOverhead);
  int length = 0;
  must(EVP_EncryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, raw(key.expose().data()),
                          iv.data()) == 1);
  must(EVP_EncryptUpdate(cipher.get(), nullptr, &length, raw(associated.data()),
                         static_cast<int>(associated.size())) == 1);
  must(EVP_EncryptUpdate(cipher.get(), raw(out.data()), &length, raw(plain.data()),
                         static_cast<int>(plain.size())) == 1);
  must(EVP_EncryptFinal_ex(cipher.get(), raw(out.data()) + length, &length) == 1);
  must(EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_GET_TAG, kAeadOverhead,
                           out.data() + plain.size()) == 1);
  return out;
}

Result<ByteVector> aead_open(const Key& key, ByteView sealed, ByteView associated,
                             std::uint64_t nonce) {
  if (sealed.size() < kAeadOverhead) return seal_broken();
  const Cipher cipher{EVP_CIPHER_CTX_new()};
  must(cipher != nullptr);
  const auto iv = nonce_bytes(nonce);
  ByteVector out(sealed.size() - kAeadOverhead);
  ByteVector tag(sealed.end() - kAeadOverhead, sealed.end());
  int length = 0;
  must(EVP_DecryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, raw(key.expose().data()),
                          iv.data()) == 1);
  must(EVP_DecryptUpdate(cipher.get(), nullptr, &length, raw(associated.data()),
                         static_cast<int>(associated.size())) == 1);
  must(EVP_DecryptUpdate(cipher.get(), raw(out.data()), &length, raw(sealed.data()),
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
