#include "keeper/over_runs.h"

#include <fcntl.h>

#include <algorithm>

#include "base/wire.h"
#include "keeper/detail/file.h"
#include "keeper/detail/over_run.h"

namespace coffer::keeper {
namespace {

// digest || u32 length || packed run || HMAC of all before
constexpr std::size_t kHead = 32 + 4;
constexpr std::size_t kMac = 32;
constexpr std::uint32_t kPackedMax = 1 << 20;
constexpr std::string_view kWhat = "runs that are over";

Error changed() { return Error{Code::Corrupt, std::string(kWhat) + ": a record was changed"}; }

}  // namespace

OverRuns OverRuns::below(const std::filesystem::path& directory) {
  OverRuns out;
  out.file_ = UniqueFd{::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)};
  return out;
}

std::optional<int> OverRuns::fd() const {
  return file_ ? std::optional{file_.get()} : std::nullopt;
}

void OverRuns::put(const Digest& digest, const RunMemory& run) {
  ByteVector packed = pack_over(run);
  WireWriter record;
  record.raw(digest.bytes).bytes(packed);
  record.raw(hmac_sha256(key_, record.data()).bytes);
  const bool in_memory = unwritten_.contains(digest);  // then memory answers, for good
  const auto before = find(digest);
  const std::uint64_t place = end_;
  if (in_memory || !before || packed.size() > kPackedMax || !write(record.data())) {
    unwritten_[digest] = std::move(packed);
  } else if (*before) {
    places_.move(digest, (*before)->place, place);
  } else {
    places_.put(digest, place);
  }
}

bool OverRuns::write(ByteView record) {
  if (!file_ || !write_bytes_at(file_.get(), end_, record, kWhat)) return false;
  end_ += record.size();
  return true;
}

Result<std::optional<OverRuns::Found>> OverRuns::find(const Digest& digest) const {
  for (const auto place : places_.places(digest)) {
    COFFER_TRY(ByteVector record, read_extent(file_.get(), {place, kHead}, kWhat));
    if (!std::equal(digest.bytes.begin(), digest.bytes.end(), record.begin())) continue;
    WireReader head{ByteView{record}.subspan(digest.bytes.size())};
    const auto length = head.u32();
    if (length > kPackedMax) return changed();
    COFFER_TRY(const ByteVector rest,
               read_extent(file_.get(), {place + kHead, length + kMac}, kWhat));
    record.insert(record.end(), rest.begin(), rest.end());
    const auto signed_part = ByteView{record}.first(kHead + length);
    const auto mac = hmac_sha256(key_, signed_part);
    if (!equal_constant_time(mac.bytes, ByteView{record}.last(kMac))) return changed();
    const auto packed = signed_part.subspan(kHead);
    return std::optional{Found{place, {packed.begin(), packed.end()}}};
  }
  return std::optional<Found>{};
}

Result<std::optional<RunMemory>> OverRuns::get(const Digest& digest) const {
  if (const auto kept = unwritten_.find(digest); kept != unwritten_.end()) {
    return std::optional{unpack_over(kept->second)};
  }
  COFFER_TRY(const auto found, find(digest));
  if (!found) return std::optional<RunMemory>{};
  return std::optional{unpack_over(found->packed)};
}

}  // namespace coffer::keeper
