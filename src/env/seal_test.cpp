#include "env/seal.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <random>

#include "env/tar.h"
#include "os/files.h"

namespace coffer::env {
namespace {

namespace fs = std::filesystem;

struct Piece {
  std::string path;
  EntryKind kind;
  std::string content;  // or target
  mode_t mode;
};

const std::vector<Piece> kTree{
    {"etc", EntryKind::Directory, "", 0755},
    {"etc/passwd", EntryKind::File, "root:x:0:0::/:\n", 0644},
    {"lib", EntryKind::Link, "usr/lib", 0777},
    {"usr", EntryKind::Directory, "", 0755},
    {"usr/lib", EntryKind::Directory, "", 0755},
    {"usr/lib-x", EntryKind::File, "", 0644},
    {"usr/lib/empty", EntryKind::Directory, "", 0755},
    {"usr/lib/tool", EntryKind::File, std::string(200'000, '\0') + "end", 0755},
    {"usr/lib/" + std::string(120, 'n'), EntryKind::File, "long name", 0644},
    {"usr/lib/zz", EntryKind::Link, std::string(140, 't'), 0777},
};

class Tree {
 public:
  explicit Tree(const std::vector<Piece>& pieces = kTree) {
    auto made = TemporaryDirectory::make();
    EXPECT_TRUE(made);
    directory_.emplace(std::move(made).value());
    fs::create_directory(root());
    for (const auto& piece : pieces) make(piece);
  }
  fs::path root() const { return directory_->path() / "root"; }
  fs::path beside(std::string_view name) const { return directory_->path() / name; }
  Sealed sealed(const Frame& frame = {}) const {
    const auto sealed = digest_tree(root(), frame);
    EXPECT_TRUE(sealed) << (sealed ? "" : sealed.error().message);
    return sealed ? *sealed : Sealed{};
  }

 private:
  void make(const Piece& piece) const {
    const fs::path path = root() / piece.path;
    fs::create_directories(path.parent_path());
    if (piece.kind == EntryKind::Directory) fs::create_directories(path);
    if (piece.kind == EntryKind::Link) fs::create_symlink(piece.content, path);
    if (piece.kind == EntryKind::File) std::ofstream(path) << piece.content;
    if (piece.kind != EntryKind::Link) {
      EXPECT_EQ(::chmod(path.c_str(), piece.mode), 0);
    }
  }
  std::optional<TemporaryDirectory> directory_;
};

TEST(Seal, DigestIsTheSameWhateverOrderAndTimesTheFilesCameIn) {
  const Digest wanted = Tree{}.sealed().digest;
  std::mt19937 random{7};
  for (std::time_t round = 0; round < 5; ++round) {
    auto pieces = kTree;
    std::shuffle(pieces.begin(), pieces.end(), random);
    const Tree tree{pieces};
    const std::array<timespec, 2> past{{{round, 0}, {round * 1000, 5}}};
    EXPECT_EQ(::utimensat(AT_FDCWD, (tree.root() / "etc/passwd").c_str(), past.data(), 0), 0);
    EXPECT_EQ(tree.sealed().digest, wanted);
  }
}

TEST(Seal, CountsFilesAndTheirBytes) {
  const Sealed sealed = Tree{}.sealed();
  EXPECT_EQ(sealed.files, 4U);
  EXPECT_EQ(sealed.bytes, 15U + 200'003U + 9U);
}

TEST(Seal, EveryChangeOfAByteModeLinkNameOrVariableIsAnotherDigest) {
  std::vector<Digest> seen{Tree{}.sealed().digest};
  const auto expect_new = [&](const Tree& tree, const Frame& frame, const char* what) {
    const Digest digest = tree.sealed(frame).digest;
    EXPECT_EQ(std::count(seen.begin(), seen.end(), digest), 0) << what;
    seen.push_back(digest);
  };
  for (std::size_t i = 0; i < kTree.size(); ++i) {
    auto pieces = kTree;
    if (pieces[i].kind == EntryKind::Directory) continue;
    pieces[i].content += "!";
    expect_new(Tree{pieces}, {}, pieces[i].path.c_str());
  }
  auto pieces = kTree;
  pieces[1].mode = 0755;
  expect_new(Tree{pieces}, {}, "mode");
  pieces = kTree;
  pieces.push_back({"usr/lib/empty/more", EntryKind::Directory, "", 0755});
  expect_new(Tree{pieces}, {}, "one more directory");
  expect_new(Tree{}, Frame{.profile = "standard", .variables = {{"PATH", "/bin"}}}, "variable");
  expect_new(Tree{}, Frame{.profile = "distributed"}, "profile");
}

TEST(Seal, AHardLinkIsAFileLikeAnother) {
  const Tree linked;
  fs::create_hard_link(linked.root() / "etc/passwd", linked.root() / "etc/group");
  auto pieces = kTree;
  pieces.push_back({"etc/group", EntryKind::File, kTree[1].content, 0644});
  EXPECT_EQ(linked.sealed().digest, Tree{pieces}.sealed().digest);
}

TEST(Seal, RefusesWhatNoEnvironmentMayHold) {
  const Tree fifo;
  ASSERT_EQ(::mkfifo((fifo.root() / "pipe").c_str(), 0644), 0);
  EXPECT_EQ(digest_tree(fifo.root(), {}).error().code, Code::InvalidArgument);
  const Tree setuid;
  ASSERT_EQ(::chmod((setuid.root() / "usr/lib/tool").c_str(), 04755), 0);
  EXPECT_EQ(digest_tree(setuid.root(), {}).error().code, Code::InvalidArgument);
}

TEST(Seal, NormalisingTakesSetIdBitsAndSpecialFilesAway) {
  const Tree tree;
  ASSERT_EQ(::mkfifo((tree.root() / "pipe").c_str(), 0644), 0);
  ASSERT_EQ(::chmod((tree.root() / "usr/lib/tool").c_str(), 06711), 0);
  ASSERT_EQ(::chmod((tree.root() / "etc/passwd").c_str(), 0600), 0);
  ASSERT_EQ(::chmod((tree.root() / "usr").c_str(), 01777), 0);
  ASSERT_TRUE(normalise_modes(tree.root()));
  EXPECT_EQ(tree.sealed().digest, Tree{}.sealed().digest);
}

TEST(Seal, TheDigestIsThatOfFrameAndTarAsGnuTarWouldReadThem) {
  const Tree tree{{{"a", EntryKind::File, "hello\n", 0644}}};
  const std::string content = std::string("hello\n") + std::string(506, '\0');
  const std::string bytes = R"({"profile":"standard","variables":{}})" +
                            header({.path = "a", .mode = 0644, .size = 6}) + content + end_of_tar();
  EXPECT_EQ(tree.sealed().digest, sha256(bytes));
}

TEST(Seal, TheExampleOfTheFormatDocumentHolds) {
  const Tree tree{{{"a", EntryKind::File, "hello\n", 0644}, {"l", EntryKind::Link, "a", 0777}}};
  EXPECT_EQ(tree.sealed({.profile = "standard", .variables = {{"PATH", "/bin"}}}).digest.text(),
            "sha256:9c40af94a9231dc98711bdd778cbb3af7cf278d3006c937979e059e22e92c8a9");
}

TEST(Archive, UnpacksToTheSameTreeAndFrame) {
  const Tree tree;
  const Frame frame{.profile = "standard", .variables = {{"LANG", "C.UTF-8"}}};
  const auto written = write_archive(tree.root(), frame, tree.beside("a.zst"));
  ASSERT_TRUE(written) << written.error().message;
  EXPECT_EQ(written->digest, tree.sealed(frame).digest);
  const auto unpacked = unpack(tree.beside("a.zst"), tree.beside("copy"), written->digest);
  ASSERT_TRUE(unpacked) << unpacked.error().message;
  EXPECT_EQ(unpacked->frame, frame);
  EXPECT_EQ(unpacked->sealed.files, written->files);
  EXPECT_EQ(digest_tree(tree.beside("copy"), frame)->digest, written->digest);
}

TEST(Archive, KeepsRunsOfZerosAsHoles) {
  const Tree tree{{{"z", EntryKind::File, std::string(4 << 20, '\0'), 0644}}};
  const auto written = write_archive(tree.root(), {}, tree.beside("a.zst"));
  ASSERT_TRUE(unpack(tree.beside("a.zst"), tree.beside("copy"), written->digest));
  struct stat status {};
  ASSERT_EQ(::stat((tree.beside("copy") / "z").c_str(), &status), 0);
  EXPECT_EQ(status.st_size, 4 << 20);
  EXPECT_LT(status.st_blocks, 64);
}

TEST(Archive, OfAnotherDigestLeavesNothing) {
  const Tree tree;
  const auto written = write_archive(tree.root(), {}, tree.beside("a.zst"));
  ASSERT_TRUE(written);
  const auto unpacked = unpack(tree.beside("a.zst"), tree.beside("copy"), sha256("other"));
  ASSERT_FALSE(unpacked);
  EXPECT_EQ(unpacked.error().code, Code::Corrupt);
  EXPECT_FALSE(fs::exists(tree.beside("copy")));
}

TEST(Archive, OneChangedOrMissingByteIsNoticed) {
  const Tree tree;
  const auto written = write_archive(tree.root(), {}, tree.beside("a.zst"));
  auto bytes = *read_file(tree.beside("a.zst"), 1 << 20);
  for (std::size_t at = 0; at < bytes.size(); at += 1 + bytes.size() / 50) {
    auto damaged = bytes;
    damaged[at] ^= std::byte{0x10};
    ASSERT_TRUE(write_file(tree.beside("b.zst"), damaged));
    EXPECT_FALSE(unpack(tree.beside("b.zst"), tree.beside("copy"), written->digest)) << at;
    ASSERT_TRUE(write_file(tree.beside("b.zst"), ByteView{bytes}.first(at)));
    EXPECT_FALSE(unpack(tree.beside("b.zst"), tree.beside("copy"), written->digest)) << at;
    ASSERT_FALSE(fs::exists(tree.beside("copy")));
  }
}

TEST(Archive, LargerThanItsLimitIsRefused) {
  const Tree tree;
  const auto written = write_archive(tree.root(), {}, tree.beside("a.zst"));
  UnpackLimits limits{.bytes_max = written->bytes};
  EXPECT_TRUE(unpack(tree.beside("a.zst"), tree.beside("fits"), written->digest, limits));
  limits.bytes_max -= 1;
  EXPECT_FALSE(unpack(tree.beside("a.zst"), tree.beside("not"), written->digest, limits));
  limits = {.entries_max = kTree.size() - 1};
  EXPECT_FALSE(unpack(tree.beside("a.zst"), tree.beside("not"), written->digest, limits));
}

}  // namespace
}  // namespace coffer::env
