// Writes ustar archives of regular files: for the server's empty cell to read.
//
// Invariants: uid, gid and mtime are 0, modes 0644 or 0755; the same files give the same bytes. A
// path that ustar cannot say is preceded by a pax record. Errors: InvalidArgument (a NUL in a
// path), Unavailable (cannot write). Thread-safety: as a plain value. Source: POSIX.1-2001 ustar
// and pax interchange formats.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/file_path.h"
#include "base/result.h"

namespace coffer::cli {

class TarWriter {
 public:
  explicit TarWriter(int fd) : fd_(fd) {}  // borrowed
  Result<> add(std::string_view path, std::string_view content, FileMode mode);
  // A file whose content follows in pieces of exactly `size` bytes in all.
  Result<> begin(std::string_view path, std::uint64_t size, FileMode mode);
  Result<> write(std::string_view piece);
  Result<> end();
  Result<> finish();

 private:
  Result<> header(std::string_view name, std::uint64_t size, FileMode mode, char type);
  int fd_;
  std::uint64_t size_{0};
};

}  // namespace coffer::cli
