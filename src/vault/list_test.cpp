#include "vault/list.h"

#include <gtest/gtest.h>

#include <set>

#include "vault/detail/scratch_test.h"

namespace coffer::vault {
namespace {

FileEntry entry_of(const std::string& path, const std::string& content) {
  FileEntry entry;
  entry.path = path;
  entry.size = content.size();
  if (!content.empty()) {
    entry.chunks.push_back(seal_plain(key_of(0x11), key_of(0x22), bytes_of(content)).ref);
  }
  return entry;
}

// 600 files: several segments.
std::vector<FileEntry> many() {
  std::vector<FileEntry> out;
  for (int i = 0; i < 600; ++i) {
    const std::string number = std::to_string(10'000 + i);
    out.push_back(entry_of("dir/" + number, number));
    if (i % 3 == 0) out.back().mode = FileMode::Executable;
  }
  return out;
}

ListSummary write_list(int fd, std::span<const FileEntry> entries) {
  auto writer = ListWriter::create(fd, key_of(9), key_of(0x11), Visibility::Protected);
  EXPECT_TRUE(writer);
  for (const auto& entry : entries) EXPECT_TRUE(writer->add(entry));
  return *writer->finish();
}

Result<ListSummary> read_all(UniqueFd fd, const Key& key) {
  COFFER_TRY(auto reader, ListReader::open(std::move(fd), key));
  for (;;) {
    COFFER_TRY(const auto entry, reader.next());
    if (!entry) return *reader.summary();
  }
}

TEST(VaultList, GivesBackWhatWasWritten) {
  const Scratch scratch;
  const UniqueFd fd = scratch.file("list");
  const auto entries = many();
  const ListSummary summary = write_list(fd.get(), entries);
  EXPECT_EQ(summary.files, 600U);
  EXPECT_EQ(summary.bytes, 3'000U);
  EXPECT_EQ(summary.list, sha256(scratch.read("list")));
  auto reader = ListReader::open(scratch.file("list"), key_of(9));
  ASSERT_TRUE(reader);
  EXPECT_TRUE(reader->dataset_key() == key_of(0x11));
  for (const auto& wanted : entries) {
    const auto got = reader->next();
    ASSERT_TRUE(got && *got);
    EXPECT_EQ((*got)->path, wanted.path);
    EXPECT_EQ((*got)->mode, wanted.mode);
    ASSERT_EQ((*got)->chunks.size(), 1U);
    EXPECT_EQ((*got)->chunks[0].id, wanted.chunks[0].id);
    EXPECT_TRUE((*got)->chunks[0].key == wanted.chunks[0].key);
  }
  EXPECT_FALSE(reader->summary());
  const auto end = reader->next();
  ASSERT_TRUE(end);
  EXPECT_FALSE(*end);
  EXPECT_EQ(reader->summary()->list, summary.list);
  EXPECT_EQ(reader->summary()->content, summary.content);
}

TEST(VaultList, NamesOfChunksAreReadWithoutAKey) {
  const Scratch scratch;
  const UniqueFd fd = scratch.file("list");
  auto entries = many();
  std::set<Digest> wanted;
  for (const auto& entry : entries) wanted.insert(entry.chunks[0].name);
  (void)write_list(fd.get(), entries);
  const auto names = list_chunk_names(fd.get());
  ASSERT_TRUE(names);
  EXPECT_EQ(*names, (std::vector<Digest>{wanted.begin(), wanted.end()}));
}

TEST(VaultList, FindsEveryChangeAndEveryCut) {
  const Scratch scratch;
  const UniqueFd fd = scratch.file("list");
  const ListSummary summary = write_list(fd.get(), many());
  const std::string whole = scratch.read("list");
  std::mt19937 random{1};
  for (int i = 0; i < 60; ++i) {
    std::string changed = whole;
    const std::size_t at = i < 20 ? static_cast<std::size_t>(i) : random() % whole.size();
    changed[at] = static_cast<char>(changed[at] ^ (1 << (random() % 8)));
    scratch.write("changed", changed);
    const auto read = read_all(scratch.file("changed"), key_of(9));
    // A changed name behind the segments does not concern a reader; the list's digest shows it.
    EXPECT_TRUE(!read || read->list != summary.list) << at;
    scratch.write("cut", whole.substr(0, random() % whole.size()));
    const auto cut = read_all(scratch.file("cut"), key_of(9));
    EXPECT_TRUE(!cut || cut->list != summary.list);
  }
  EXPECT_FALSE(read_all(scratch.file("list"), key_of(8)));
  EXPECT_TRUE(read_all(scratch.file("list"), key_of(9)));
}

TEST(VaultList, RefusesEntriesThatBreakItsRules) {
  const Scratch scratch;
  const UniqueFd fd = scratch.file("list");
  auto writer = ListWriter::create(fd.get(), key_of(9), key_of(0x11), Visibility::Protected);
  const auto refused = [&](const FileEntry& entry) {
    const auto added = writer->add(entry);
    return !added && added.error().code == Code::InvalidArgument;
  };
  EXPECT_FALSE(writer->finish());  // no file yet
  EXPECT_TRUE(refused(entry_of("../a", "x")));
  FileEntry lies = entry_of("a", "x");
  lies.size = 2;
  EXPECT_TRUE(refused(lies));
  EXPECT_TRUE(writer->add(entry_of("a", "x")));
  EXPECT_TRUE(refused(entry_of("a", "x")));
  EXPECT_TRUE(refused(entry_of("a/b", "x")));
  EXPECT_TRUE(writer->add(entry_of("b", "")));
}

TEST(VaultList, TheContentDigestIsOfPathsModesAndIdsUnderTheDatasetsKey) {
  const auto content_of = [](const FileEntry& entry, unsigned char dataset_key) {
    const Scratch scratch;
    const UniqueFd fd = scratch.file("list");
    auto writer =
        ListWriter::create(fd.get(), key_of(9), key_of(dataset_key), Visibility::Protected);
    return writer->add(entry) ? writer->finish()->content : Digest{};
  };
  const FileEntry entry = entry_of("a", "x");
  const Digest content = content_of(entry, 0x11);
  EXPECT_EQ(content_of(entry.copy(), 0x11), content);
  EXPECT_NE(content_of(entry, 0x12), content);
  EXPECT_NE(content_of(entry_of("b", "x"), 0x11), content);
  EXPECT_NE(content_of(entry_of("a", "y"), 0x11), content);
  FileEntry executable = entry.copy();
  executable.mode = FileMode::Executable;
  EXPECT_NE(content_of(executable, 0x11), content);
  FileEntry sealed_again = entry.copy();
  sealed_again.chunks[0].name = sha256("another sealing");
  EXPECT_EQ(content_of(sealed_again, 0x11), content);
}

// The worked example of docs/formats/vault.md: the bytes there are these.
TEST(VaultList, IsLaidOutAsTheDocumentSays) {
  const Scratch scratch;
  const UniqueFd fd = scratch.file("list");
  const FileEntry entry = entry_of("t.csv", "a,b\n1,2\n");
  const ListSummary summary = write_list(fd.get(), std::span{&entry, 1});
  EXPECT_EQ(hex(bytes_of(scratch.read("list"))),
            "636f666665722d6c6973742d76320a0a000000e1f7d27435362e2a9cac02fd13619839b9405b943a"
            "2022bdb994257292a0676ee32f11e3d3e238b196831a12c04b66b7785891d319ef51f1a4fc01b049"
            "bd0a2c57839b3e40da4eead1d1b955a9ef762c56e732c26cb3ee41341f6a2fd44076fadedce91d0e"
            "6422b6a19d8477b93a764827abff845325b25180c471e76c1dd983e8c4901b675f6e2259973cfc56"
            "5b91b05cf054a6026d5d50c187d7b0ed1fd22a8c506d3c9c923971a135c16665099f0bec7e912ebf"
            "37cd4765c296a64ada398287e25a3906156dfe254bef1d0aa261fc6b13511a8489a55eb6b5e889c5"
            "58d749407f00000000ca767019e36a765ce051aebf1a7645efb99562572788639026296aa0475a2a"
            "ba");
  EXPECT_EQ(hex(summary.list.bytes),
            "00ff23bbcadd8aeb1577b2c7ca901668b66b068090472385ba33fafe100bded6");
  EXPECT_EQ(hex(summary.content.bytes),
            "53f439bdf4f8a76fcb2091da27cb42795bc23d8fa19a19a3d60fde6ddecec3ff");
}

// What the first layout's document said: versions of before are read as they were signed.
constexpr std::string_view kFirstLayout =
    "636f666665722d6c6973742d76310a0a00000125f7d27435362e2a9cac02fd13619839b9405b943a"
    "2022bdb994257292a0676ee32f11e3d3e238b196831a12c04b66b7785891d319ef51f185d417c4db"
    "456ba523e772d5a1d8b108aa8858330cb258fba526d495c6d1ce46db38193a5faab5b1999e3aa91c"
    "c49dcecd974a0775d93a1e01cef416853af705dce653c54f24dee66b2de083022a96d8a984d20f3c"
    "1361c7e8bc6b60e0bdaa167ad6c48439d5a45a8cb3074ac07268df1e2eb7238ab00a69bb514ab916"
    "ac10d562ea07ac61223c6be7b923d919b8ee461eca1b30f6ed9d108ace290ade4f7b97e4246eafaf"
    "78db635ff33a9fef2763f042a411cb9c6b9ef72b3f4a6e227f8e3e95db27bc77601aa225e554c982"
    "3649d6f6fd10f7b5bdd36b6e6742c533cbbf8541b3227233babe4aac0dea8d335e00000000ca7670"
    "19e36a765ce051aebf1a7645efb99562572788639026296aa0475a2aba";

TEST(VaultList, TheFirstLayoutIsStillRead) {
  const Scratch scratch;
  scratch.write("list", text_of(*parse_hex(kFirstLayout)));
  auto reader = ListReader::open(scratch.file("list"), key_of(9));
  ASSERT_TRUE(reader);
  const auto entry = reader->next();
  ASSERT_TRUE(entry && *entry);
  EXPECT_EQ((*entry)->path, "t.csv");
  EXPECT_EQ((*entry)->chunks[0].id, entry_of("t.csv", "a,b\n1,2\n").chunks[0].id);
  ASSERT_TRUE(reader->next());
  EXPECT_EQ(hex(reader->summary()->list.bytes),
            "f265b329fece844fec811921bd5a3bf24d05973d2780ec220eb25567e4099b2f");
  EXPECT_EQ(hex(reader->summary()->content.bytes),
            "6dc07a5022d21177e26fa4244238a24b6abfb0dcfbb70fe2d26b220dac33085c");
  EXPECT_EQ(list_chunk_names(scratch.file("list").get())->size(), 1U);
}

}  // namespace
}  // namespace coffer::vault
