#include "vault/journal.h"

#include <gtest/gtest.h>

#include "vault/detail/scratch_test.h"

namespace coffer::vault {
namespace {

ChunkRef ref_of(const std::string& content) {
  return seal_plain(key_of(1), random_key(), bytes_of(content)).ref;
}

class JournalTest : public testing::Test {
 protected:
  Result<Journal> create() {
    return Journal::create(path_, {"ds_abcdefghijklmnop", key_of(1)}, owner_.public_key());
  }
  Result<Journal> open() { return Journal::open(path_, owner_); }
  Scratch scratch_;
  std::string path_ = scratch_ / "journal";
  SealKey owner_ = SealKey::generate();
};

TEST_F(JournalTest, RemembersWhatWasAcknowledged) {
  const ChunkRef one = ref_of("one");
  const ChunkRef two = ref_of("two");
  {
    auto journal = create();
    ASSERT_TRUE(journal);
    ASSERT_TRUE(journal->acknowledge(std::span{&one, 1}));
    ASSERT_TRUE(journal->acknowledge(std::span{&two, 1}));
  }
  auto journal = open();
  ASSERT_TRUE(journal);
  EXPECT_TRUE(journal->dataset_key() == key_of(1));
  EXPECT_EQ(journal->known().size(), 2U);
  ASSERT_NE(journal->known().find(two.id), nullptr);
  EXPECT_TRUE(journal->known().find(two.id)->key == two.key);
  journal->known().forget_name(two.name);
  EXPECT_EQ(journal->known().find(two.id), nullptr);
}

TEST_F(JournalTest, DropsATornBatchAndGoesOn) {
  const ChunkRef one = ref_of("one");
  const ChunkRef two = ref_of("two");
  const ChunkRef three = ref_of("three");
  std::uintmax_t whole = 0;
  {
    auto journal = create();
    ASSERT_TRUE(journal->acknowledge(std::span{&one, 1}));
    whole = std::filesystem::file_size(path_);
    ASSERT_TRUE(journal->acknowledge(std::span{&two, 1}));
  }
  const std::uintmax_t full = std::filesystem::file_size(path_);
  const std::string bytes = scratch_.read("journal");
  for (std::uintmax_t cut = whole; cut < full; cut += 17) {
    scratch_.write("journal", bytes.substr(0, cut));
    auto journal = open();
    ASSERT_TRUE(journal) << cut;
    EXPECT_EQ(journal->known().size(), 1U);
    ASSERT_TRUE(journal->acknowledge(std::span{&three, 1}));
    journal = Error{Code::Cancelled, "closed"};
    EXPECT_EQ(open()->known().size(), 2U);
  }
}

TEST_F(JournalTest, OpensForItsOwnerOnlyAndOnceAtATime) {
  {
    auto journal = create();
    ASSERT_TRUE(journal);
    EXPECT_FALSE(create());
    const auto second = open();
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, Code::Unavailable);
  }
  EXPECT_FALSE(Journal::open(path_, SealKey::generate()));
  EXPECT_TRUE(open());
  struct stat facts {};
  ASSERT_EQ(::stat(path_.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777, 0600U);
}

TEST_F(JournalTest, HoldsNoKeyInClear) {
  const ChunkRef one = ref_of("one");
  auto journal = create();
  ASSERT_TRUE(journal->acknowledge(std::span{&one, 1}));
  const std::string bytes = scratch_.read("journal");
  EXPECT_EQ(bytes.find(text_of(one.key.expose())), std::string::npos);
  EXPECT_EQ(bytes.find(text_of(key_of(1).expose())), std::string::npos);
}

}  // namespace
}  // namespace coffer::vault
