// backup.json: what a backup is, written last.
//
// Invariants: render and parse are inverse.
// Errors: Corrupt (no such document), FailedPrecondition (backup_newer: of a newer coffer; names
// both versions). Thread-safety: as a plain value. Source: docs/formats/backup.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "crypto/crypto.h"

namespace coffer::app {

struct BackupHead {
  std::string version;  // of the coffer that made it
  std::string made;     // RFC 3339
  std::uint64_t schema{0};
  std::uint64_t entries{0};
  std::uint64_t files{0};
  std::uint64_t bytes{0};
  Digest database;
  Digest journal;
  Digest list;

  std::string render() const;
  static Result<BackupHead> parse(std::string_view text);
};

inline constexpr const char* kBackupList = "files.txt";
inline constexpr std::uint64_t kBackupHeadMax = 64 << 10;

}  // namespace coffer::app
