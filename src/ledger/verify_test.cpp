#include "ledger/verify.h"

#include <gtest/gtest.h>

#include "ledger/test_log.h"

namespace coffer::ledger {
namespace {

const std::vector<std::string> kFiles{
    "tile/0/000",       "tile/0/001",       "tile/0/002.p/88",      "tile/1/000.p/2",
    "tile/entries/000", "tile/entries/001", "tile/entries/002.p/88"};

Result<DirectoryReport> verify_dir(const TempDir& dir) {
  return verify_directory(dir.path(), Policy::of_key(log_vkey()));
}

std::string message_of(const Result<DirectoryReport>& result) {
  return result ? "verified" : result.error().message;
}

class VerifyDirectory : public ::testing::Test {
 protected:
  void SetUp() override { export_log(dir_, tree_, entries_); }

  // What verify says after byte `at` of a file was changed; the file is put back.
  std::string after_flip(const std::string& name, std::size_t at) {
    const std::string good = dir_.read(name);
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    dir_.write(name, bytes_of(bad));
    const auto result = verify_dir(dir_);
    dir_.write(name, bytes_of(good));
    return message_of(result);
  }

  std::vector<ByteVector> entries_ = decimal_entries(600);
  MerkleTree tree_ = tree_of(entries_);
  TempDir dir_;
};

TEST_F(VerifyDirectory, AcceptsWhatWasExported) {
  std::uint64_t last = 0;
  const auto report = verify_directory(dir_.path(), Policy::of_key(log_vkey()),
                                       [&](std::uint64_t done, std::uint64_t) { last = done; });
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->entries, 600U);
  EXPECT_EQ(report->bundles, 3U);
  EXPECT_EQ(report->hash_tiles, 4U);
  EXPECT_EQ(report->kinds.at(""), 600U);
  EXPECT_TRUE(report->gaps.empty());
  EXPECT_EQ(last, 600U);
}

TEST_F(VerifyDirectory, NamesTheFirstBadEntry) {
  // Bundle 0 has lengths of one digit first: entry 7 is at 7 * 3 + 2.
  EXPECT_EQ(after_flip("tile/entries/000", 23),
            "entry 7: its bytes are not those that were signed");
  const std::string end = "tile/entries/002.p/88";
  EXPECT_EQ(after_flip(end, dir_.read(end).size() - 1),
            "entry 599: its bytes are not those that were signed");
}

TEST_F(VerifyDirectory, NamesTheFirstBadHashTile) {
  EXPECT_EQ(after_flip("tile/0/001", 5 * 32), "tile/0/001: hash 5 is not that of entry 261");
  EXPECT_EQ(after_flip("tile/0/002.p/88", 87 * 32 + 31),
            "tile/0/002.p/88: hash 87 is not that of entry 599");
  EXPECT_EQ(after_flip("tile/1/000.p/2", 40),
            "tile/1/000.p/2: hash 1 is not that of the level below");
}

TEST_F(VerifyDirectory, NoFlippedByteAnywherePasses) {
  for (const auto& name : kFiles) {
    const std::size_t size = dir_.read(name).size();
    for (std::size_t at = 0; at < size; at += std::max<std::size_t>(1, size / 3)) {
      EXPECT_NE(after_flip(name, at), "verified") << name << " at " << at;
    }
  }
  for (std::size_t at = 0; at < dir_.read("checkpoint").size(); ++at) {
    EXPECT_NE(after_flip("checkpoint", at), "verified") << at;
  }
}

TEST_F(VerifyDirectory, NamesFilesThatAreMissingOrCutShort) {
  for (const auto& name : kFiles) {
    const std::string good = dir_.read(name);
    std::filesystem::remove(dir_.path() / name);
    EXPECT_EQ(message_of(verify_dir(dir_)).substr(0, name.size()), name);
    dir_.write(name, bytes_of(good.substr(0, good.size() - 1)));
    EXPECT_EQ(message_of(verify_dir(dir_)).substr(0, name.size()), name);
    dir_.write(name, bytes_of(good + "x"));
    EXPECT_EQ(message_of(verify_dir(dir_)).substr(0, name.size()), name);
    dir_.write(name, bytes_of(good));
  }
  EXPECT_EQ(message_of(verify_dir(dir_)), "verified");
}

TEST_F(VerifyDirectory, ABadEntryBeforeAMissingFileIsNamedFirst) {
  std::filesystem::remove(dir_.path() / "tile/entries/001");
  EXPECT_EQ(after_flip("tile/entries/000", 23),
            "entry 7: its bytes are not those that were signed");
}

TEST_F(VerifyDirectory, EntriesAndHashesForgedTogetherFailAtTheRoot) {
  auto forged = entries_;
  forged[300] = bytes_from("forged");
  export_log(dir_, tree_of(forged), forged);
  dir_.write("checkpoint", bytes_of(signed_checkpoint(tree_)));
  EXPECT_EQ(message_of(verify_dir(dir_)), "checkpoint: its root is not that of the entries");
}

TEST_F(VerifyDirectory, AnotherKeyIsRefused) {
  const auto other = VerifierKey::make(kLogName, KeyType::Ed25519, counting_key(9).public_key());
  EXPECT_FALSE(verify_directory(dir_.path(), Policy::of_key(*other)));
  EXPECT_EQ(verify_directory("/nonexistent", Policy::of_key(log_vkey())).error().code,
            Code::NotFound);
}

TEST(VerifyEmpty, ALogWithoutEntriesIsFine) {
  const TempDir dir;
  export_log(dir, MerkleTree{}, {});
  EXPECT_EQ(verify_dir(dir)->entries, 0U);
}

// Entries of our own form, those in `lost` exported as nothing.
struct Restored {
  std::vector<ByteVector> entries;
  MerkleTree tree;
};

Entry of_kind(std::string_view kind) {
  return {std::string(kind), *parse_time("2026-03-01T09:30:00Z"), sha256(kind), std::nullopt};
}

Restored restored(LostRange announced) {
  std::vector<ByteVector> entries;
  for (int i = 0; i < 8; ++i) entries.push_back(of_kind("run").public_bytes());
  Entry recovery = of_kind("recovery");
  recovery.lost = announced;
  entries.push_back(recovery.public_bytes());
  Restored log{entries, tree_of(entries)};
  for (std::size_t i = 3; i <= 5; ++i) log.entries[i].clear();
  return log;
}

TEST(VerifyGap, LostEntriesThatARecoveryOwnsUpToAreNamed) {
  const TempDir dir;
  const Restored log = restored({3, 5});
  export_log(dir, log.tree, log.entries);
  const auto report = verify_dir(dir);
  ASSERT_TRUE(report) << report.error().message;
  ASSERT_EQ(report->gaps.size(), 1U);
  EXPECT_EQ(report->gaps[0].lost, (LostRange{3, 5}));
  EXPECT_EQ(report->gaps[0].recovery, 8U);
  EXPECT_EQ(report->kinds.at("run"), 5U);
  EXPECT_EQ(report->kinds.at("recovery"), 1U);
}

TEST(VerifyGap, LostEntriesThatNobodyOwnsUpToAreNot) {
  for (const LostRange announced : {LostRange{3, 4}, LostRange{4, 5}, LostRange{3, 9}}) {
    const TempDir dir;
    const Restored log = restored(announced);
    export_log(dir, log.tree, log.entries);
    const std::string first = announced.first == 4  ? "entry 3"
                              : announced.last == 9 ? "entry 3"
                                                    : "entry 5";
    EXPECT_EQ(message_of(verify_dir(dir)),
              first + ": is lost, and no later recovery entry says so");
  }
}

TEST(VerifyGap, AForgedRecoveryIsItselfTheBadEntry) {
  const TempDir dir;
  Restored log = restored({3, 4});
  Entry forged = of_kind("recovery");
  forged.lost = LostRange{3, 5};
  log.entries[8] = forged.public_bytes();
  export_log(dir, log.tree, log.entries);
  EXPECT_EQ(message_of(verify_dir(dir)), "entry 8: its bytes are not those that were signed");
}

TEST(VerifyGap, AnEntryThatIsReallyEmptyIsNoGap) {
  const TempDir dir;
  const std::vector<ByteVector> entries{{}, bytes_from("1")};
  export_log(dir, tree_of(entries), entries);
  EXPECT_TRUE(verify_dir(dir)->gaps.empty());
}

}  // namespace
}  // namespace coffer::ledger
