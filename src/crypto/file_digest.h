// The SHA-256 of a file's content.
//
// Errors: nothing, with errno set. Thread-safety: one thread per descriptor.
#pragma once

#include <optional>

#include "crypto/crypto.h"

namespace coffer {

// Of what is left of the file.
std::optional<Digest> sha256_of_file(int fd);

}  // namespace coffer
