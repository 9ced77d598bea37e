// Whole directory trees: walked, copied and removed by descriptor, never through a link.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>

#include "os/files.h"

namespace coffer {
namespace {

struct CloseDirectory {
  void operator()(DIR* stream) const { (void)::closedir(stream); }
};
using DirectoryStream = std::unique_ptr<DIR, CloseDirectory>;

FileKind kind_of(mode_t mode) {
  if (S_ISREG(mode)) return FileKind::Regular;
  if (S_ISDIR(mode)) return FileKind::Directory;
  return S_ISLNK(mode) ? FileKind::Link : FileKind::Other;
}

// The names in a directory, without its own and its parent's.
Result<std::vector<std::string>> names_in(int directory, std::uint64_t names_max) {
  const int copy = ::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (copy < 0) return system_error("list a directory", errno);
  const DirectoryStream stream{::fdopendir(copy)};
  if (!stream) {
    const int error_number = errno;
    (void)::close(copy);
    return system_error("list a directory", error_number);
  }
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(stream.get())) {
    const std::string name = static_cast<const char*>(entry->d_name);
    if (name == "." || name == "..") continue;
    if (names.size() == names_max) {
      return Error{Code::InvalidArgument, "a tree has too many entries"};
    }
    names.push_back(name);
    errno = 0;
  }
  if (errno != 0) return system_error("list a directory", errno);
  return names;
}

struct Walk {
  WalkLimits limits;
  std::vector<FileEntry> found;

  Result<> below(int directory, const std::string& prefix, std::uint32_t depth) {
    if (depth > limits.depth_max) return Error{Code::InvalidArgument, "a tree is too deep"};
    COFFER_TRY(const auto names, names_in(directory, limits.entries_max - found.size()));
    for (const auto& name : names) {
      struct stat status {};
      if (::fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
        return system_error("read a directory entry", errno);
      }
      if (found.size() == limits.entries_max) {
        return Error{Code::InvalidArgument, "a tree has too many entries"};
      }
      found.push_back({.path = prefix + name,
                       .kind = kind_of(status.st_mode),
                       .size_bytes = static_cast<std::uint64_t>(status.st_size),
                       .mode = status.st_mode & 07777,
                       .links = status.st_nlink});
      if (!S_ISDIR(status.st_mode)) continue;
      COFFER_TRY(const UniqueFd child, open_beneath(directory, name, O_RDONLY | O_DIRECTORY));
      COFFER_CHECK(below(child.get(), prefix + name + '/', depth + 1));
    }
    return {};
  }
};

Result<std::uint64_t> copy_file(int source, int target, const FileEntry& entry,
                                std::uint64_t bytes_left) {
  COFFER_TRY(const UniqueFd in, open_beneath(source, entry.path, O_RDONLY | O_NONBLOCK));
  struct stat status {};
  if (::fstat(in.get(), &status) != 0) return system_error("read a file", errno);
  if (!S_ISREG(status.st_mode)) return Error{Code::InvalidArgument, "is no regular file"};
  COFFER_TRY(const UniqueFd out,
             open_beneath(target, entry.path, O_WRONLY | O_CREAT | O_EXCL, 0600));
  std::uint64_t copied = 0;
  COFFER_CHECK(for_each_piece(in.get(), "read a file", [&](ByteView piece) -> Result<> {
    copied += piece.size();
    if (copied > bytes_left) return Error{Code::InvalidArgument, "a tree has too many bytes"};
    return write_all(out.get(), piece);
  }));
  const mode_t mode = (status.st_mode & S_IXUSR) != 0 ? 0755 : 0644;
  if (::fchmod(out.get(), mode) != 0) return system_error("set a file's mode", errno);
  return copied;
}

Result<> remove_below(int directory, std::uint32_t depth) {
  constexpr std::uint32_t kDepthMax = 1024;
  if (depth > kDepthMax) return Error{Code::InvalidArgument, "a tree is too deep"};
  COFFER_TRY(const auto names, names_in(directory, UINT64_MAX));
  for (const auto& name : names) {
    if (::unlinkat(directory, name.c_str(), 0) == 0 || errno == ENOENT) continue;
    if (errno != EISDIR && errno != EPERM && errno != EACCES) {
      return system_error("remove a file", errno);
    }
    if (const int fd = ::openat(directory, name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW);
        fd >= 0) {
      (void)::close(fd);
      // A directory that its owner may not search could not be emptied.
      if (::fchmodat(directory, name.c_str(), 0700, 0) != 0) {
        return system_error("open a directory to its owner", errno);
      }
    }
    COFFER_TRY(const UniqueFd child, open_beneath(directory, name, O_RDONLY | O_DIRECTORY));
    COFFER_CHECK(remove_below(child.get(), depth + 1));
    if (::unlinkat(directory, name.c_str(), AT_REMOVEDIR) != 0) {
      return system_error("remove a directory", errno);
    }
  }
  return {};
}

}  // namespace

Result<std::vector<FileEntry>> walk(int directory, WalkLimits limits) {
  Walk state{limits, {}};
  COFFER_CHECK(state.below(directory, "", 1));
  std::sort(state.found.begin(), state.found.end(),
            [](const FileEntry& a, const FileEntry& b) { return a.path < b.path; });
  return std::move(state.found);
}

Result<> copy_tree(int source, int target, CopyLimits limits) {
  COFFER_TRY(const auto entries, walk(source, limits.walk));
  std::uint64_t left = limits.bytes_max;
  for (const auto& entry : entries) {
    if (entry.kind == FileKind::Directory) {
      if (::mkdirat(target, entry.path.c_str(), 0755) != 0) {
        return system_error("make a directory", errno);
      }
      COFFER_TRY(const UniqueFd made, open_beneath(target, entry.path, O_RDONLY | O_DIRECTORY));
      if (::fchmod(made.get(), 0755) != 0) return system_error("set a directory's mode", errno);
    } else if (entry.kind == FileKind::Regular) {
      COFFER_TRY(const std::uint64_t copied, copy_file(source, target, entry, left));
      left -= copied;
    } else {
      return Error{Code::InvalidArgument, "a tree holds a link or a special file"};
    }
  }
  return {};
}

Result<> remove_tree(const std::filesystem::path& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) return {};
    return system_error("remove a tree", errno);
  }
  if (S_ISDIR(status.st_mode)) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return system_error("remove a tree", errno);
    const UniqueFd directory{fd};
    COFFER_CHECK(remove_below(directory.get(), 1));
    if (::rmdir(path.c_str()) != 0) return system_error("remove a directory", errno);
  } else if (::unlink(path.c_str()) != 0) {
    return system_error("remove a file", errno);
  }
  return {};
}

}  // namespace coffer
