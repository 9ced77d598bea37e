// Makes a file tree out of tar entries, beneath one directory and nowhere else.
//
// Invariants: every path is resolved with openat2 below the root without following a link; no entry
// replaces another; parents come before their children; runs of zeros become holes.
// Errors: Corrupt (an entry twice, without a parent, out of order, a hard link to no earlier file),
// InvalidArgument (a limit was passed), Unavailable (disk full). After an error the tree is half.
// Thread-safety: none.
#pragma once

#include <filesystem>

#include "env/seal.h"
#include "env/tar.h"

namespace coffer::env {

enum class Order : std::uint8_t {
  Canonical,  // byte order of path, no hard links
  Free,       // parents first; hard links become further names of the file
};
struct GrowOptions {
  UnpackLimits limits{};
  Order order{Order::Canonical};
};

// Fills `root`, an empty directory, with all entries. The digest of the answer is not set.
Result<Sealed> grow(TarReader& reader, const std::filesystem::path& root,
                    const GrowOptions& options);

}  // namespace coffer::env
