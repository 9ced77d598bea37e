#include "app/stored_files.h"

#include <gtest/gtest.h>

#include "os/files.h"

namespace coffer::app {
namespace {

const std::string kName(64, 'a');
const std::string kFolder = "vault/ds_aaaaaaaaaaaaaaaa/chunks/aa/";
const std::string kTree = "env/" + kName + "/root";

StoredFile file(std::string path) {
  return {.path = std::move(path), .digest = sha256("x"), .mode = 0644, .bytes = 1};
}

TEST(BackupListing, IsReadAsItWasWritten) {
  const std::vector<StoredFile> files{file("programs/" + kName + "/a b\n\xff.py"),
                                      file("runs/" + kName + "/evidence/m.sealed"),
                                      file(kFolder + kName)};
  const auto read = parse_listing(render_listing(files));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(*read, files);
  EXPECT_TRUE(parse_listing("")->empty());
}

TEST(BackupListing, LeadsNowhereElse) {
  for (const std::string& path : std::vector<std::string>{
           "../x", "/etc/passwd", "front/coffer.db", "keeper/journal", "programs/x/y",
           "programs/" + kName + "/../../x", "programs/" + kName + "//x", kTree + "/x",
           "vault/ds_aaaaaaaaaaaaaaaa/tmp/" + kName, "runs/" + kName + "/x"}) {
    EXPECT_EQ(parse_listing(render_listing({file(path)})).error().code, Code::Corrupt) << path;
  }
  const auto good = render_listing({file("runs/" + kName + "/m.sealed")});
  EXPECT_TRUE(parse_listing(good));
  EXPECT_FALSE(parse_listing(good + good));
  EXPECT_FALSE(parse_listing(good.substr(0, good.size() - 1)));
  EXPECT_FALSE(parse_listing("x" + good));
}

class CopyOfStoredFiles : public testing::Test {
 protected:
  void SetUp() override {
    folder_.emplace(*TemporaryDirectory::make());
    for (const char* name : {"from", "to"}) {
      ASSERT_TRUE(make_directories(folder_->path() / name));
    }
    from_ = *open_directory(folder_->path() / "from");
    to_ = *open_directory(folder_->path() / "to");
  }
  void put(const std::string& path, std::string_view text, mode_t mode = 0644) {
    const auto whole = folder_->path() / "from" / path;
    ASSERT_TRUE(make_directories(whole.parent_path()));
    ASSERT_TRUE(write_text(whole, text, mode));
  }
  std::optional<TemporaryDirectory> folder_;
  UniqueFd from_, to_;
};

TEST_F(CopyOfStoredFiles, TakesWhatIsKeptAndNothingElse) {
  const std::vector<std::string> kept{"env/" + kName + "/env.json", "env/" + kName + "/env.tar.zst",
                                      "programs/" + kName + "/sub/main.py",
                                      "runs/" + kName + "/m.sealed", kFolder + kName};
  for (const auto& path : kept) put(path, path);
  put(kTree + "/bin/sh", "x");
  put("programs/tmp.x/tree/main.py", "x");
  put("vault/ds_aaaaaaaaaaaaaaaa/tmp/" + kName, "x");
  put("front/coffer.db", "x");
  put("keeper/master.key", "x");
  EXPECT_EQ(stored_paths(folder_->path() / "from"), kept);
}

TEST_F(CopyOfStoredFiles, BringsBytesModeAndDigest) {
  const std::string path = "programs/" + kName + "/run.sh";
  put(path, "hello", 0755);
  const auto copied = copy_stored({.from = from_.get(), .to = to_.get(), .path = path});
  ASSERT_TRUE(copied) << copied.error().message;
  EXPECT_EQ(copied->digest, sha256("hello"));
  EXPECT_EQ(copied->bytes, 5U);
  EXPECT_EQ(copied->mode, 0755U);
  EXPECT_EQ(*read_text(folder_->path() / "to" / path, 100), "hello");
  EXPECT_FALSE(copy_stored({.from = from_.get(), .to = to_.get(), .path = path}));
  EXPECT_EQ(copy_stored({.from = from_.get(), .to = to_.get(), .path = "runs/x"}).error().code,
            Code::NotFound);
}

TEST_F(CopyOfStoredFiles, IsKnownToBeOldWhenAnotherFileTookTheName) {
  const std::string path = "runs/" + kName + "/m.sealed";
  put(path, "first");
  const auto copied = copy_stored({.from = from_.get(), .to = to_.get(), .path = path});
  ASSERT_TRUE(copied);
  EXPECT_TRUE(is_still_there(from_.get(), *copied));
  put(path, "other");
  EXPECT_FALSE(is_still_there(from_.get(), *copied));
  std::filesystem::remove(folder_->path() / "from" / path);
  EXPECT_FALSE(is_still_there(from_.get(), *copied));
}

TEST_F(CopyOfStoredFiles, FollowsNoLink) {
  put("secret", "s");
  std::filesystem::create_directories(folder_->path() / "from/runs");
  std::filesystem::create_symlink("../secret", folder_->path() / "from/runs/m.sealed");
  EXPECT_FALSE(copy_stored({.from = from_.get(), .to = to_.get(), .path = "runs/m.sealed"}));
}

TEST(StoredChunk, IsNamedByItsDigest) {
  EXPECT_EQ(check_name(file(kFolder + kName)).error().code, Code::Corrupt);
  EXPECT_TRUE(check_name(file(kFolder + hex(sha256("x").bytes))));
  EXPECT_TRUE(check_name(file("runs/" + kName + "/m.sealed")));
}

}  // namespace
}  // namespace coffer::app
