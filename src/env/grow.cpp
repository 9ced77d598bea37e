#include "env/grow.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "os/files.h"

namespace coffer::env {
namespace {

constexpr std::size_t kHole = 64 << 10;  // shortest run of zeros worth a hole

struct Place {
  UniqueFd parent;
  std::string name;
};

Result<Place> place_of(int root, const std::string& path) {
  const auto slash = path.rfind('/');
  const std::string above = slash == path.npos ? "." : path.substr(0, slash);
  auto parent = open_beneath(root, above, O_PATH | O_DIRECTORY);
  if (!parent) {
    return Error{Code::Corrupt, "tar: no directory for " + printable(path), parent.error().message};
  }
  return Place{std::move(parent).value(), slash == path.npos ? path : path.substr(slash + 1)};
}

Error failed(const Entry& entry, int error_number) {
  if (error_number == EEXIST) return {Code::Corrupt, "tar: twice: " + printable(entry.path)};
  return system_error("write a file of the environment", error_number);
}

bool all_zero(ByteView bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

Result<> write_sparse(int file, ByteView bytes) {
  while (!bytes.empty()) {
    const ByteView part = bytes.first(std::min(bytes.size(), kHole));
    if (part.size() == kHole && all_zero(part)) {
      if (::lseek(file, static_cast<off_t>(kHole), SEEK_CUR) < 0) {
        return system_error("write a file of the environment", errno);
      }
    } else {
      COFFER_CHECK(write_all(file, part));
    }
    bytes = bytes.subspan(part.size());
  }
  return {};
}

Result<> grow_file(TarReader& reader, const Place& place, const Entry& entry) {
  const int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW;
  const UniqueFd file{::openat(place.parent.get(), place.name.c_str(), flags, 0600)};
  if (!file) return failed(entry, errno);
  ByteVector buffer(std::size_t{1} << 20);
  for (;;) {
    COFFER_TRY(const std::size_t got, reader.read(buffer));
    if (got == 0) break;
    COFFER_CHECK(write_sparse(file.get(), ByteView{buffer}.first(got)));
  }
  if (::ftruncate(file.get(), static_cast<off_t>(entry.size)) != 0 ||
      ::fchmod(file.get(), entry.mode) != 0) {
    return system_error("write a file of the environment", errno);
  }
  return {};
}

Result<> grow_hard_link(int root, const Place& place, const Entry& entry) {
  COFFER_TRY(const Place target, place_of(root, entry.target));
  struct stat status {};
  if (::fstatat(target.parent.get(), target.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0 ||
      !S_ISREG(status.st_mode)) {
    return Error{Code::Corrupt, "tar: a hard link to no earlier file: " + printable(entry.path)};
  }
  if (::linkat(target.parent.get(), target.name.c_str(), place.parent.get(), place.name.c_str(),
               0) != 0) {
    return failed(entry, errno);
  }
  return {};
}

Result<> grow_entry(TarReader& reader, int root, const Entry& entry) {
  COFFER_TRY(const Place place, place_of(root, entry.path));
  switch (entry.kind) {
    case EntryKind::File:
      return grow_file(reader, place, entry);
    case EntryKind::HardLink:
      return grow_hard_link(root, place, entry);
    case EntryKind::Link:
      if (::symlinkat(entry.target.c_str(), place.parent.get(), place.name.c_str()) != 0) {
        return failed(entry, errno);
      }
      return {};
    case EntryKind::Directory:
      // Its owner must be able to fill it; whoever wants other modes sets them at the end.
      if (::mkdirat(place.parent.get(), place.name.c_str(), 0700) != 0 ||
          ::fchmodat(place.parent.get(), place.name.c_str(), entry.mode | 0700, 0) != 0) {
        return failed(entry, errno);
      }
      return {};
  }
  std::abort();
}

}  // namespace

Result<Sealed> grow(TarReader& reader, const std::filesystem::path& root,
                    const GrowOptions& options) {
  COFFER_TRY(const UniqueFd directory, open_directory(root));
  Sealed sums;
  std::string before;
  for (std::uint64_t entries = 0;; ++entries) {
    COFFER_TRY(const auto entry, reader.next());
    if (!entry) return sums;
    if (options.order == Order::Canonical &&
        (entry->path <= before || entry->kind == EntryKind::HardLink)) {
      return Error{Code::Corrupt, "tar: not in canonical order: " + printable(entry->path)};
    }
    before = entry->path;
    if (entries >= options.limits.entries_max ||
        entry->size > options.limits.bytes_max - sums.bytes) {
      return Error{Code::InvalidArgument, "environment: larger than its limit"};
    }
    COFFER_CHECK(grow_entry(reader, directory.get(), *entry));
    sums.bytes += entry->size;
    if (entry->kind == EntryKind::File) ++sums.files;
  }
}

}  // namespace coffer::env
