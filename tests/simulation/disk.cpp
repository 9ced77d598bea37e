#include "simulation/disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace coffer::simulation {
namespace {

namespace fs = std::filesystem;

enum class Kind : std::uint8_t {
  Make,      // a file's name
  Folder,    // a directory's name
  Remove,    // a name
  Rename,    // path to other
  Write,     // bytes at an offset
  Resize,    // to offset
  SyncFile,  //
  SyncNames  // of a directory
};

struct Change {
  Kind kind;
  std::string path{};   // relative to the root
  std::string other{};  // the new name
  std::uint64_t inode{0};
  std::uint64_t offset{0};
  std::string bytes{};
};

// One at a time; the system calls below find it here.
struct Recorder {
  std::mutex mutex;
  std::string root;
  bool on{false};
  std::vector<Change> changes;
  struct Known {
    std::string path;
    std::uint64_t id;  // of ours: the file system uses its inodes again
  };
  std::map<std::uint64_t, Known> known;  // files that have been seen, by their inode
  std::uint64_t ids{0};
  std::size_t fail_first{SIZE_MAX};
  std::size_t fail_count{0};
  int fail_errno{0};

  // Whose name is gone or taken over: its inode may come again as another file.
  void forget(Change& change) {
    if (change.kind != Kind::Remove && change.kind != Kind::Rename) return;
    const std::string& gone = change.kind == Kind::Remove ? change.path : change.other;
    std::erase_if(known, [&](const auto& one) { return one.second.path == gone; });
    if (change.kind == Kind::Remove) return;
    for (auto& [inode, file] : known) {
      if (file.path != change.path) continue;
      file.path = change.other;
      change.inode = file.id;
    }
  }

  bool fails() const {
    return changes.size() >= fail_first && changes.size() - fail_first < fail_count;
  }
};
Recorder& recorder() {
  static Recorder one;
  return one;
}

// The path below the root, if it is there.
std::optional<std::string> below(const std::string& absolute) {
  const std::string& root = recorder().root;
  if (absolute.size() <= root.size() || absolute.compare(0, root.size(), root) != 0 ||
      absolute[root.size()] != '/') {
    return std::nullopt;
  }
  std::string path = absolute.substr(root.size() + 1);
  // SQLite's shared memory is made anew after a crash.
  if (path.ends_with("-shm")) return std::nullopt;
  return path;
}

std::string link_of(const std::string& link) {
  std::array<char, 4096> target{};
  const ssize_t size = ::readlink(link.c_str(), target.data(), target.size());
  return size < 0 ? std::string{} : std::string(target.data(), static_cast<std::size_t>(size));
}
std::string path_of(int fd) { return link_of("/proc/self/fd/" + std::to_string(fd)); }
std::string path_at(int directory, const char* path) {
  if (path[0] == '/') return path;
  const std::string base = directory == AT_FDCWD ? link_of("/proc/self/cwd") : path_of(directory);
  return base + "/" + path;
}

struct File {
  std::string path;
  std::uint64_t inode;
  bool folder;
};
// The file behind a descriptor, noted as made when it is seen for the first time.
std::optional<File> file_of(int fd) {
  auto path = below(path_of(fd));
  if (!path && path_of(fd) == recorder().root) return File{"", 0, true};
  struct stat status {};
  if (!path || path->ends_with(" (deleted)") || ::fstat(fd, &status) != 0) return std::nullopt;
  const bool folder = S_ISDIR(status.st_mode);
  if (!folder && !S_ISREG(status.st_mode)) return std::nullopt;
  if (folder) return File{*path, 0, true};
  Recorder& all = recorder();
  const auto [known, is_new] = all.known.try_emplace(status.st_ino, Recorder::Known{*path, 0});
  if (is_new) {
    known->second.id = ++all.ids;
    all.changes.push_back({.kind = Kind::Make, .path = *path, .inode = known->second.id});
  }
  return File{*path, known->second.id, false};
}

// What a system call would change is noted if it was done, and fails if a fault was asked for.
template <class Call, class Note>
auto recorded(const Call& call, const Note& note) -> decltype(call()) {
  Recorder& all = recorder();
  if (!all.on) return call();
  const std::lock_guard lock{all.mutex};
  const int before = errno;
  auto change = note();
  if (change && all.fails()) {
    all.changes.push_back({.kind = Kind::SyncFile});  // counts, and changes nothing
    errno = all.fail_errno;
    return -1;
  }
  errno = before;
  const auto result = call();
  if (result >= 0 && change) {
    if (change->kind == Kind::Write) change->bytes.resize(static_cast<std::size_t>(result));
    all.forget(*change);
    all.changes.push_back(*std::move(change));
  }
  return result;
}

using Noted = std::optional<Change>;

Noted note_write(int fd, const void* data, std::size_t size, std::optional<off_t> at) {
  const auto file = file_of(fd);
  if (!file || file->folder) return std::nullopt;
  off_t offset = at.value_or(0);
  if (!at) {
    const int flags = ::fcntl(fd, F_GETFL);
    offset = ::lseek(fd, 0, (flags & O_APPEND) != 0 ? SEEK_END : SEEK_CUR);
  }
  return Change{.kind = Kind::Write,
                .path = file->path,
                .inode = file->inode,
                .offset = static_cast<std::uint64_t>(offset),
                .bytes = std::string(static_cast<const char*>(data), size)};
}

Noted note_fd(Kind kind, int fd, std::uint64_t offset = 0) {
  const auto file = file_of(fd);
  if (!file) return std::nullopt;
  return Change{.kind = file->folder ? Kind::SyncNames : kind,
                .path = file->path,
                .inode = file->inode,
                .offset = offset};
}

Noted note_name(Kind kind, const std::string& path, const std::string& other = "") {
  const auto here = below(path);
  if (!here) return std::nullopt;
  return Change{.kind = kind, .path = *here, .other = below(other).value_or("")};
}

// ---- What is left after a crash ----------------------------------------------------------------

struct Node {
  bool folder{false};
  std::string safe;             // the bytes that were synced
  std::vector<Change> pending;  // writes and resizes since
};

void write_into(std::string& bytes, const Change& change, std::size_t length) {
  if (change.kind == Kind::Resize) {
    bytes.resize(change.offset);
    return;
  }
  if (bytes.size() < change.offset + length) bytes.resize(change.offset + length);
  bytes.replace(change.offset, length, change.bytes, 0, length);
}

using Names = std::map<std::string, std::uint64_t>;  // path to inode; folders have numbers of ours

void apply_name(Names& names, const Change& change) {
  if (change.kind == Kind::Remove) {
    names.erase(change.path);
  } else if (change.kind == Kind::Rename) {
    // A file's new name may be safe before its first one was.
    Names moved;
    if (change.inode != 0) moved[change.other] = change.inode;
    for (auto at = names.begin(); at != names.end();) {
      if (at->first == change.path || at->first.starts_with(change.path + "/")) {
        moved[change.other + at->first.substr(change.path.size())] = at->second;
        at = names.erase(at);
      } else {
        ++at;
      }
    }
    for (const auto& [path, inode] : moved) names[path] = inode;
  } else {
    names[change.path] = change.inode;
  }
}

std::string parent_of(const std::string& path) { return fs::path(path).parent_path().string(); }

struct Disk {
  std::map<std::uint64_t, Node> nodes;
  Names safe;
  std::vector<Change> pending;  // of names, in order

  void take(const Change& change) {
    switch (change.kind) {
      case Kind::Make:
      case Kind::Folder:
      case Kind::Remove:
      case Kind::Rename:
        if (change.kind == Kind::Folder) nodes[change.inode].folder = true;
        pending.push_back(change);
        break;
      case Kind::Write:
      case Kind::Resize:
        nodes[change.inode].pending.push_back(change);
        break;
      case Kind::SyncFile: {
        Node& node = nodes[change.inode];
        for (const auto& one : node.pending) write_into(node.safe, one, one.bytes.size());
        node.pending.clear();
        break;
      }
      case Kind::SyncNames:
        sync_names(change.path);
        break;
    }
  }

  void sync_names(const std::string& folder) {
    std::vector<Change> left;
    for (auto& one : pending) {
      const std::string& named = one.kind == Kind::Rename ? one.other : one.path;
      if (parent_of(named) == folder) {
        apply_name(safe, one);
      } else {
        left.push_back(std::move(one));
      }
    }
    pending = std::move(left);
  }

  // The bytes that arrived of a file: what was synced, and some of the rest.
  static std::string surviving(const Node& node, std::mt19937_64& random) {
    std::string bytes = node.safe;
    constexpr std::size_t kSector = 512;
    for (const auto& one : node.pending) {
      const auto fate = random() % 4;
      if (fate == 0) continue;  // never arrived
      std::size_t length = one.bytes.size();
      if (fate == 1 && one.kind == Kind::Write)
        length = random() % (length / kSector + 1) * kSector;
      write_into(bytes, one, length);
    }
    return bytes;
  }
};

}  // namespace

SimulatedDisk::SimulatedDisk(const fs::path& root) {
  Recorder& all = recorder();
  const std::lock_guard lock{all.mutex};
  if (all.on) std::abort();
  all.root = fs::canonical(root).string();
  all.changes.clear();
  all.known.clear();
  all.fail_first = SIZE_MAX;
  all.on = true;
}

SimulatedDisk::~SimulatedDisk() {
  const std::lock_guard lock{recorder().mutex};
  recorder().on = false;
}

std::size_t SimulatedDisk::changes() const {
  const std::lock_guard lock{recorder().mutex};
  return recorder().changes.size();
}

void SimulatedDisk::fail(std::size_t first, std::size_t count, int error_number) {
  Recorder& all = recorder();
  const std::lock_guard lock{all.mutex};
  all.fail_first = first;
  all.fail_count = count;
  all.fail_errno = error_number;
}

void SimulatedDisk::crash(std::size_t changes, std::uint64_t seed, const fs::path& target) const {
  const auto& all = recorder().changes;
  std::mt19937_64 random{seed};
  Disk disk;
  for (std::size_t i = 0; i < std::min(changes, all.size()); ++i) disk.take(all[i]);
  Names names = disk.safe;
  const std::size_t kept = disk.pending.empty() ? 0 : random() % (disk.pending.size() + 1);
  for (std::size_t i = 0; i < kept; ++i) apply_name(names, disk.pending[i]);
  fs::create_directories(target);
  for (const auto& [path, inode] : names) {
    // A name whose folder did not arrive cannot have arrived.
    const auto folder = target / parent_of(path);
    if (!fs::is_directory(folder)) continue;
    const Node& node = disk.nodes[inode];
    if (node.folder) {
      fs::create_directory(target / path);
    } else {
      const std::string bytes = disk.surviving(node, random);
      std::ofstream{target / path, std::ios::binary} << bytes;
      fs::permissions(target / path, fs::perms{0600});
    }
  }
}

}  // namespace coffer::simulation

// ---- The system calls, for this program and the libraries it loads
// -------------------------------

using namespace coffer::simulation;  // NOLINT(google-build-using-namespace): they have no namespace

extern "C" {

ssize_t write(int fd, const void* data, size_t size) {
  return recorded([&] { return ::syscall(SYS_write, fd, data, size); },
                  [&] { return note_write(fd, data, size, std::nullopt); });
}
ssize_t pwrite(int fd, const void* data, size_t size, off_t offset) {
  return recorded([&] { return ::syscall(SYS_pwrite64, fd, data, size, offset); },
                  [&] { return note_write(fd, data, size, offset); });
}
ssize_t pwrite64(int fd, const void* data, size_t size, off64_t offset) {
  return pwrite(fd, data, size, offset);
}
int ftruncate(int fd, off_t size) noexcept {
  return static_cast<int>(
      recorded([&] { return ::syscall(SYS_ftruncate, fd, size); },
               [&] { return note_fd(Kind::Resize, fd, static_cast<std::uint64_t>(size)); }));
}
int ftruncate64(int fd, off64_t size) noexcept { return ftruncate(fd, size); }
int fsync(int fd) {
  return static_cast<int>(recorded([&] { return ::syscall(SYS_fsync, fd); },
                                   [&] { return note_fd(Kind::SyncFile, fd); }));
}
int fdatasync(int fd) {
  return static_cast<int>(recorded([&] { return ::syscall(SYS_fdatasync, fd); },
                                   [&] { return note_fd(Kind::SyncFile, fd); }));
}
int renameat(int from_directory, const char* from, int to_directory, const char* to) noexcept {
  return static_cast<int>(recorded(
      [&] { return ::syscall(SYS_renameat, from_directory, from, to_directory, to); },
      [&] {
        return note_name(Kind::Rename, path_at(from_directory, from), path_at(to_directory, to));
      }));
}
int rename(const char* from, const char* to) noexcept {
  return renameat(AT_FDCWD, from, AT_FDCWD, to);
}
int unlinkat(int directory, const char* path, int flags) noexcept {
  return static_cast<int>(
      recorded([&] { return ::syscall(SYS_unlinkat, directory, path, flags); },
               [&] { return note_name(Kind::Remove, path_at(directory, path)); }));
}
int unlink(const char* path) noexcept { return unlinkat(AT_FDCWD, path, 0); }
int mkdirat(int directory, const char* path, mode_t mode) noexcept {
  return static_cast<int>(recorded([&] { return ::syscall(SYS_mkdirat, directory, path, mode); },
                                   [&] {
                                     auto change =
                                         note_name(Kind::Folder, path_at(directory, path));
                                     static std::uint64_t folders = 0;
                                     if (change) change->inode = UINT64_MAX - ++folders;
                                     return change;
                                   }));
}
int mkdir(const char* path, mode_t mode) noexcept { return mkdirat(AT_FDCWD, path, mode); }

}  // extern "C"
