#include "program/tree.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>

namespace coffer::program {
namespace {

class TreeTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "coffer-XXXXXX").native();
    root_ = ::mkdtemp(pattern.data());
  }
  void TearDown() override { std::filesystem::remove_all(root_); }
  void write(const std::string& path, std::string_view content) const {
    std::filesystem::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path, std::ios::binary) << content;
  }
  void write_sparse(const std::string& path, std::uintmax_t bytes) const {
    write(path, "");
    std::filesystem::resize_file(root_ / path, bytes);
  }
  std::filesystem::path root_;
};

TEST_F(TreeTest, FilesAreVisitedInByteOrderWithTheirContent) {
  write("b/a", "two\nlines");
  write("a", "one\n");
  write("b-a", "");
  std::string seen;
  const auto tree = read_tree(root_, [&seen](const TreeFile& file, ByteView content) -> Result<> {
    seen += file.path + "=" + std::string(text_of(content)) + ";";
    return {};
  });
  ASSERT_TRUE(tree) << tree.error().message;
  EXPECT_EQ(seen, "a=one\n;b-a=;b/a=two\nlines;");
  EXPECT_EQ(tree->bytes, 13U);
  EXPECT_EQ(tree->files[0].lines, 1U);
  EXPECT_EQ(tree->files[1].lines, 0U);
  EXPECT_EQ(tree->files[2].lines, 2U);
  EXPECT_EQ(tree->files[2].content, sha256("two\nlines"));
}

TEST_F(TreeTest, TheDigestDoesNotDependOnTheOrderOfFiles) {
  write("a", "1");
  write("b", "2");
  const auto tree = read_tree(root_);
  ASSERT_TRUE(tree);
  auto files = tree->files;
  std::swap(files[0], files[1]);
  EXPECT_EQ(tree_digest(files), tree->digest);
  files[0].executable = true;
  EXPECT_NE(tree_digest(files), tree->digest);
}

TEST_F(TreeTest, AVisitorsErrorEndsTheWalk) {
  write("a", "1");
  const auto tree = read_tree(root_, [](const TreeFile&, ByteView) -> Result<> {
    return Error{Code::Cancelled, "enough"};
  });
  ASSERT_FALSE(tree);
  EXPECT_EQ(tree.error().code, Code::Cancelled);
}

TEST_F(TreeTest, SixtyFourMebibytesAreReadAndOneByteMoreIsNot) {
  write_sparse("a", 32ULL << 20);
  write_sparse("b", 32ULL << 20);
  const auto tree = read_tree(root_);
  ASSERT_TRUE(tree) << tree.error().message;
  EXPECT_EQ(tree->bytes, kTreeBytesMax);
  write("c", "1");
  const auto refused = read_tree(root_);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("64 MiB"), std::string::npos) << refused.error().message;
}

TEST_F(TreeTest, DirectoriesMayBeSixtyFourDeep) {
  std::string path;
  for (std::size_t i = 0; i < kTreeDepthMax; ++i) path += "d/";
  write(path + "file", "1");
  const auto tree = read_tree(root_);
  ASSERT_TRUE(tree) << tree.error().message;
  EXPECT_TRUE(is_tree_path(tree->files[0].path));
  write(path + "d/file", "1");
  EXPECT_FALSE(read_tree(root_));
  EXPECT_FALSE(is_tree_path(path + "d/file"));
}

TEST_F(TreeTest, ALinkIsRefusedWhereverItPointsAndADirectoryIsNot) {
  write("sub/file", "1");
  EXPECT_TRUE(read_tree(root_));
  std::filesystem::create_directory_symlink("sub", root_ / "link");
  const auto refused = read_tree(root_);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("link: a symlink"), std::string::npos);
  EXPECT_FALSE(read_tree_file(root_, "link/file", 10));
  EXPECT_TRUE(read_tree_file(root_, "sub/file", 10));
}

TEST_F(TreeTest, OneFileIsReadWithinItsLimitAndNeverALinkOrAFifo) {
  write("file", "12345");
  EXPECT_EQ(*read_tree_file(root_, "file", 5), "12345");
  EXPECT_FALSE(read_tree_file(root_, "file", 4));
  std::filesystem::create_symlink("file", root_ / "link");
  EXPECT_EQ(read_tree_file(root_, "link", 5).error().code, Code::InvalidArgument);
  ASSERT_EQ(::mkfifo((root_ / "fifo").c_str(), 0600), 0);
  EXPECT_EQ(read_tree_file(root_, "fifo", 5).error().code, Code::InvalidArgument);
  EXPECT_EQ(read_tree_file(root_, "absent", 5).error().code, Code::NotFound);
  EXPECT_EQ(read_tree_file(root_ / "absent", "file", 5).error().code, Code::NotFound);
  EXPECT_EQ(read_tree_file(root_, "../file", 5).error().code, Code::InvalidArgument);
}

TEST(TreePath, ComponentsAreNamesAndNothingElse) {
  for (const auto* good : {"a", "a/b", ".hidden", "a b", ".gitignore", "x.git/a", "..a"}) {
    EXPECT_TRUE(is_tree_path(good)) << good;
  }
  for (const auto* bad :
       {"", "/a", "a/", "a//b", ".", "a/../b", "..", ".git", "a/.git/b", "__pycache__/a"}) {
    EXPECT_FALSE(is_tree_path(bad)) << bad;
  }
  EXPECT_FALSE(is_tree_path(std::string_view{"a\0b", 3}));
}

}  // namespace
}  // namespace coffer::program
