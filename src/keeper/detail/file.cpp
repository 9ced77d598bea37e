#include "keeper/detail/file.h"

#include <cerrno>

#include "base/io.h"
#include "os/files.h"

namespace coffer::keeper {

Result<ByteVector> read_extent(int fd, Extent extent, std::string_view what) {
  ByteVector out(extent.length);
  const auto got = read_fully_at(fd, out, extent.offset);
  if (got != out.size()) return system_error("read " + std::string(what), got ? EIO : errno);
  return out;
}

Result<> write_bytes_at(int fd, std::uint64_t offset, ByteView bytes, std::string_view what) {
  if (!write_fully_at(fd, bytes, offset)) return system_error("write " + std::string(what), errno);
  return {};
}

}  // namespace coffer::keeper
