#include "vault/tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>

#include "vault/detail/io.h"

namespace coffer::vault {
namespace {

struct DirectoryFree {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

Error at_path(std::string_view path, std::string_view why) {
  return Error{Code::InvalidArgument, fmt::format("{} {}", printable(path), why)};
}

// The order of whole paths: a directory sorts as if its name ended in '/'.
std::string sort_key(const std::string& name, bool directory) {
  return directory ? name + "/" : name;
}

Result<std::string> basename_of(const std::string& path) {
  std::filesystem::path p{path};
  std::error_code error;
  if (p.filename().empty() || p.filename() == "." || p.filename() == "..") {
    p = std::filesystem::canonical(p, error);
  }
  const std::string name = p.filename().string();
  if (error || name.empty() || name == "/") return at_path(path, "has no name of its own to keep");
  return name;
}

// Whether it is a directory; an error when it is neither that nor a regular file.
Result<bool> is_directory(int at, const std::string& source, const std::string& shown) {
  struct stat facts {};
  if (::fstatat(at, source.c_str(), &facts, AT_SYMLINK_NOFOLLOW) != 0) {
    return system_error(printable(shown));
  }
  if (S_ISDIR(facts.st_mode)) return true;
  if (S_ISREG(facts.st_mode)) return false;
  return at_path(shown, S_ISLNK(facts.st_mode)
                            ? "is a symbolic link: add what it points to, or leave it out"
                            : "is neither a regular file nor a directory");
}

}  // namespace

Result<TreeWalk> TreeWalk::open(const std::vector<std::string>& paths) {
  TreeWalk walk;
  Frame top;
  for (const auto& path : paths) {
    COFFER_TRY(std::string name, basename_of(path));
    const std::string source = path.ends_with('/') && path.size() > 1
                                   ? path.substr(0, path.find_last_not_of('/') + 1)
                                   : path;
    COFFER_TRY(const bool directory, is_directory(AT_FDCWD, source, path));
    for (const auto& other : top.items) {
      if (other.name == name) {
        return at_path(path, "has the same name as another path that was given");
      }
    }
    top.items.push_back({std::move(name), source, directory});
  }
  sort(top.items);
  walk.frames_.push_back(std::move(top));
  return walk;
}

void TreeWalk::sort(std::vector<Item>& items) {
  std::sort(items.begin(), items.end(), [](const Item& a, const Item& b) {
    return sort_key(a.name, a.directory) > sort_key(b.name, b.directory);
  });
}

Result<> TreeWalk::enter(UniqueFd fd, std::string prefix) {
  UniqueFd copy{::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0)};
  const std::unique_ptr<DIR, DirectoryFree> directory{copy ? ::fdopendir(copy.get()) : nullptr};
  if (!directory) return system_error(printable(prefix));
  (void)copy.release();  // the stream closes it
  Frame frame{.fd = std::move(fd), .prefix = std::move(prefix), .items = {}};
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(directory.get());
    if (entry == nullptr) break;
    std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    COFFER_TRY(const bool is_dir, is_directory(frame.fd.get(), name, frame.prefix + name));
    frame.items.push_back({name, name, is_dir});
  }
  if (errno != 0) return system_error(printable(frame.prefix));
  sort(frame.items);
  frames_.push_back(std::move(frame));
  return {};
}

Result<std::optional<WalkedFile>> TreeWalk::next() {
  while (!frames_.empty()) {
    if (frames_.back().items.empty()) {
      frames_.pop_back();
      continue;
    }
    const Item item = std::move(frames_.back().items.back());
    frames_.back().items.pop_back();
    const std::string path = frames_.back().prefix + item.name;
    COFFER_CHECK(check_path(path));
    const int at = frames_.back().fd ? frames_.back().fd.get() : AT_FDCWD;
    // O_NONBLOCK: what became a pipe since it was looked at must not hang us.
    const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    UniqueFd fd{::openat(at, item.source.c_str(), flags | (item.directory ? O_DIRECTORY : 0))};
    if (!fd) return system_error(printable(path));
    if (item.directory) {
      COFFER_CHECK(enter(std::move(fd), path + "/"));
      continue;
    }
    struct stat facts {};
    if (::fstat(fd.get(), &facts) != 0) return system_error(printable(path));
    if (!S_ISREG(facts.st_mode)) return at_path(path, "is no regular file any more");
    const FileMode mode = (facts.st_mode & S_IXUSR) != 0 ? FileMode::Executable : FileMode::Plain;
    return std::optional{WalkedFile{.path = path,
                                    .size = static_cast<std::uint64_t>(facts.st_size),
                                    .mode = mode,
                                    .fd = std::move(fd)}};
  }
  return std::optional<WalkedFile>{};
}

}  // namespace coffer::vault
