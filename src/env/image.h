// Reads an OCI image archive and writes what its layers add up to, in a form trivial to read.
//
// Written: one line of canonical JSON {"variables":{NAME:VALUE}} (the image's own Env), then a tar
// as TarReader reads it, parents before children, hard links after their file. Meant to run inside
// an empty cell, for every byte of an image is hostile: the caller gives limits for what it answers
// and treats it as no better than its author.
// Invariants: every blob is of the digest that names it; nothing is written that ImageTree refused;
// memory grows with the number of entries, not with sizes.
// Errors: InvalidArgument (no OCI archive, no Linux image for this machine, a limit), Corrupt (a
// blob of another digest), what `push` returned.
// Thread-safety: none.
// Source: OCI image specification 1.1; RFC 1952 (gzip), RFC 8878 (zstd).
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/result.h"
#include "base/text.h"

namespace coffer::env {

struct ImageLimits {
  std::uint64_t bytes_max{std::uint64_t{32} << 30};  // unpacked, of all layers together
  std::uint64_t entries_max{1'000'000};
  std::size_t layers_max{127};
  std::string architecture{"amd64"};  // as images name it
};

using Push = std::function<Result<>(ByteView)>;

// `archive`: a regular file, open for reading.
Result<> flatten_image(int archive, const ImageLimits& limits, const Push& push);

// main() of the image mode of the cell's own program: the archive on stdin, the answer on stdout,
// one line of why not on stderr. Exit status 0 or 1. argv: bytes_max, architecture.
int image_main(int argc, char** argv);

}  // namespace coffer::env
