// The canonical form of a file tree: one byte string, and so one digest, per content.
//
// Canonical tar: every directory, regular file and symbolic link below the root in byte order of
// path (a directory's entry is written "a/" and sorts as "a"), ustar headers with pax records only
// where ustar cannot say it, mode & 0777, uid = gid = mtime = 0, no names of owners; two zero
// blocks at the end and nothing more. Hard links are written as files. Anything else in a tree (a
// device, socket, FIFO, a set-id or sticky bit, a directory closed to its owner) is refused, never
// skipped. Environment digest = SHA-256(canonical JSON of {"profile","variables"} || canonical
// tar). archive = zstd of (canonical JSON line, "\n", canonical tar): what `coffer env fetch` gets.
// Invariants: two trees with the same paths, modes, bytes and link targets have the same digest,
// whatever their times, owners, order of creation and file system; unpack() writes nothing outside
// its root and leaves nothing when the digest differs from the wanted one.
// Errors: InvalidArgument (a file kind that may not be), Corrupt (an archive that is not canonical
// or of another digest), Unavailable (disk full, file cannot be read). Thread-safety: functions are
// independent; a tree must not change while it is walked. Source: POSIX.1-2001 pax interchange
// format; RFC 8878 (zstd).
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "base/json.h"
#include "base/result.h"
#include "crypto/crypto.h"

namespace coffer::env {

// What a sealed root needs beside its files.
struct Frame {
  std::string profile{"standard"};                 // the cell profile its programs run under
  std::map<std::string, std::string> variables{};  // environment variables of its programs
  Json json() const;
  static Result<Frame> parse(const Json& json);
  friend bool operator==(const Frame&, const Frame&) = default;
};

struct Sealed {
  Digest digest;
  std::uint64_t bytes{0};  // sum of the sizes of regular files
  std::uint64_t files{0};  // regular files
};

// Walks and hashes `root`.
Result<Sealed> digest_tree(const std::filesystem::path& root, const Frame& frame);
// The same, and writes the archive to `archive` (made, or cut to nothing first) in the same walk.
Result<Sealed> write_archive(const std::filesystem::path& root, const Frame& frame,
                             const std::filesystem::path& archive);

struct Unpacked {
  Sealed sealed;
  Frame frame;
};
struct UnpackLimits {
  std::uint64_t bytes_max{64ULL << 30};
  std::uint64_t entries_max{4'000'000};
};
// Unpacks an archive into `root`, which must not exist yet, and compares digests while it reads;
// modes as recorded, owner the caller, times zero.
Result<Unpacked> unpack(const std::filesystem::path& archive, const std::filesystem::path& root,
                        const Digest& wanted, const UnpackLimits& limits = {});

// Makes a tree fit to be sealed: modes 0755 (directory, or executable by its owner) and 0644, no
// set-id bits; devices, sockets and FIFOs removed. Touches nothing outside `root`.
Result<> normalise_modes(const std::filesystem::path& root);

}  // namespace coffer::env
