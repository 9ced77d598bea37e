// Tree: the files of a program and the digest that pins them.
//
// Invariants: paths are relative, in byte order, without any component `.git` or `__pycache__`;
// each is a regular file. Opened one component at a time without following a link.
// Errors: InvalidArgument (a link or special file, more than the limits below), NotFound (no such
// directory), Unavailable (a file that cannot be read, with the reason in `detail`).
// Thread-safety: reads the file system; the values are plain.
// Source: protocol.md sections 6 and 7.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "crypto/crypto.h"

namespace coffer::program {

inline constexpr std::uint64_t kTreeBytesMax = 64ULL << 20;  // sum of all contents
inline constexpr std::size_t kTreeFilesMax = 50'000;
inline constexpr std::size_t kTreeDepthMax = 64;
inline constexpr std::size_t kTreePathBytesMax = 4096;

struct TreeFile {
  std::string path;        // bytes, not always UTF-8
  bool executable{false};  // the owner's x-bit
  std::uint64_t bytes{0};
  Digest content{};
  std::uint64_t lines{0};  // line ends, and one more for an unended last line
  friend bool operator==(const TreeFile&, const TreeFile&) = default;
};

struct Tree {
  std::vector<TreeFile> files;
  std::uint64_t bytes{0};
  Digest digest;
};

// Is called with each file as it was read, for progress and packing: its path, mode and content.
using TreeVisitor = std::function<Result<>(const TreeFile& file, ByteView content)>;

Result<Tree> read_tree(const std::filesystem::path& directory, const TreeVisitor& visit = {});
// The same of an open directory (borrowed).
Result<Tree> read_tree(int directory_fd, const TreeVisitor& visit = {});

// The digest of files in any order.
Digest tree_digest(std::vector<TreeFile> files);

// Whether a path may stand in a tree: relative, no empty, `.` or `..` component, no NUL, within
// the limits, nothing skipped in it.
bool is_tree_path(std::string_view path);

// One regular file of the tree, no component a link.
// Errors: NotFound, InvalidArgument (a link, a special file, longer than `bytes_max`).
Result<std::string> read_tree_file(const std::filesystem::path& directory, std::string_view path,
                                   std::size_t bytes_max);

}  // namespace coffer::program
