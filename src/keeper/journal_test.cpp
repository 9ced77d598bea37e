#include "keeper/journal.h"

#include <gtest/gtest.h>

#include <fstream>

#include "os/files.h"

namespace coffer::keeper {
namespace {

namespace fs = std::filesystem;

struct File {
  TemporaryDirectory directory = *TemporaryDirectory::make();
  fs::path path = directory.path() / "journal";

  std::vector<JournalRecord> read;
  std::vector<JournalPlace> places;

  Result<Journal> open(std::string_view key = "key") {
    read.clear();
    places.clear();
    return Journal::open(path, *key_from(sha256(key).bytes),
                         [&](JournalRecord record, const JournalPlace& place) -> Result<> {
                           read.push_back(std::move(record));
                           places.push_back(place);
                           return {};
                         });
  }
  ByteVector bytes() const { return *read_file(path, 1 << 20); }
  void put(ByteView content) const { ASSERT_TRUE(write_file(path, content)); }
  std::vector<std::string> bodies() const {
    std::vector<std::string> out;
    for (const auto& record : read) out.emplace_back(text_of(record.body));
    return out;
  }
};

JournalRecord record(std::string_view body, std::string_view secret = "") {
  const auto b = bytes_of(body);
  const auto s = bytes_of(secret);
  return {{b.begin(), b.end()}, {s.begin(), s.end()}, false};
}
Result<std::vector<JournalPlace>> add(Journal& journal, std::vector<JournalRecord> records) {
  return journal.append(records);
}
using Bodies = std::vector<std::string>;

TEST(Journal, GivesBackWhatWasAppendedInOrder) {
  File file;
  {
    auto journal = file.open();
    ASSERT_TRUE(journal) << journal.error().message;
    ASSERT_TRUE(add(*journal, {record("one"), record("two", "secret")}));
    const auto places = add(*journal, {record("three")});
    ASSERT_TRUE(places);
    EXPECT_EQ(text_of(*journal->read_body(places->at(0).body_offset)), "three");
  }
  auto journal = file.open();
  ASSERT_TRUE(journal);
  EXPECT_EQ(file.bodies(), (Bodies{"one", "two", "three"}));
  EXPECT_EQ(text_of(file.read[1].secret), "secret");
  EXPECT_EQ(text_of(*journal->read_body(file.places[0].body_offset)), "one");
  ASSERT_TRUE(add(*journal, {record("four")}));
}

TEST(Journal, BelongsToOneKeeperAtATime) {
  File file;
  {
    auto first = file.open();
    ASSERT_TRUE(first);
    const auto second = file.open();
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, Code::FailedPrecondition);
  }
  EXPECT_TRUE(file.open());
}

TEST(Journal, DoesNotOpenWithAnotherKey) {
  File file;
  {
    auto journal = file.open();
    ASSERT_TRUE(add(*journal, {record("one")}));
  }
  EXPECT_EQ(file.open("another").error().code, Code::Corrupt);
  EXPECT_TRUE(file.open());
}

TEST(Journal, CutAnywhereInItsLastFrameOpensWithoutIt) {
  File file;
  std::size_t before = 0;
  {
    auto journal = file.open();
    ASSERT_TRUE(add(*journal, {record("one")}));
    before = file.bytes().size();
    ASSERT_TRUE(add(*journal, {record("two"), record("three", "secret")}));
  }
  const auto whole = file.bytes();
  for (std::size_t length = before; length < whole.size(); ++length) {
    file.put(ByteView{whole}.first(length));
    auto journal = file.open();
    ASSERT_TRUE(journal) << length << ": " << journal.error().message;
    EXPECT_EQ(file.bodies(), Bodies{"one"}) << length;
    EXPECT_EQ(file.bytes().size(), before);
    ASSERT_TRUE(add(*journal, {record("again")}));
  }
}

TEST(Journal, TailThatWasNeverWrittenIsCutOff) {
  File file;
  std::size_t before = 0;
  {
    auto journal = file.open();
    ASSERT_TRUE(add(*journal, {record("one")}));
    before = file.bytes().size();
    ASSERT_TRUE(add(*journal, {record("two")}));
  }
  auto grown = file.bytes();
  std::fill(grown.begin() + static_cast<std::ptrdiff_t>(before), grown.end(), std::byte{0});
  file.put(grown);
  ASSERT_TRUE(file.open());
  EXPECT_EQ(file.bodies(), Bodies{"one"});
}

TEST(Journal, SecretsThatWereNeverWrittenCutTheirFrameOff) {
  for (const std::size_t missing : {6U, 3U}) {  // of the last bytes of "secret"
    File file;
    {
      auto journal = file.open();
      ASSERT_TRUE(add(*journal, {record("one", "secret")}));
      ASSERT_TRUE(add(*journal, {record("two", "secret")}));
    }
    auto torn = file.bytes();
    std::fill(torn.end() - static_cast<std::ptrdiff_t>(missing), torn.end(), std::byte{0});
    file.put(torn);
    ASSERT_TRUE(file.open());
    EXPECT_EQ(file.bodies(), Bodies{"one"}) << missing;
  }
}

TEST(Journal, RefusesEveryFlippedBit) {
  File file;
  {
    auto journal = file.open();
    ASSERT_TRUE(add(*journal, {record("one", "secret")}));
    ASSERT_TRUE(add(*journal, {record("two")}));
  }
  const auto whole = file.bytes();
  ASSERT_TRUE(file.open());
  for (std::size_t i = 0; i < whole.size(); ++i) {
    auto changed = whole;
    changed[i] ^= std::byte{0x40};
    file.put(changed);
    const auto journal = file.open();
    ASSERT_FALSE(journal) << i;
    EXPECT_EQ(journal.error().code, Code::Corrupt) << i;
  }
}

TEST(Journal, RefusesFramesInAnotherOrderOrRepeated) {
  File file;
  std::vector<std::size_t> ends;
  {
    auto journal = file.open();
    for (const auto* body : {"one", "two", "six"}) {
      ends.push_back(file.bytes().size());
      ASSERT_TRUE(add(*journal, {record(body)}));
    }
  }
  const auto whole = file.bytes();
  ends.push_back(whole.size());
  const auto joined = [&](const std::vector<std::size_t>& frames) {
    ByteVector out(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(ends[0]));
    for (const auto i : frames) {
      const auto frame = ByteView{whole}.subspan(ends[i], ends[i + 1] - ends[i]);
      out.insert(out.end(), frame.begin(), frame.end());
    }
    file.put(out);
    return file.open().has_value();
  };
  EXPECT_TRUE(joined({0, 1, 2}));
  EXPECT_FALSE(joined({1, 0, 2}));
  EXPECT_FALSE(joined({0, 0, 1}));
  EXPECT_FALSE(joined({0, 2}));
  EXPECT_TRUE(joined({0, 1}));  // a file shorter by whole frames: only the ledger's reader can tell
}

TEST(Journal, WipedSecretIsGoneAndTheRestStands) {
  File file;
  {
    auto journal = file.open();
    const auto places = add(*journal, {record("one", "secret-a"), record("two", "secret-b")});
    ASSERT_TRUE(journal->wipe_secret(places->at(0)));
    ASSERT_TRUE(add(*journal, {record("three")}));
  }
  const auto content = file.bytes();
  EXPECT_EQ(text_of(content).find("secret-a"), std::string_view::npos);
  EXPECT_NE(text_of(content).find("secret-b"), std::string_view::npos);
  ASSERT_TRUE(file.open());
  EXPECT_EQ(file.bodies(), (Bodies{"one", "two", "three"}));
  EXPECT_TRUE(file.read[0].wiped);
  EXPECT_FALSE(file.read[1].wiped);
}

TEST(Journal, RefusesAFileThatIsNone) {
  File file;
  file.put(bytes_of("some other file of somebody else"));
  EXPECT_EQ(file.open().error().code, Code::Corrupt);
}

}  // namespace
}  // namespace coffer::keeper
