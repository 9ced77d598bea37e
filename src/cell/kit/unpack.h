// Reads a tar stream from outside into a fresh directory, and nothing but files and directories.
//
// Accepts ustar and pax archives: regular files, directories, pax headers that give a path or a
// size. Refuses links, devices, FIFOs, sparse files, paths that are not plain and relative, an
// entry given twice, a file below a file, wrong checksums, an end without its end mark.
// Files get mode 0644, or 0755 when their owner may execute them.
// Errors: InvalidArgument, naming the rule and the entry's number (never its name: it is not ours).
// Thread-safety: one call a directory. Source: POSIX.1-2001 pax, section "ustar Interchange
// Format".
#pragma once

#include <cstdint>

#include "base/result.h"

namespace coffer::cell::kit {

struct UnpackLimits {
  std::uint64_t bytes_max{std::uint64_t{64} << 20};  // of contents together
  std::uint32_t entries_max{20000};
};

struct Unpacked {
  std::uint32_t files{0};
  std::uint64_t bytes{0};
};

// `directory`: empty and open. Reads `stream` to the archive's end mark.
Result<Unpacked> unpack(int stream, int directory, UnpackLimits limits = {});

}  // namespace coffer::cell::kit
