#include <algorithm>

#include "vault/detail/io.h"
#include "vault/detail/list_format.h"
#include "vault/list.h"

namespace coffer::vault {
namespace {

constexpr auto kNewest = ListLayout::Second;

}  // namespace

FileEntry FileEntry::copy() const {
  FileEntry out{.path = path, .size = size, .mode = mode, .chunks = {}};
  out.chunks.reserve(chunks.size());
  for (const auto& chunk : chunks) out.chunks.push_back(chunk.copy());
  return out;
}

Result<ListWriter> ListWriter::create(int fd, const Key& version_key, const Key& dataset_key,
                                      Visibility visibility) {
  ListWriter out{fd, copy_of(version_key)};
  out.content_.update(format::content_head(kNewest, dataset_key));
  COFFER_CHECK(out.put(bytes_of(format::magic_of(kNewest))));
  WireWriter head;
  head.raw(dataset_key.expose()).boolean(visibility == Visibility::Public);
  COFFER_CHECK(out.append(head.data()));
  return out;
}

Result<> ListWriter::add(const FileEntry& entry) {
  COFFER_CHECK(format::check_entry(entry));
  COFFER_CHECK(order_.accept(entry.path));
  WireWriter out;
  out.u8(format::kFile)
      .text(entry.path)
      .u64(entry.size)
      .boolean(entry.mode == FileMode::Executable)
      .u32(static_cast<std::uint32_t>(entry.chunks.size()));
  COFFER_CHECK(append(out.data()));
  for (const auto& chunk : entry.chunks) {
    WireWriter record;
    record.raw(chunk.id.bytes)
        .raw(chunk.name.bytes)
        .raw(chunk.key.expose())
        .u32(chunk.plain_bytes)
        .u32(chunk.sealed_bytes);
    COFFER_CHECK(append(record.data()));
    names_.push_back(chunk.name);
  }
  content_.update(format::content_record(entry));
  summary_.files += 1;
  summary_.bytes += entry.size;
  return {};
}

Result<ListSummary> ListWriter::finish() {
  if (summary_.files == 0) {
    return Error{Code::InvalidArgument, "there is no file to add: a version has at least one"};
  }
  summary_.content = content_.finish();
  WireWriter end;
  end.u8(format::kEnd).u64(summary_.files).u64(summary_.bytes).raw(summary_.content.bytes);
  COFFER_CHECK(append(end.data()));
  COFFER_CHECK(seal_segment(pending_, Place::Last));
  COFFER_CHECK(put(WireWriter{}.u32(0).data()));  // no more segments: names follow
  std::sort(names_.begin(), names_.end());
  names_.erase(std::unique(names_.begin(), names_.end()), names_.end());
  for (const auto& name : names_) COFFER_CHECK(put(name.bytes));
  COFFER_CHECK(sync(fd_));
  summary_.list = whole_.finish();
  return summary_;
}

Result<> ListWriter::append(ByteView plain) {
  pending_.insert(pending_.end(), plain.begin(), plain.end());
  // The last segment is sealed by finish(), so one full segment may wait here.
  while (pending_.size() > kListSegment) {
    COFFER_CHECK(seal_segment(ByteView{pending_}.first(kListSegment), Place::Inner));
    pending_.erase(pending_.begin(), pending_.begin() + kListSegment);
  }
  return {};
}

Result<> ListWriter::seal_segment(ByteView plain, Place place) {
  const auto sealed = aead_seal(
      version_key_, plain, format::segment_context(kNewest, place == Place::Last), segments_++);
  COFFER_CHECK(put(WireWriter{}.u32(static_cast<std::uint32_t>(sealed.size())).data()));
  return put(sealed);
}

Result<> ListWriter::put(ByteView bytes) {
  whole_.update(bytes);
  return write_all(fd_, bytes);
}

}  // namespace coffer::vault
