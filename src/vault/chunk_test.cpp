#include "vault/chunk.h"

#include <gtest/gtest.h>

#include <set>

#include "vault/chunker.h"
#include "vault/detail/scratch_test.h"

namespace coffer::vault {
namespace {

std::vector<std::string_view> chunks_of(const Chunker& chunker, std::string_view data) {
  std::vector<std::string_view> out;
  while (!data.empty()) {
    const std::size_t length = chunker.cut(bytes_of(data));
    out.push_back(data.substr(0, length));
    data.remove_prefix(length);
  }
  return out;
}

TEST(VaultChunker, KeepsItsLimitsAndJoinsBackTogether) {
  const Chunker chunker{key_of(1)};
  const std::string data = noise(12U << 20, 1);
  std::string joined;
  const auto chunks = chunks_of(chunker, data);
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    EXPECT_LE(chunks[i].size(), kChunkMax);
    if (i + 1 < chunks.size()) {
      EXPECT_GT(chunks[i].size(), kChunkMin);
    }
    joined += chunks[i];
  }
  EXPECT_EQ(joined, data);
  EXPECT_GE(chunks.size(), 6U);  // 12 MiB at about one MiB each
  EXPECT_LE(chunks.size(), 24U);
}

TEST(VaultChunker, CutsUniformDataAtTheMaximumAndSmallDataNever) {
  const Chunker chunker{key_of(1)};
  EXPECT_EQ(chunker.cut(bytes_of(std::string(5U << 20, 'a'))), kChunkMax);
  EXPECT_EQ(chunker.cut(bytes_of(noise(kChunkMin, 2))), kChunkMin);
  EXPECT_EQ(chunker.cut(bytes_of("a")), 1U);
  EXPECT_EQ(chunker.cut({}), 0U);
}

// Boundaries are kept with every version: what was added before is found again only where these
// are cut again.
TEST(VaultChunker, CutsWhereItAlwaysDid) {
  const Chunker chunker{key_of(1)};
  const std::string data = noise(24U << 20, 9);
  std::vector<std::size_t> lengths;
  for (const auto chunk : chunks_of(chunker, data)) lengths.push_back(chunk.size());
  EXPECT_EQ(lengths, (std::vector<std::size_t>{1569021, 553079,  1219102, 1142026, 934322,  1052294,
                                               1160218, 1436035, 475073,  1463215, 1064515, 959026,
                                               1220678, 779777,  1233579, 1071897, 1164280, 1391140,
                                               1142061, 1130197, 1181825, 1170310, 652154}));
}

TEST(VaultChunker, AnInsertionChangesOnlyChunksNearIt) {
  const Chunker chunker{key_of(1)};
  const std::string data = noise(12U << 20, 3);
  const auto before = chunks_of(chunker, data);
  const std::set<std::string_view> known{before.begin(), before.end()};
  for (const std::size_t at : {std::size_t{0}, std::size_t{100}, std::size_t{5'000'000}}) {
    std::string changed = data;
    changed.insert(at, "inserted");
    std::size_t fresh = 0;
    for (const auto chunk : chunks_of(chunker, changed)) fresh += known.contains(chunk) ? 0U : 1U;
    EXPECT_GE(fresh, 1U);
    EXPECT_LE(fresh, 3U) << at;
  }
}

TEST(VaultChunker, BoundariesDependOnTheDatasetKey) {
  const std::string data = noise(6U << 20, 4);
  EXPECT_NE(chunks_of(Chunker{key_of(1)}, data), chunks_of(Chunker{key_of(2)}, data));
}

Result<std::string> opened(const ChunkRef& ref, ByteVector sealed) {
  COFFER_TRY(const ByteView plain, open_chunk(ref, sealed));
  COFFER_CHECK(check_ids(key_of(1), {&ref, 1}, {&plain, 1}));
  return std::string{text_of(plain)};
}

TEST(VaultChunk, OpensAgainAndIsSmallerWhereItCanBe) {
  const Key key = key_of(1);
  for (const std::string& plain :
       {std::string(1, 'x'), std::string(300'000, 'a'), noise(300'000, 5)}) {
    const SealedChunk sealed = seal_plain(key, random_key(), bytes_of(plain));
    EXPECT_EQ(*opened(sealed.ref, sealed.bytes), plain);
    EXPECT_LE(sealed.bytes.size(), plain.size() + kSealedOverhead);
  }
  EXPECT_LT(seal_plain(key, random_key(), bytes_of(std::string(300'000, 'a'))).bytes.size(), 1000U);
}

TEST(VaultChunk, IdsAgreeWithinADatasetOnlyAndNamesNever) {
  const auto plain = bytes_of("the same row");
  const auto other = bytes_of("another row");
  const std::array<ByteView, 2> chunks{plain, other};
  const auto ids = chunk_ids(key_of(1), chunks);
  EXPECT_EQ(ids[0], hmac_sha256(key_of(1), plain));
  EXPECT_EQ(ids[1], hmac_sha256(key_of(1), other));
  EXPECT_NE(ids, chunk_ids(key_of(2), chunks));
  const SealedChunk one = seal_plain(key_of(1), random_key(), plain);
  const SealedChunk two = seal_plain(key_of(1), random_key(), plain);
  EXPECT_EQ(one.ref.id, two.ref.id);
  EXPECT_NE(one.ref.name, two.ref.name);
}

TEST(VaultChunk, EveryFlippedBitAndEveryWrongReferenceIsFound) {
  const Key key = key_of(1);
  const SealedChunk sealed = seal_plain(key, random_key(), bytes_of("forty-two rows of data"));
  for (std::size_t bit = 0; bit < sealed.bytes.size() * 8; ++bit) {
    ByteVector changed = sealed.bytes;
    changed[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    EXPECT_FALSE(opened(sealed.ref, changed)) << bit;
  }
  ChunkRef other_id = sealed.ref.copy();
  other_id.id = sha256("x");
  ChunkRef longer = sealed.ref.copy();
  longer.plain_bytes += 1;
  EXPECT_FALSE(opened(other_id, sealed.bytes));
  EXPECT_FALSE(opened(longer, sealed.bytes));
  ChunkRef other_key = sealed.ref.copy();
  other_key.key = key_of(2);
  EXPECT_FALSE(opened(other_key, sealed.bytes));
  EXPECT_TRUE(opened(sealed.ref, sealed.bytes));
}

// The tag binds a chunk to the id that its owner wrote down, the id itself to its content.
TEST(VaultChunk, AnIdThatIsNotItsContentsIsFound) {
  const auto plain = bytes_of("forty-two rows of data");
  std::vector<PlainChunk> one;
  one.push_back({sha256("x"), random_key(), plain});
  auto sealed = seal_chunks(std::move(one));
  const ChunkRef& ref = sealed[0].ref;
  const auto opens = open_chunk(ref, sealed[0].bytes);
  ASSERT_TRUE(opens);
  EXPECT_EQ(text_of(*opens), text_of(plain));
  const auto checked = check_ids(key_of(1), {&ref, 1}, {&*opens, 1});
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().code, Code::Corrupt);
  EXPECT_NE(checked.error().message.find(ref.name.text()), std::string::npos);
}

TEST(VaultChunk, ManyAtOnceAreSealedAsOneByOne) {
  std::vector<std::string> plain;
  std::vector<ByteView> views;
  for (std::uint32_t i = 1; i < 8; ++i) plain.push_back(noise(std::size_t{40'000} * i, i));
  for (const auto& one : plain) views.push_back(bytes_of(one));
  const auto ids = chunk_ids(key_of(1), views);
  std::vector<PlainChunk> chunks;
  for (std::size_t i = 0; i < ids.size(); ++i) chunks.push_back({ids[i], key_of(9), views[i]});
  const auto sealed = seal_chunks(std::move(chunks));
  ASSERT_EQ(sealed.size(), plain.size());
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    EXPECT_EQ(sealed[i].ref.name, sha256(sealed[i].bytes));
    EXPECT_EQ(*opened(sealed[i].ref, sealed[i].bytes), plain[i]);
  }
}

// The worked example of docs/formats/vault.md: the bytes there are these.
TEST(VaultChunk, IsLaidOutAsTheDocumentSays) {
  const SealedChunk sealed = seal_plain(key_of(0x11), key_of(0x22), bytes_of("a,b\n1,2\n"));
  EXPECT_EQ(hex(sealed.ref.id.bytes),
            "1b2547a1cb52ba4757dad8d231ccd1486ad255966e1de4c0f2d56499511334dc");
  EXPECT_EQ(hex(sealed.bytes), "c891f876a558b339aa47440caf4a13dd562925ebefa7d0fe8e");
  EXPECT_EQ(hex(sealed.ref.name.bytes),
            "ca767019e36a765ce051aebf1a7645efb99562572788639026296aa0475a2aba");
}

}  // namespace
}  // namespace coffer::vault
