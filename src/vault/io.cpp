#include "vault/detail/io.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace coffer::vault {

Error system_error(std::string_view what) {
  const int error = errno;
  const Code code = error == ENOENT   ? Code::NotFound
                    : error == EEXIST ? Code::AlreadyExists
                                      : Code::Unavailable;
  return Error{code, fmt::format("{}: {}", what, std::strerror(error))};
}

Result<> write_all(int fd, ByteView bytes) {
  while (!bytes.empty()) {
    const ::ssize_t wrote = ::write(fd, bytes.data(), bytes.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return system_error("a file cannot be written");
    bytes = bytes.subspan(static_cast<std::size_t>(wrote));
  }
  return {};
}

Result<std::size_t> read_into(int fd, std::span<std::byte> room) {
  std::size_t have = 0;
  while (have < room.size()) {
    const ::ssize_t got = ::read(fd, room.data() + have, room.size() - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error("a file cannot be read");
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
  }
  return have;
}

Result<ByteVector> read_up_to(int fd, std::size_t length) {
  ByteVector out(length);
  COFFER_TRY(const std::size_t have, read_into(fd, out));
  out.resize(have);
  return out;
}

Result<> sync(int fd) {
  if (::fsync(fd) != 0) return system_error("a file cannot be synced");
  return {};
}

}  // namespace coffer::vault
