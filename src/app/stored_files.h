// The files of a backup: which belong to it, copied with their digests, listed.
//
// A listing has one line a file: digest, mode, bytes, path (percent-encoded), ascending by path.
// What is not listed here is not kept: the database and the keeper's journal are copied by
// themselves; uploads under way, stages, tiles (which follow from the entries) and the trees of
// environments (which follow from their archives) are left out.
// Invariants: no link is followed; render_listing and parse_listing are inverse; a path of a
// listing leads nowhere but below.
// Units: bytes. Errors: NotFound (a file that is gone), Corrupt (a line that is none; a file whose
// name says another digest), Unavailable (input or output, disk full).
// Thread-safety: pure functions over the file system.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "crypto/crypto.h"

namespace coffer::app {

// Which file lay under a name: one that was put in its place is another.
struct FileVersion {
  std::uint64_t inode{0};
  std::int64_t changed_ns{0};
  friend bool operator==(const FileVersion&, const FileVersion&) = default;
};

struct StoredFile {
  std::string path;
  Digest digest;
  mode_t mode{0600};
  std::uint64_t bytes{0};
  FileVersion version{};  // of the one it was copied from; not listed
  friend bool operator==(const StoredFile&, const StoredFile&) = default;
};

// Paths below DIR of the files that are kept: vault, programs, sealed outputs, environments.
std::vector<std::string> stored_paths(const std::filesystem::path& data);

struct CopyOrder {
  int from;  // directories, borrowed
  int to;
  std::string path;
  std::function<void(std::uint64_t bytes)> progress{[](std::uint64_t) {}};
};
// Into a new file; the directories on the way are made.
Result<StoredFile> copy_stored(const CopyOrder& order);

// Whether the file it was copied from still lies there.
bool is_still_there(int from, const StoredFile& file);

// A chunk or a list is named by its digest.
Result<> check_name(const StoredFile& file);

std::string render_listing(const std::vector<StoredFile>& files);
Result<std::vector<StoredFile>> parse_listing(std::string_view text);

}  // namespace coffer::app
