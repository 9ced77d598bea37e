#include "program/tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include "base/text.h"
#include "base/unique_fd.h"
#include "base/wire.h"

namespace coffer::program {
namespace {

Error refuse(std::string_view path, std::string_view why) {
  return Error{Code::InvalidArgument, fmt::format("{}: {}", printable(path), why)};
}

Error unreadable(std::string_view path) {
  const int reason = errno;
  const Code code = reason == ENOENT || reason == ENOTDIR ? Code::NotFound : Code::Unavailable;
  // O_NOFOLLOW says ELOOP for a link that took a file's place after it was listed.
  if (reason == ELOOP) return refuse(path, "a symlink, and programs hold none");
  return Error{code, fmt::format("{}: cannot be read", printable(path)), std::strerror(reason)};
}

bool is_skipped(std::string_view component) {
  return component == ".git" || component == "__pycache__";
}

std::string_view what_it_is(mode_t mode) {
  if (S_ISLNK(mode)) return "a symlink, and programs hold none";
  if (S_ISFIFO(mode)) return "a fifo, and programs hold regular files only";
  if (S_ISSOCK(mode)) return "a socket, and programs hold regular files only";
  return "a device, and programs hold regular files only";
}

struct CloseDirectory {
  void operator()(DIR* directory) const { (void)::closedir(directory); }
};

// Lists the regular files below a directory.
class Lister {
 public:
  Result<> walk(UniqueFd directory, const std::string& prefix, std::size_t depth) {
    if (depth > kTreeDepthMax) {
      return refuse(prefix, fmt::format("more than {} directories deep", kTreeDepthMax));
    }
    const int fd = directory.get();
    const std::unique_ptr<DIR, CloseDirectory> stream{::fdopendir(fd)};
    if (!stream) return unreadable(prefix);
    (void)directory.release();  // the stream owns it now
    for (;;) {
      errno = 0;
      const dirent* entry = ::readdir(stream.get());
      if (entry == nullptr) break;
      const std::string name = entry->d_name;
      if (name == "." || name == ".." || is_skipped(name)) continue;
      COFFER_CHECK(add(fd, name, prefix, depth));
    }
    if (errno != 0) return unreadable(prefix);
    return {};
  }
  std::vector<std::string> paths;

 private:
  Result<> add(int directory, const std::string& name, const std::string& prefix,
               std::size_t depth) {
    const std::string path = prefix.empty() ? name : prefix + "/" + name;
    if (path.size() > kTreePathBytesMax) {
      return refuse(path, fmt::format("a path of more than {} bytes", kTreePathBytesMax));
    }
    struct stat status {};
    if (::fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
      return unreadable(path);
    if (S_ISDIR(status.st_mode)) {
      UniqueFd child{
          ::openat(directory, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
      if (!child) return unreadable(path);
      return walk(std::move(child), path, depth + 1);
    }
    if (!S_ISREG(status.st_mode)) return refuse(path, what_it_is(status.st_mode));
    if (paths.size() == kTreeFilesMax) {
      return Error{Code::InvalidArgument, fmt::format("more than {} files", kTreeFilesMax)};
    }
    paths.push_back(path);
    return {};
  }
};

struct OpenFile {
  UniqueFd fd;
  bool executable{false};
};

// Opens a regular file below `root` one component at a time, so that no link is followed.
Result<OpenFile> open_file(int root, std::string_view path) {
  UniqueFd directory;
  for (std::string_view rest = path;;) {
    const auto slash = rest.find('/');
    const std::string name(rest.substr(0, slash));
    const int at = directory ? directory.get() : root;
    if (slash != std::string_view::npos) {
      UniqueFd next{::openat(at, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
      if (!next) return unreadable(path);
      directory = std::move(next);
      rest.remove_prefix(slash + 1);
      continue;
    }
    // O_NONBLOCK: a FIFO that took the file's place must not stop us.
    UniqueFd fd{
        ::openat(at, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)};
    if (!fd) return unreadable(path);
    struct stat status {};
    if (::fstat(fd.get(), &status) != 0) return unreadable(path);
    if (S_ISDIR(status.st_mode)) return refuse(path, "a directory");
    if (!S_ISREG(status.st_mode)) return refuse(path, what_it_is(status.st_mode));
    return OpenFile{std::move(fd), (status.st_mode & S_IXUSR) != 0};
  }
}

// All of a file. Errors: InvalidArgument, longer than `bytes_max`.
Result<std::string> read_all(int fd, std::string_view path, std::uint64_t bytes_max) {
  std::string content;
  std::array<char, 65'536> block{};
  for (;;) {
    const ssize_t got = ::read(fd, block.data(), block.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return unreadable(path);
    if (got == 0) return content;
    content.append(block.data(), static_cast<std::size_t>(got));
    if (content.size() > bytes_max) {
      return Error{Code::InvalidArgument,
                   fmt::format("{}: beyond the limit of {} bytes", printable(path), bytes_max)};
    }
  }
}

Result<UniqueFd> open_directory(const std::filesystem::path& directory) {
  UniqueFd fd{::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (!fd) return unreadable(directory.native());
  return fd;
}

std::uint64_t count_lines(std::string_view content) {
  const auto ends = static_cast<std::uint64_t>(std::count(content.begin(), content.end(), '\n'));
  return ends + (!content.empty() && content.back() != '\n' ? 1 : 0);
}

}  // namespace

Result<Tree> read_tree(int directory_fd, const TreeVisitor& visit) {
  // A description of its own: the walk moves its offset.
  UniqueFd root{::openat(directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (!root) return unreadable(".");
  Lister lister;
  COFFER_CHECK(lister.walk(std::move(root), "", 0));
  std::sort(lister.paths.begin(), lister.paths.end());
  Tree tree;
  for (const auto& path : lister.paths) {
    COFFER_TRY(const OpenFile open, open_file(directory_fd, path));
    auto content = read_all(open.fd.get(), path, kTreeBytesMax - tree.bytes);
    if (!content && content.error().code == Code::InvalidArgument) {
      return Error{Code::InvalidArgument,
                   fmt::format("{}: with it the program is larger than {} MiB", printable(path),
                               kTreeBytesMax >> 20)};
    }
    if (!content) return std::move(content).error();
    const ByteView bytes = bytes_of(*content);
    tree.files.push_back({.path = path,
                          .executable = open.executable,
                          .bytes = bytes.size(),
                          .content = sha256(bytes),
                          .lines = count_lines(*content)});
    tree.bytes += bytes.size();
    if (visit) COFFER_CHECK(visit(tree.files.back(), bytes));
  }
  tree.digest = tree_digest(tree.files);
  return tree;
}

Result<Tree> read_tree(const std::filesystem::path& directory, const TreeVisitor& visit) {
  COFFER_TRY(const UniqueFd fd, open_directory(directory));
  return read_tree(fd.get(), visit);
}

Digest tree_digest(std::vector<TreeFile> files) {
  std::sort(files.begin(), files.end(),
            [](const TreeFile& a, const TreeFile& b) { return a.path < b.path; });
  Sha256 hash;
  hash.update("coffer-program-v1\n");
  for (const auto& file : files) {
    hash.update(WireWriter{}
                    .text(file.path)
                    .boolean(file.executable)
                    .u64(file.bytes)
                    .raw(file.content.bytes)
                    .data());
  }
  return hash.finish();
}

bool is_tree_path(std::string_view path) {
  if (path.empty() || path.size() > kTreePathBytesMax) return false;
  if (path.find('\0') != std::string_view::npos) return false;
  const auto components = split(path, '/');
  if (components.size() > kTreeDepthMax + 1) return false;
  return std::none_of(components.begin(), components.end(), [](const std::string& part) {
    return part.empty() || part == "." || part == ".." || is_skipped(part);
  });
}

Result<std::string> read_tree_file(const std::filesystem::path& directory, std::string_view path,
                                   std::size_t bytes_max) {
  if (!is_tree_path(path)) return refuse(path, "no path of a program's file");
  COFFER_TRY(const UniqueFd root, open_directory(directory));
  COFFER_TRY(const OpenFile open, open_file(root.get(), path));
  return read_all(open.fd.get(), path, bytes_max);
}

}  // namespace coffer::program
