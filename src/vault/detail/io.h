// Reads and writes that finish, and errors of the operating system as ours.
//
// Errors: Unavailable (with the system's reason), NotFound (ENOENT), AlreadyExists (EEXIST).
// Thread-safety: pure but for the descriptors.
#pragma once

#include <string_view>

#include "base/result.h"
#include "base/text.h"
#include "base/unique_fd.h"

namespace coffer::vault {

// `what` is for the requester: no private path in it.
Error system_error(std::string_view what);  // from errno
Result<> write_all(int fd, ByteView bytes);
// At most `length` bytes; fewer only at the end of the file.
Result<ByteVector> read_up_to(int fd, std::size_t length);
Result<std::size_t> read_into(int fd, std::span<std::byte> room);
Result<> sync(int fd);

}  // namespace coffer::vault
