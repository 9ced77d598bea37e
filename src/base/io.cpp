#include "base/io.h"

#include <unistd.h>

#include <cerrno>

namespace coffer {
namespace {

template <typename Step>
bool write_by(ByteView bytes, Step step) {
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t wrote = step(bytes.subspan(done), done);
    if (wrote == 0) errno = EIO;
    if (wrote > 0) {
      done += static_cast<std::size_t>(wrote);
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

template <typename Step>
std::optional<std::size_t> read_by(std::span<std::byte> room, Step step) {
  std::size_t done = 0;
  while (done < room.size()) {
    const ssize_t got = step(room.subspan(done), done);
    if (got == 0) break;
    if (got > 0) {
      done += static_cast<std::size_t>(got);
    } else if (errno != EINTR) {
      return std::nullopt;
    }
  }
  return done;
}

}  // namespace

bool write_fully(int fd, ByteView bytes) {
  return write_by(
      bytes, [fd](ByteView left, std::size_t) { return ::write(fd, left.data(), left.size()); });
}

bool write_fully_at(int fd, ByteView bytes, std::uint64_t offset) {
  return write_by(bytes, [=](ByteView left, std::size_t done) {
    return ::pwrite(fd, left.data(), left.size(), static_cast<off_t>(offset + done));
  });
}

std::optional<std::size_t> read_fully(int fd, std::span<std::byte> room) {
  return read_by(room, [fd](std::span<std::byte> left, std::size_t) {
    return ::read(fd, left.data(), left.size());
  });
}

std::optional<std::size_t> read_fully_at(int fd, std::span<std::byte> room, std::uint64_t offset) {
  return read_by(room, [=](std::span<std::byte> left, std::size_t done) {
    return ::pread(fd, left.data(), left.size(), static_cast<off_t>(offset + done));
  });
}

}  // namespace coffer
