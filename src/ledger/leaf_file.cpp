#include "ledger/leaf_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

namespace coffer::ledger {
namespace {

constexpr std::size_t kDigest = sizeof(Digest::bytes);
constexpr std::size_t kGroupBytes = LeafFile::kGroup * kDigest;
using GroupBytes = std::array<std::byte, kGroupBytes>;

}  // namespace

std::shared_ptr<LeafFile> LeafFile::below(const std::filesystem::path& directory) {
  UniqueFd file{::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)};
  if (!file) return nullptr;
  return std::make_shared<LeafFile>(std::move(file));
}

std::optional<std::uint64_t> LeafFile::append(const Group& leaves) {
  GroupBytes bytes;
  auto to = bytes.begin();
  for (const Digest& leaf : leaves) to = std::copy(leaf.bytes.begin(), leaf.bytes.end(), to);
  const auto written = ::pwrite(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(end_));
  if (written != static_cast<ssize_t>(bytes.size())) return std::nullopt;
  const std::uint64_t place = end_;
  end_ += bytes.size();
  return place;
}

Result<LeafFile::Group> LeafFile::read(std::uint64_t place) const {
  GroupBytes bytes;
  const auto got = ::pread(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(place));
  if (got != static_cast<ssize_t>(bytes.size())) {
    return Error{Code::Unavailable, "the ledger's leaves cannot be read now"};
  }
  Group leaves;
  auto from = bytes.begin();
  for (Digest& leaf : leaves) {
    std::copy_n(from, kDigest, leaf.bytes.begin());
    from += kDigest;
  }
  return leaves;
}

}  // namespace coffer::ledger
