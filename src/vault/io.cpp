#include "vault/detail/io.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/io.h"

namespace coffer::vault {

Error system_error(std::string_view what) {
  const int error = errno;
  const Code code = error == ENOENT   ? Code::NotFound
                    : error == EEXIST ? Code::AlreadyExists
                                      : Code::Unavailable;
  return Error{code, fmt::format("{}: {}", what, std::strerror(error))};
}

Result<> write_all(int fd, ByteView bytes) {
  if (!write_fully(fd, bytes)) return system_error("a file cannot be written");
  return {};
}

Result<std::size_t> read_into(int fd, std::span<std::byte> room) {
  const auto got = read_fully(fd, room);
  if (!got) return system_error("a file cannot be read");
  return *got;
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
