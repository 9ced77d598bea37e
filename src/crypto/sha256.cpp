// SHA-256: OpenSSL's, and a block function of our own for two messages at once.
//
// On processors with SHA instructions one message waits for its own last round most of the time;
// a second one beside it costs nothing.
#define OPENSSL_SUPPRESS_DEPRECATED  // the only interface that shows a hash's state between blocks
#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>

#include "crypto/crypto.h"
#include "crypto/detail/must.h"

#ifdef __x86_64__
#include <cpuid.h>
#include <immintrin.h>
#endif

namespace coffer {
namespace {

constexpr std::size_t kBlock = SHA256_CBLOCK;

SHA256_CTX* state_of(void* context) { return static_cast<SHA256_CTX*>(context); }

#ifdef __x86_64__

#define COFFER_SHA __attribute__((always_inline, target("sha,sse4.1"))) inline

alignas(16) constexpr std::array<std::uint32_t, 64> kRound{
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

// One message: its state in the order that the instructions want, and 16 words of its schedule.
struct Lane {
  __m128i abef, cdgh;
  __m128i w[4];
  __m128i abef_before, cdgh_before;
};

COFFER_SHA void load_state(Lane& lane, const SHA256_CTX& state) {
  const auto h = [&](int i) { return static_cast<int>(state.h[i]); };
  lane.abef = _mm_set_epi32(h(0), h(1), h(4), h(5));
  lane.cdgh = _mm_set_epi32(h(2), h(3), h(6), h(7));
}

COFFER_SHA void store_state(const Lane& lane, SHA256_CTX& state) {
  alignas(16) std::array<std::uint32_t, 8> words{};
  _mm_store_si128(reinterpret_cast<__m128i*>(words.data()), lane.abef);
  _mm_store_si128(reinterpret_cast<__m128i*>(words.data() + 4), lane.cdgh);
  const auto [f, e, b, a, h, g, d, c] = words;
  const std::array<std::uint32_t, 8> ordered{a, b, c, d, e, f, g, h};
  std::copy(ordered.begin(), ordered.end(), std::begin(state.h));
}

COFFER_SHA void load_block(Lane& lane, const std::byte* block) {
  const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  for (int i = 0; i < 4; ++i) {
    const auto* words = reinterpret_cast<const __m128i*>(block) + i;
    lane.w[i] = _mm_shuffle_epi8(_mm_loadu_si128(words), swap);
  }
  lane.abef_before = lane.abef;
  lane.cdgh_before = lane.cdgh;
}

// Words `w` of both, and the four rounds from `round` on.
COFFER_SHA void four_rounds(Lane& a, Lane& b, std::size_t round, int w) {
  const __m128i constants = _mm_load_si128(reinterpret_cast<const __m128i*>(kRound.data() + round));
  const __m128i x = _mm_add_epi32(a.w[w], constants);
  const __m128i y = _mm_add_epi32(b.w[w], constants);
  a.cdgh = _mm_sha256rnds2_epu32(a.cdgh, a.abef, x);
  b.cdgh = _mm_sha256rnds2_epu32(b.cdgh, b.abef, y);
  a.abef = _mm_sha256rnds2_epu32(a.abef, a.cdgh, _mm_shuffle_epi32(x, 0x0e));
  b.abef = _mm_sha256rnds2_epu32(b.abef, b.cdgh, _mm_shuffle_epi32(y, 0x0e));
}

using Words = std::int32_t __attribute__((vector_size(16)));

// The last three words of `a` and the first of `b`. _mm_alignr_epi8() is no constant expression of
// its shift where overflows are watched.
COFFER_SHA __m128i one_word_on(__m128i a, __m128i b) {
  const auto shifted =
      __builtin_shufflevector(reinterpret_cast<Words>(a), reinterpret_cast<Words>(b), 1, 2, 3, 4);
  return reinterpret_cast<__m128i>(shifted);
}

// Words `w` become those of sixteen rounds later.
COFFER_SHA void next_words(Lane& lane, int w) {
  const __m128i last = lane.w[(w + 3) % 4];
  const __m128i shifted = one_word_on(lane.w[(w + 2) % 4], last);
  const __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(lane.w[w], lane.w[(w + 1) % 4]), shifted);
  lane.w[w] = _mm_sha256msg2_epu32(sum, last);
}

COFFER_SHA void step(Lane& a, Lane& b, std::size_t round, int w) {
  four_rounds(a, b, round, w);
  next_words(a, w);
  next_words(b, w);
}

COFFER_SHA void sixteen_rounds(Lane& a, Lane& b, std::size_t round) {
  step(a, b, round, 0);
  step(a, b, round + 4, 1);
  step(a, b, round + 8, 2);
  step(a, b, round + 12, 3);
}

COFFER_SHA void add_before(Lane& lane) {
  lane.abef = _mm_add_epi32(lane.abef, lane.abef_before);
  lane.cdgh = _mm_add_epi32(lane.cdgh, lane.cdgh_before);
}

// FIPS 180-4, section 6.2.2, for two messages in step.
__attribute__((target("sha,sse4.1"))) void two_lanes(SHA256_CTX& first, const std::byte* x,
                                                     SHA256_CTX& second, const std::byte* y,
                                                     std::size_t blocks) {
  Lane a;
  Lane b;
  load_state(a, first);
  load_state(b, second);
  for (; blocks > 0; --blocks, x += kBlock, y += kBlock) {
    load_block(a, x);
    load_block(b, y);
    sixteen_rounds(a, b, 0);
    sixteen_rounds(a, b, 16);
    sixteen_rounds(a, b, 32);
    four_rounds(a, b, 48, 0);
    four_rounds(a, b, 52, 1);
    four_rounds(a, b, 56, 2);
    four_rounds(a, b, 60, 3);
    add_before(a);
    add_before(b);
  }
  store_state(a, first);
  store_state(b, second);
}

bool has_sha_instructions() {
  static const bool kHas = [] {
    unsigned a = 0;
    unsigned b = 0;
    unsigned c = 0;
    unsigned d = 0;
    constexpr unsigned kSsse3AndSse41 = 1U << 9 | 1U << 19;
    if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & kSsse3AndSse41) != kSsse3AndSse41) return false;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b & 1U << 29) != 0;
  }();
  return kHas;
}

#else

void two_lanes(SHA256_CTX&, const std::byte*, SHA256_CTX&, const std::byte*, std::size_t) {}
bool has_sha_instructions() { return false; }

#endif

void count_blocks(SHA256_CTX& state, std::size_t blocks) {
  const std::uint64_t bits =
      (std::uint64_t{state.Nh} << 32 | state.Nl) + std::uint64_t{blocks} * kBlock * 8;
  state.Nl = static_cast<SHA_LONG>(bits);
  state.Nh = static_cast<SHA_LONG>(bits >> 32);
}

}  // namespace

void Sha256::Free::operator()(void* context) const {
  OPENSSL_cleanse(context, sizeof(SHA256_CTX));
  delete state_of(context);
}

Sha256::Sha256() : context_(new SHA256_CTX) { must(SHA256_Init(state_of(context_.get())) == 1); }

Sha256& Sha256::update(ByteView bytes) {
  must(SHA256_Update(state_of(context_.get()), bytes.data(), bytes.size()) == 1);
  return *this;
}

Digest Sha256::finish() {
  Digest out;
  must(SHA256_Final(reinterpret_cast<unsigned char*>(out.bytes.data()), state_of(context_.get())) ==
       1);
  return out;
}

ByteView Sha256::to_block_edge(ByteView bytes) {
  const std::size_t waiting = state_of(context_.get())->num;
  const std::size_t missing = std::min(bytes.size(), (kBlock - waiting) % kBlock);
  update(bytes.first(missing));
  return bytes.subspan(missing);
}

void update_all(std::span<const HashUpdate> updates) {
  std::array<HashUpdate, 2> lanes{};
  const auto rest = [](HashUpdate& lane) {
    if (lane.hash != nullptr) lane.hash->update(lane.bytes);
    lane.hash = nullptr;
  };
  for (const auto& update : updates) {
    if (!has_sha_instructions()) {
      update.hash->update(update.bytes);
      continue;
    }
    // The lane that ended goes on with this one; then both advance until one of them ends.
    HashUpdate& free = lanes[0].bytes.size() <= lanes[1].bytes.size() ? lanes[0] : lanes[1];
    rest(free);
    free = {update.hash, update.hash->to_block_edge(update.bytes)};
    if (lanes[0].hash == nullptr || lanes[1].hash == nullptr) continue;
    const std::size_t blocks = std::min(lanes[0].bytes.size(), lanes[1].bytes.size()) / kBlock;
    const auto context = [&](std::size_t i) -> SHA256_CTX& {
      return *state_of(lanes[i].hash->context_.get());
    };
    two_lanes(context(0), lanes[0].bytes.data(), context(1), lanes[1].bytes.data(), blocks);
    for (std::size_t i = 0; i < 2; ++i) {
      count_blocks(context(i), blocks);
      lanes[i].bytes = lanes[i].bytes.subspan(blocks * kBlock);
    }
  }
  rest(lanes[0]);
  rest(lanes[1]);
}

}  // namespace coffer
