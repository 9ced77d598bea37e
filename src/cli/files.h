// Files of the user, with messages that name them: private ones, new ones, and scratch.
//
// Invariants: write_file leaves the old content or the new one, also across a crash; a private file
// is mode 600 and its directory 700 from the first byte on; read_private refuses a file that
// others may read.
// Errors: NotFound, Denied (a private file open to others), InvalidArgument (no regular file,
// longer than allowed), AlreadyExists (require_new), Unavailable (the file system), naming the
// path. Thread-safety: any thread; one writer of a path at a time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"

namespace coffer::cli {

enum class Access : std::uint8_t { Private, Ordinary };  // 600 and 700, or 644 and 755

inline constexpr std::uint64_t kTextBytesMax = 64ULL << 20;

Result<std::string> read_whole(const std::filesystem::path& path,
                               std::uint64_t bytes_max = kTextBytesMax);
Result<std::string> read_private(const std::filesystem::path& path);
Result<> replace_file(const std::filesystem::path& path, std::string_view bytes, Access access);
Result<> make_directory(const std::filesystem::path& path, Access access);
Result<UniqueFd> open_to_read(const std::filesystem::path& path);
// A new empty file without a name, for what is sealed or uploaded.
Result<UniqueFd> scratch_file(const std::filesystem::path& directory);
Result<std::uint64_t> size_of(int fd);
// AlreadyExists when there is something of that name.
Result<> require_new(const std::filesystem::path& path);

}  // namespace coffer::cli
