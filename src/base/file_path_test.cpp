#include "base/file_path.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace coffer {
namespace {

TEST(FilePath, RefusesWhatCouldLeaveTheTreeOrDeceive) {
  using namespace std::string_literals;
  for (const auto& path : {""s, "/etc/passwd"s, "../a"s, "a/../b"s, "a/./b"s, "a//b"s, "a/"s, "."s,
                           ".."s, "a\nb"s, "a\0b"s, "a\x7f"s, "caf\xe9"s,
                           "\xc2\x9b"
                           "31m"s,
                           std::string(256, 'a'), std::string(1025, 'a')}) {
    EXPECT_FALSE(check_path(path)) << printable(path);
  }
  std::string deep = "a";
  for (std::size_t i = 1; i < kPathDepthMax; ++i) deep += "/a";
  EXPECT_TRUE(check_path(deep));
  EXPECT_FALSE(check_path(deep + "/a"));
  for (const auto& path :
       {"a"s, "a/b.csv"s, "..."s, "..a"s, "a b/ü 日本.txt"s, std::string(255, 'a')}) {
    EXPECT_TRUE(check_path(path)) << path;
  }
}

TEST(FilePath, OrderRefusesTwiceBackwardsAndBelowAFile) {
  PathOrder order;
  EXPECT_TRUE(order.accept("a"));
  EXPECT_FALSE(order.accept("a"));
  EXPECT_TRUE(order.accept("a-b"));
  EXPECT_FALSE(order.accept("a/b"));  // below the file a, though a-b came between
  EXPECT_TRUE(order.accept("ab/c"));
  EXPECT_FALSE(order.accept("aa"));
  EXPECT_TRUE(order.accept("ab/d/e"));
}

class Tree : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "tree-XXXXXX";
    root_ = ::mkdtemp(name.data());
    fd_ = UniqueFd{::open(root_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  }
  void TearDown() override {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root_)) {
      if (entry.is_directory() && !entry.is_symlink()) ::chmod(entry.path().c_str(), 0755);
    }
    std::filesystem::remove_all(root_);
  }
  std::string read(const std::string& path) const {
    std::ostringstream out;
    out << std::ifstream(root_ + "/" + path).rdbuf();
    return out.str();
  }
  unsigned mode(const std::string& path) const {
    struct stat facts {};
    EXPECT_EQ(::stat((root_ + "/" + path).c_str(), &facts), 0);
    return facts.st_mode & 07777;
  }
  std::string root_;
  UniqueFd fd_;
};

TEST_F(Tree, IsWrittenReadOnlyWithItsDirectories) {
  TreeWriter tree{fd_.get()};
  ASSERT_TRUE(tree.begin("a/b/one.csv", FileMode::Plain));
  ASSERT_TRUE(tree.write(bytes_of("x,y\n")));
  ASSERT_TRUE(tree.write(bytes_of("1,2\n")));
  ASSERT_TRUE(tree.begin("a/c", FileMode::Executable));
  ASSERT_TRUE(tree.begin("a0", FileMode::Plain));
  ASSERT_TRUE(tree.write(bytes_of("z")));
  ASSERT_TRUE(tree.finish());
  EXPECT_EQ(read("a/b/one.csv"), "x,y\n1,2\n");
  EXPECT_EQ(read("a0"), "z");
  EXPECT_EQ(mode("a/b/one.csv"), 0444U);
  EXPECT_EQ(mode("a/c"), 0555U);
  EXPECT_EQ(mode("a/b"), 0555U);
  EXPECT_EQ(mode("a"), 0555U);
}

TEST_F(Tree, NeverFollowsALinkNorTouchesWhatIsThere) {
  const std::string outside = root_ + "/outside";
  std::filesystem::create_directory(outside);
  std::filesystem::create_symlink(outside, root_ + "/dir");
  std::filesystem::create_symlink(outside + "/file", root_ + "/file");
  EXPECT_FALSE(TreeWriter{fd_.get()}.begin("dir/x", FileMode::Plain));
  EXPECT_FALSE(TreeWriter{fd_.get()}.begin("file", FileMode::Plain));
  EXPECT_FALSE(TreeWriter{fd_.get()}.begin("../x", FileMode::Plain));
  EXPECT_TRUE(std::filesystem::is_empty(outside));
  EXPECT_TRUE(TreeWriter{fd_.get()}.begin("new", FileMode::Plain));
}

}  // namespace
}  // namespace coffer
