#include "worker/room.h"

#include <fcntl.h>

#include "gate/canonical.h"
#include "os/files.h"

namespace coffer::worker {
namespace {

constexpr std::uint64_t kEachOutput = 32 << 10;  // evidence, tags, blocks that are not full
constexpr std::uint64_t kFolders = 64 << 10;

std::uint64_t bytes_for(const std::vector<program::Output>& outputs) {
  std::uint64_t bytes = kFolders;
  for (const auto& output : outputs) bytes += gate::sealed_size(output) + kEachOutput;
  return bytes;
}

}  // namespace

Result<Room> Room::reserve(const std::filesystem::path& folder,
                           const std::vector<program::Output>& outputs) {
  UniqueFd file{::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)};
  if (!file && (errno == EOPNOTSUPP || errno == EISDIR)) return Room{};
  if (!file) return system_error("set disk space aside", errno);
  if (::fallocate(file.get(), 0, 0, static_cast<off_t>(bytes_for(outputs))) != 0 &&
      errno != EOPNOTSUPP) {
    return system_error("set disk space aside", errno);
  }
  return Room{std::move(file)};
}

}  // namespace coffer::worker
