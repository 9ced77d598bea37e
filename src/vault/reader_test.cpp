#include "vault/reader.h"

#include <gtest/gtest.h>

#include "vault/detail/scratch_test.h"

namespace coffer::vault {
namespace {

class ReaderTest : public testing::Test {
 protected:
  void SetUp() override {
    dataset_.scratch.write("d/a.csv", "x\n1\n");
    dataset_.scratch.write("d/large", noise(9U << 20, 9));
    dataset_.scratch.write("d/run.sh", "#!/bin/sh\n");
    std::filesystem::permissions(dataset_.scratch / "d/run.sh", std::filesystem::perms{0755});
    ASSERT_TRUE(dataset_.add_version({.paths = {dataset_.scratch / "d"}}));
  }
  Result<Reader> open(const Digest& list_digest) {
    auto& one = dataset_.versions[0];
    return Reader::open({UniqueFd{::dup(one.list.get())}, list_digest, one.added.version_key},
                        dataset_.chunks);
  }
  Result<Staged> stage_into(const std::string& name) {
    const UniqueFd out{::open(dataset_.scratch.directory(name).c_str(), O_RDONLY | O_DIRECTORY)};
    COFFER_TRY(auto reader, open(dataset_.versions[0].added.summary.list));
    return stage(std::move(reader), out.get());
  }
  Versions dataset_;
};

TEST_F(ReaderTest, StagesTheTreeReadOnly) {
  const auto staged = stage_into("out");
  ASSERT_TRUE(staged);
  EXPECT_EQ(staged->files, 3U);
  EXPECT_EQ(dataset_.scratch.read("out/d/large"), noise(9U << 20, 9));
  EXPECT_EQ(dataset_.scratch.read("out/d/a.csv"), "x\n1\n");
  const auto mode = [&](const std::string& path) {
    return static_cast<unsigned>(std::filesystem::status(dataset_.scratch / path).permissions());
  };
  EXPECT_EQ(mode("out/d"), 0555U);
  EXPECT_EQ(mode("out/d/a.csv"), 0444U);
  EXPECT_EQ(mode("out/d/run.sh"), 0555U);
}

TEST_F(ReaderTest, AFlippedByteInAnyChunkIsFoundAndNamed) {
  int round = 0;
  for (auto& [name, bytes] : dataset_.chunks.by_name) {
    const std::size_t at = bytes.size() / 2;
    bytes[at] ^= std::byte{1};
    const auto staged = stage_into("out" + std::to_string(round++));
    ASSERT_FALSE(staged);
    EXPECT_EQ(staged.error().code, Code::Corrupt);
    EXPECT_NE(staged.error().message.find(name.text()), std::string::npos);
    EXPECT_EQ(staged.error().message.find("d/"), std::string::npos);  // paths are not for the asker
    EXPECT_EQ(staged.error().detail.substr(0, 2), "d/");
    bytes[at] ^= std::byte{1};
  }
  EXPECT_TRUE(stage_into("good"));
}

TEST_F(ReaderTest, AMissingOrSwappedChunkIsFound) {
  auto& chunks = dataset_.chunks.by_name;
  const Digest first = chunks.begin()->first;
  const Digest second = std::next(chunks.begin())->first;
  std::swap(chunks[first], chunks[second]);
  EXPECT_FALSE(stage_into("swapped"));
  std::swap(chunks[first], chunks[second]);
  const ByteVector kept = chunks[first];
  chunks.erase(first);
  EXPECT_FALSE(stage_into("missing"));
  chunks[first] = kept;
  EXPECT_TRUE(stage_into("good"));
}

TEST_F(ReaderTest, RefusesTheListOfAnotherVersion) {
  auto reader = open(sha256("another list"));
  ASSERT_TRUE(reader);
  Result<std::optional<FileEntry>> file = reader->next();
  while (file && *file) file = reader->next();
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code, Code::Corrupt);
}

TEST_F(ReaderTest, OpensWithAPermitOnlyTheInputsItNames) {
  const std::string id = new_dataset_id();
  auto store = Store::create(dataset_.scratch.directory("vault"), id);
  for (const auto& [name, bytes] : dataset_.chunks.by_name) ASSERT_TRUE(store->put(name, bytes));
  const auto& one = dataset_.versions[0];
  ASSERT_TRUE(store->put_list(one.list.get(), one.added.summary.list));
  const SealKey worker = SealKey::generate();
  grant::PermitAnswer answer;
  answer.run_payload = "{}";
  answer.run = sha256("{}");
  answer.inputs.push_back(
      {.alias = "tumours",
       .dataset_id = id,
       .manifest = sha256("manifest"),
       .content = one.added.summary.content,
       .chunk_list = one.added.summary.list,
       .sealed_key = *seal_to(worker.public_key(), one.added.version_key.expose())});
  const auto permit = grant::Permit::decode(grant::encode_permit(answer), worker);
  ASSERT_TRUE(permit);
  EXPECT_FALSE(Reader::open(*permit, "others", *store));
  auto reader = Reader::open(*permit, "tumours", *store);
  ASSERT_TRUE(reader);
  const UniqueFd out{::open(dataset_.scratch.directory("out").c_str(), O_RDONLY | O_DIRECTORY)};
  EXPECT_EQ(stage(std::move(*reader), out.get())->files, 3U);
}

}  // namespace
}  // namespace coffer::vault
