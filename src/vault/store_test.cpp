#include "vault/store.h"

#include <gtest/gtest.h>

#include "vault/detail/scratch_test.h"

namespace coffer::vault {
namespace {

constexpr UnixTime kFarFuture{std::chrono::hours{24 * 365 * 200}};

class StoreTest : public testing::Test {
 protected:
  void SetUp() override {
    auto store = Store::create(dataset_.scratch.directory("vault"), id_);
    ASSERT_TRUE(store);
    store_.emplace(std::move(*store));
  }
  // Adds a version of directory `d`, and sends what is new and the list.
  void send_version() {
    ASSERT_TRUE(dataset_.add_version({.paths = {dataset_.scratch / "d"}}));
    for (const auto& ref : dataset_.chunks.order) {
      ASSERT_TRUE(store_->put(ref.name, dataset_.chunks.by_name[ref.name]));
    }
    const auto& one = dataset_.versions.back();
    ASSERT_TRUE(store_->put_list(one.list.get(), one.added.summary.list));
  }
  Digest list(std::size_t version) const { return dataset_.versions[version].added.summary.list; }
  Versions dataset_;
  std::string id_ = new_dataset_id();
  std::optional<Store> store_;
};

TEST_F(StoreTest, KeepsChunksByNameAndRefusesOtherBytes) {
  const SealedChunk chunk = seal_plain(key_of(1), random_key(), bytes_of("rows"));
  EXPECT_FALSE(store_->put(chunk.ref.name, bytes_of("something else")));
  EXPECT_EQ(store_->missing(std::span{&chunk.ref.name, 1})->size(), 1U);
  EXPECT_FALSE(store_->chunk(chunk.ref.name));
  ASSERT_TRUE(store_->put(chunk.ref.name, chunk.bytes));
  ASSERT_TRUE(store_->put(chunk.ref.name, chunk.bytes));
  EXPECT_TRUE(store_->missing(std::span{&chunk.ref.name, 1})->empty());
  EXPECT_EQ(*store_->chunk(chunk.ref.name), chunk.bytes);
  const std::string hex_name = hex(chunk.ref.name.bytes);
  EXPECT_TRUE(std::filesystem::exists(
      dataset_.scratch / ("vault/" + id_ + "/chunks/" + hex_name.substr(0, 2) + "/" + hex_name)));
  EXPECT_TRUE(std::filesystem::is_empty(dataset_.scratch / ("vault/" + id_ + "/tmp")));
}

TEST_F(StoreTest, PacksComeApartAgainAndDamagedOnesAreRefused) {
  std::string bytes;
  std::vector<Digest> names;
  PackWriter packs{[&](Pack pack) -> Result<> {
    bytes = text_of(pack.bytes);
    for (const auto& chunk : pack.chunks) names.push_back(chunk.name);
    return {};
  }};
  for (const char* content : {"one", "two", "three"}) {
    ASSERT_TRUE(packs.chunk(seal_plain(key_of(1), random_key(), bytes_of(content))));
  }
  EXPECT_TRUE(bytes.empty());
  ASSERT_TRUE(packs.flush());
  ASSERT_EQ(names.size(), 3U);
  dataset_.scratch.write("bad", bytes.substr(0, bytes.size() - 1));
  EXPECT_FALSE(store_->put_pack(dataset_.scratch.file("bad").get()));
  std::string changed = bytes;
  changed[40] = static_cast<char>(changed[40] ^ 1);
  dataset_.scratch.write("bad", changed);
  EXPECT_FALSE(store_->put_pack(dataset_.scratch.file("bad").get()));
  changed = bytes;
  changed[32] = '\x7f';  // a length of two GiB
  dataset_.scratch.write("bad", changed);
  EXPECT_FALSE(store_->put_pack(dataset_.scratch.file("bad").get()));
  dataset_.scratch.write("good", bytes);
  const auto result = store_->put_pack(dataset_.scratch.file("good").get());
  ASSERT_TRUE(result);
  EXPECT_EQ(result->chunks, 3U);
  EXPECT_TRUE(store_->missing(names)->empty());
}

TEST_F(StoreTest, AcceptsAListOnlyWithAllItsChunks) {
  dataset_.scratch.write("d/a", "one");
  dataset_.scratch.write("d/b", "two");
  ASSERT_TRUE(dataset_.add_version({.paths = {dataset_.scratch / "d"}}));
  const auto& one = dataset_.versions[0];
  const auto early = store_->put_list(one.list.get(), list(0));
  ASSERT_FALSE(early);
  EXPECT_EQ(early.error().code, Code::FailedPrecondition);
  EXPECT_NE(early.error().message.find("2 of 2"), std::string::npos);
  for (const auto& [name, bytes] : dataset_.chunks.by_name) ASSERT_TRUE(store_->put(name, bytes));
  EXPECT_FALSE(store_->put_list(one.list.get(), sha256("another")));
  EXPECT_TRUE(store_->put_list(one.list.get(), list(0)));
  EXPECT_EQ(*store_->lists(), std::vector<Digest>{list(0)});
  EXPECT_TRUE(Store::open(dataset_.scratch / "vault", id_));
  EXPECT_FALSE(Store::open(dataset_.scratch / "vault", new_dataset_id()));
  EXPECT_FALSE(Store::open(dataset_.scratch / "vault", "../../etc"));
}

TEST_F(StoreTest, RemovesTheChunksThatOnlyTheRemovedVersionNames) {
  dataset_.scratch.write("d/kept", "kept");
  dataset_.scratch.write("d/dropped", "dropped");
  send_version();
  std::filesystem::remove(dataset_.scratch / "d/dropped");
  send_version();
  const auto removed = store_->remove_list(list(0));
  ASSERT_TRUE(removed);
  EXPECT_EQ(removed->chunks, 1U);
  const auto names = list_chunk_names(dataset_.versions[1].list.get());
  EXPECT_TRUE(store_->missing(*names)->empty());
  EXPECT_EQ(store_->remove_list(list(0))->chunks, 0U) << "again, after a crash";
}

TEST_F(StoreTest, CollectsOnlyChunksThatNoVersionNamesAndThatAreOld) {
  dataset_.scratch.write("d/kept", "kept");
  dataset_.scratch.write("d/dropped", "dropped");
  send_version();
  std::filesystem::remove(dataset_.scratch / "d/dropped");
  send_version();
  EXPECT_EQ(store_->collect_garbage(kFarFuture)->chunks, 0U);  // version 1 still names all
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(dataset_.scratch / "vault")) {
    if (entry.path().filename() == hex(list(0).bytes)) std::filesystem::remove(entry.path());
  }
  EXPECT_EQ(store_->collect_garbage(UnixTime{})->chunks, 0U);  // too young
  const auto collected = store_->collect_garbage(kFarFuture);
  ASSERT_TRUE(collected);
  EXPECT_EQ(collected->chunks, 1U);
  const auto names = list_chunk_names(dataset_.versions[1].list.get());
  EXPECT_TRUE(store_->missing(*names)->empty());
  EXPECT_EQ(store_->collect_garbage(kFarFuture)->chunks, 0U);
}

TEST_F(StoreTest, RemovesWhatAKilledWriterLeft) {
  dataset_.scratch.write("d/kept", "kept");
  send_version();
  const std::string tmp = "vault/" + id_ + "/tmp";
  dataset_.scratch.write(tmp + "/half", "half");
  ASSERT_TRUE(store_->remove_leftovers());
  EXPECT_TRUE(std::filesystem::is_empty(dataset_.scratch / tmp));
  const auto names = list_chunk_names(dataset_.versions[0].list.get());
  EXPECT_TRUE(store_->missing(*names)->empty());
}

TEST_F(StoreTest, PublishesAndWithdrawsTheKeyOfAPublicVersion) {
  const Digest name = sha256("list");
  EXPECT_FALSE(store_->public_key(name));
  ASSERT_TRUE(store_->publish_key(name, key_of(3)));
  EXPECT_TRUE(*store_->public_key(name) == key_of(3));
  ASSERT_TRUE(store_->remove_list(name));
  EXPECT_FALSE(store_->public_key(name));
}

}  // namespace
}  // namespace coffer::vault
