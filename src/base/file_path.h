// The paths that files of a dataset may have, and writing such a tree without following a link.
//
// A good path is relative, UTF-8, of 1 to kPathMax bytes; its parts are joined by '/', have 1 to
// kPathPartMax bytes, are neither "." nor "..", and hold no control character (U+0000 to U+001F,
// U+007F to U+009F). At most kPathDepthMax parts.
// Errors: InvalidArgument (a bad path, one given twice, one below a file; says which rule),
// AlreadyExists (something is there already), Unavailable (the file system refused).
// Thread-safety: check_path is pure; a TreeWriter as a plain value.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/text.h"
#include "base/unique_fd.h"

namespace coffer {

inline constexpr std::size_t kPathMax = 1024;
inline constexpr std::size_t kPathPartMax = 255;
inline constexpr std::size_t kPathDepthMax = 64;

Result<> check_path(std::string_view path);

// Paths in ascending byte order, each once, none both a file and a directory.
//
// accept() answers InvalidArgument for the first path that breaks this. Memory: the paths that are
// prefixes of the last one, so at most kPathMax of them.
class PathOrder {
 public:
  Result<> accept(std::string_view path);

 private:
  std::string last_;
  std::vector<std::size_t> prefixes_;  // lengths of files that are textual prefixes of last_
};

enum class FileMode : std::uint8_t { Plain, Executable };

// Writes regular files below a directory that is open already.
//
// Files get mode 0444 (0555 when executable), directories 0555 once everything in them is written;
// every step is openat() or mkdirat() on one part with O_NOFOLLOW, and files are created with
// O_EXCL, so nothing outside and nothing older is ever touched. Paths must come in the order of
// PathOrder. begin(), write() any number of times, begin() the next, finish() at the end.
class TreeWriter {
 public:
  // Borrows `directory` until it is destroyed.
  explicit TreeWriter(int directory) : root_(directory) {}
  Result<> begin(std::string_view path, FileMode mode);
  Result<> write(ByteView bytes);
  Result<> finish();

 private:
  struct Directory {
    std::string name;
    UniqueFd fd;
  };
  int current() const { return open_.empty() ? root_ : open_.back().fd.get(); }
  Result<> close_file();
  Result<> leave_to(std::size_t depth);
  Result<> enter(const std::string& name);

  int root_;
  std::vector<Directory> open_;
  UniqueFd file_;
  FileMode mode_{FileMode::Plain};
  PathOrder order_;
};

}  // namespace coffer
