#include "ledger/leaf_file.h"

#include <fcntl.h>

#include <algorithm>

#include "base/io.h"

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
  if (!write_fully_at(file_.get(), bytes, end_)) return std::nullopt;
  const std::uint64_t place = end_;
  end_ += bytes.size();
  return place;
}

Result<LeafFile::Group> LeafFile::read(std::uint64_t place) const {
  GroupBytes bytes;
  if (read_fully_at(file_.get(), bytes, place) != bytes.size()) {
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
