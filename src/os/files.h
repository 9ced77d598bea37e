// Files: whole or not at all, of bounded size, and never through somebody else's link.
//
// Functions that take a directory descriptor and a relative path resolve it with openat2 beneath
// that directory: no `..` above it, no symbolic link, no magic link on the way.
// Durability: write_file() and make_directories() return after what they made was synced; a crash
// leaves the old content or the new one.
// Units: sizes in bytes, modes as in chmod(2).
// Errors: NotFound; AlreadyExists; Denied (permission); InvalidArgument (no regular file, above
// the limit, a path that leads outside); Unavailable (no space, input or output error), with the
// system's reason in `detail`.
// Thread-safety: pure functions over the file system; umask is not changed.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/text.h"
#include "base/unique_fd.h"

namespace coffer {

// An Error for a failed system call: code from errno, `message` names what was attempted.
Error system_error(std::string_view what, int error_number);

Result<ByteVector> read_file(const std::filesystem::path& path, std::uint64_t bytes_max);
Result<std::string> read_text(const std::filesystem::path& path, std::uint64_t bytes_max);
// Reads from where the descriptor stands to its end.
Result<ByteVector> read_all(int fd, std::uint64_t bytes_max);
Result<> write_all(int fd, ByteView bytes);
// Each piece of what is left of a file, in order; `what` names the file in an error.
Result<> for_each_piece(int fd, std::string_view what,
                        const std::function<Result<>(ByteView piece)>& visit);

// Replaces or makes the file: temporary name beside it, fsync, rename, fsync of the directory.
Result<> write_file(const std::filesystem::path& path, ByteView bytes, mode_t mode = 0600);
inline Result<> write_text(const std::filesystem::path& path, std::string_view text,
                           mode_t mode = 0600) {
  return write_file(path, bytes_of(text), mode);
}
Result<> sync_directory(const std::filesystem::path& directory);
// Makes the directory and its missing parents, all of that mode, each synced into its parent; one
// that exists is left alone.
Result<> make_directories(const std::filesystem::path& path, mode_t mode = 0700);

Result<UniqueFd> open_directory(const std::filesystem::path& path);
// `flags` and `mode` as for open(2); O_CLOEXEC and O_NOFOLLOW are added.
Result<UniqueFd> open_beneath(int directory, const std::string& path, int flags, mode_t mode = 0);
// A regular file with one link beneath the directory, checked on the descriptor that is returned.
Result<UniqueFd> open_regular_beneath(int directory, const std::string& path);
Result<ByteVector> read_beneath(int directory, const std::string& path, std::uint64_t bytes_max);

enum class FileKind : std::uint8_t { Regular, Directory, Link, Other };

struct FileEntry {
  std::string path;  // relative to where the walk began, '/' between components
  FileKind kind;
  std::uint64_t size_bytes;
  mode_t mode;          // permission bits
  std::uint64_t links;  // st_nlink
};

struct WalkLimits {
  std::uint64_t entries_max{1000000};
  std::uint32_t depth_max{64};
};

// Every entry below the directory, links not followed, in byte order of path.
// Errors: InvalidArgument (a limit was passed).
Result<std::vector<FileEntry>> walk(int directory, WalkLimits limits = {});

// Copies regular files and directories; anything else refuses the whole copy. Files arrive with
// mode 0644 or 0755 (the owner's x-bit), directories with 0755.
// Errors: InvalidArgument (a link, socket, device or FIFO; a limit was passed).
struct CopyLimits {
  WalkLimits walk{};
  std::uint64_t bytes_max;
};
Result<> copy_tree(int source, int target, CopyLimits limits);

// Removes the tree, never following a link out of it. Absent is done.
Result<> remove_tree(const std::filesystem::path& path);

// Removes what write_file() and TemporaryDirectory left in that directory, not below it, when their
// process was killed. Absent is done. The caller is the only one who writes there.
Result<> remove_leftovers(const std::filesystem::path& directory);

// A fresh directory (mode 0700) under `parent`, removed with its content on destruction.
class TemporaryDirectory {
 public:
  static Result<TemporaryDirectory> make(
      const std::filesystem::path& parent = std::filesystem::temp_directory_path());
  TemporaryDirectory(TemporaryDirectory&& other) noexcept : path_(std::move(other.path_)) {
    other.path_.clear();
  }
  TemporaryDirectory& operator=(TemporaryDirectory&&) = delete;
  ~TemporaryDirectory();
  const std::filesystem::path& path() const { return path_; }

 private:
  explicit TemporaryDirectory(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
};

// A close-on-exec memory file with that content, sealed against every change.
Result<UniqueFd> sealed_memory_file(const char* name, ByteView content);

}  // namespace coffer
