#include "os/files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>

namespace coffer {
namespace {

class Files : public ::testing::Test {
 protected:
  TemporaryDirectory scratch_{TemporaryDirectory::make().value()};
  std::filesystem::path root_{scratch_.path()};
};

TEST_F(Files, ReplacesAFileAsAWhole) {
  ASSERT_TRUE(write_text(root_ / "f", "old"));
  ASSERT_TRUE(write_text(root_ / "f", "new", 0640));
  EXPECT_EQ(read_text(root_ / "f", 10).value(), "new");
  struct stat status {};
  ASSERT_EQ(::stat((root_ / "f").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0640U);
  const auto left = walk(open_directory(root_).value().get()).value();
  EXPECT_EQ(left.size(), 1U) << "a temporary file was left behind";
}

TEST_F(Files, RemovesWhatAKilledWriterLeftAndNothingElse) {
  const std::string name = TemporaryDirectory::make(root_).value().path().filename();
  ASSERT_TRUE(make_directories(root_ / name / "half"));
  ASSERT_TRUE(write_text(root_ / name / "half/f", "cut off"));
  ASSERT_TRUE(write_text(root_ / "kept", "whole"));
  ASSERT_TRUE(write_text(root_ / (name + "-kept"), "longer"));
  ASSERT_TRUE(remove_leftovers(root_));
  EXPECT_EQ(walk(open_directory(root_).value().get()).value().size(), 2U);
  EXPECT_TRUE(remove_leftovers(root_ / "absent"));
}

TEST_F(Files, ReadsUpToTheLimitAndNotAByteMore) {
  ASSERT_TRUE(write_text(root_ / "f", "12345"));
  EXPECT_EQ(read_text(root_ / "f", 5).value(), "12345");
  EXPECT_EQ(read_text(root_ / "f", 4).error().code, Code::InvalidArgument);
  EXPECT_EQ(read_text(root_ / "none", 4).error().code, Code::NotFound);
}

TEST_F(Files, OpensBeneathAndNeverThroughALink) {
  ASSERT_TRUE(make_directories(root_ / "in/deep"));
  ASSERT_TRUE(write_text(root_ / "in/deep/f", "inside"));
  ASSERT_TRUE(write_text(root_ / "secret", "outside"));
  ASSERT_EQ(::symlink("../secret", (root_ / "in/link").c_str()), 0);
  const auto in = open_directory(root_ / "in").value();
  EXPECT_EQ(text_of(read_beneath(in.get(), "deep/f", 10).value()), "inside");
  EXPECT_EQ(read_beneath(in.get(), "link", 10).error().code, Code::InvalidArgument);
  EXPECT_EQ(read_beneath(in.get(), "../secret", 10).error().code, Code::InvalidArgument);
  EXPECT_EQ(read_beneath(in.get(), (root_ / "secret").string(), 10).error().code,
            Code::InvalidArgument);
}

TEST_F(Files, RefusesWhatIsNoRegularFileWithOneLink) {
  const auto directory = open_directory(root_).value();
  ASSERT_TRUE(write_text(root_ / "f", "x"));
  EXPECT_TRUE(open_regular_beneath(directory.get(), "f"));
  ASSERT_EQ(::link((root_ / "f").c_str(), (root_ / "g").c_str()), 0);
  EXPECT_EQ(open_regular_beneath(directory.get(), "f").error().code, Code::InvalidArgument);
  ASSERT_EQ(::mkfifo((root_ / "fifo").c_str(), 0600), 0);
  EXPECT_EQ(open_regular_beneath(directory.get(), "fifo").error().code, Code::InvalidArgument);
}

TEST_F(Files, WalksInByteOrderOfPath) {
  ASSERT_TRUE(make_directories(root_ / "b"));
  ASSERT_TRUE(write_text(root_ / "b/x", "1"));
  ASSERT_TRUE(write_text(root_ / "a", "22"));
  ASSERT_EQ(::symlink("a", (root_ / "c").c_str()), 0);
  const auto entries = walk(open_directory(root_).value().get()).value();
  ASSERT_EQ(entries.size(), 4U);
  EXPECT_EQ(entries[0].path, "a");
  EXPECT_EQ(entries[0].size_bytes, 2U);
  EXPECT_EQ(entries[1].kind, FileKind::Directory);
  EXPECT_EQ(entries[2].path, "b/x");
  EXPECT_EQ(entries[3].kind, FileKind::Link);
}

TEST_F(Files, StopsAWalkAtItsLimits) {
  ASSERT_TRUE(make_directories(root_ / "a/b"));
  const auto directory = open_directory(root_).value();
  EXPECT_TRUE(walk(directory.get(), {.entries_max = 2, .depth_max = 3}));
  EXPECT_EQ(walk(directory.get(), {.entries_max = 1, .depth_max = 3}).error().code,
            Code::InvalidArgument);
  EXPECT_EQ(walk(directory.get(), {.entries_max = 9, .depth_max = 2}).error().code,
            Code::InvalidArgument);
}

TEST_F(Files, CopiesPlainTreesAndRefusesOthers) {
  ASSERT_TRUE(make_directories(root_ / "from/sub"));
  ASSERT_TRUE(make_directories(root_ / "to"));
  ASSERT_TRUE(make_directories(root_ / "to2"));
  ASSERT_TRUE(make_directories(root_ / "to3"));
  ASSERT_TRUE(write_text(root_ / "from/sub/run", "#!", 0700));
  const auto from = open_directory(root_ / "from").value();
  const auto to = open_directory(root_ / "to").value();
  ASSERT_TRUE(copy_tree(from.get(), to.get(), {.bytes_max = 2}));
  const auto copied = walk(to.get()).value();
  ASSERT_EQ(copied.size(), 2U);
  EXPECT_EQ(copied[1].mode, 0755U);
  const auto second = open_directory(root_ / "to2").value();
  EXPECT_EQ(copy_tree(from.get(), second.get(), {.bytes_max = 1}).error().code,
            Code::InvalidArgument);
  ASSERT_EQ(::symlink("/etc/passwd", (root_ / "from/link").c_str()), 0);
  const auto third = open_directory(root_ / "to3").value();
  EXPECT_EQ(copy_tree(from.get(), third.get(), {.bytes_max = 99}).error().code,
            Code::InvalidArgument);
}

TEST_F(Files, RemovesATreeAndNothingThatItsLinksName) {
  ASSERT_TRUE(make_directories(root_ / "keep"));
  ASSERT_TRUE(write_text(root_ / "keep/f", "x"));
  ASSERT_TRUE(make_directories(root_ / "gone/shut"));
  ASSERT_TRUE(write_text(root_ / "gone/shut/f", "x"));
  ASSERT_EQ(::symlink("../keep", (root_ / "gone/link").c_str()), 0);
  ASSERT_EQ(::chmod((root_ / "gone/shut").c_str(), 0), 0);
  ASSERT_TRUE(remove_tree(root_ / "gone"));
  EXPECT_FALSE(std::filesystem::exists(root_ / "gone"));
  EXPECT_TRUE(std::filesystem::exists(root_ / "keep/f"));
  EXPECT_TRUE(remove_tree(root_ / "gone")) << "absent is done";
}

TEST_F(Files, SealsAMemoryFileAgainstEveryChange) {
  const auto file = sealed_memory_file("test", bytes_of("abc")).value();
  EXPECT_EQ(text_of(read_all(file.get(), 10).value()), "abc");
  EXPECT_EQ(::write(file.get(), "x", 1), -1);
  EXPECT_EQ(errno, EPERM);
  EXPECT_NE(::ftruncate(file.get(), 0), 0);
}

}  // namespace
}  // namespace coffer
