#include "keeper/detail/file.h"

#include <unistd.h>

#include <cerrno>

#include "os/files.h"

namespace coffer::keeper {

Result<ByteVector> read_extent(int fd, Extent extent, std::string_view what) {
  ByteVector out(extent.length);
  std::size_t done = 0;
  while (done < out.size()) {
    const auto count =
        ::pread(fd, out.data() + done, out.size() - done, static_cast<off_t>(extent.offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return system_error(what, count == 0 ? EIO : errno);
    done += static_cast<std::size_t>(count);
  }
  return out;
}

Result<> write_bytes_at(int fd, std::uint64_t offset, ByteView bytes, std::string_view what) {
  while (!bytes.empty()) {
    const auto count = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return system_error(what, count == 0 ? EIO : errno);
    bytes = bytes.subspan(static_cast<std::size_t>(count));
    offset += static_cast<std::uint64_t>(count);
  }
  return {};
}

}  // namespace coffer::keeper
