#include <unistd.h>

#include "vault/detail/io.h"
#include "vault/detail/list_format.h"
#include "vault/list.h"

namespace coffer::vault {
namespace {

Error corrupt(std::string_view why) {
  return Error{Code::Corrupt, "a chunk list is damaged: " + std::string(why)};
}

bool is_segment_length(std::uint32_t length) {
  return length > kAeadOverhead && length <= kListSegment + kAeadOverhead;
}

}  // namespace

Result<ListReader> ListReader::open(UniqueFd fd, const Key& version_key) {
  if (::lseek(fd.get(), 0, SEEK_SET) != 0) return system_error("a chunk list cannot be read");
  ListReader out{std::move(fd), copy_of(version_key)};
  COFFER_CHECK(out.read_head());
  return out;
}

Result<> ListReader::read_head() {
  COFFER_TRY(const ByteVector magic, take_file(format::kMagicLength));
  const auto layout = format::layout_of(coffer::text_of(magic));
  if (!layout) return corrupt("it is none, or of a later version");
  layout_ = *layout;
  COFFER_TRY(const ByteVector head, take(format::kHeadLength));
  WireReader in{head};
  COFFER_TRY(dataset_key_, key_from(in.raw(32)));
  visibility_ = in.boolean() ? Visibility::Public : Visibility::Protected;
  content_.update(format::content_head(layout_, dataset_key_));
  return in.finish();
}

Result<std::optional<FileEntry>> ListReader::next() {
  if (summary_) return std::optional<FileEntry>{};
  COFFER_TRY(const ByteVector mark, take(1));
  if (mark[0] == std::byte{format::kFile}) {
    COFFER_TRY(FileEntry entry, read_entry());
    return std::optional{std::move(entry)};
  }
  if (mark[0] != std::byte{format::kEnd}) return corrupt("an unknown mark");
  COFFER_CHECK(read_end());
  return std::optional<FileEntry>{};
}

Result<FileEntry> ListReader::read_entry() {
  FileEntry entry;
  COFFER_TRY(const std::uint32_t path_length, take_u32());
  if (path_length > kPathMax) return corrupt("a path is too long");
  COFFER_TRY(const ByteVector path, take(path_length));
  entry.path = coffer::text_of(path);
  COFFER_TRY(const ByteVector facts, take(8 + 1));
  WireReader in{facts};
  entry.size = in.u64();
  entry.mode = in.boolean() ? FileMode::Executable : FileMode::Plain;
  COFFER_CHECK(in.finish());
  std::optional<Digest> digest;
  if (layout_ == ListLayout::First) {
    COFFER_TRY(digest, read_first_digest());
  }
  COFFER_TRY(const std::uint32_t count, take_u32());
  if (count > kFileChunksMax) return corrupt("a file has too many chunks");
  for (std::uint32_t i = 0; i < count; ++i) {
    COFFER_TRY(ChunkRef chunk, read_chunk());
    entry.chunks.push_back(std::move(chunk));
  }
  const auto good = format::check_entry(entry);
  if (!good || !order_.accept(entry.path)) return corrupt("an entry that may not be there");
  content_.update(format::content_record(entry, digest));
  files_ += 1;
  bytes_ += entry.size;
  return entry;
}

Result<Digest> ListReader::read_first_digest() {
  COFFER_TRY(const std::uint32_t salt_length, take_u32());
  if (salt_length != (visibility_ == Visibility::Public ? 0 : 32)) {
    return corrupt("a salt has not its length");
  }
  COFFER_CHECK(take(salt_length));
  COFFER_TRY(const ByteVector digest, take(32));
  return Digest::from_bytes(digest);
}

Result<ChunkRef> ListReader::read_chunk() {
  COFFER_TRY(const ByteVector record, take(format::kChunkLength));
  WireReader in{record};
  COFFER_TRY(const Digest id, Digest::from_bytes(in.raw(32)));
  COFFER_TRY(const Digest name, Digest::from_bytes(in.raw(32)));
  COFFER_TRY(Key key, key_from(in.raw(32)));
  const std::uint32_t plain_bytes = in.u32();
  const std::uint32_t sealed_bytes = in.u32();
  COFFER_CHECK(in.finish());
  return ChunkRef{id, name, std::move(key), plain_bytes, sealed_bytes};
}

// Counts and digest, and then the whole file to its end, for its own digest.
Result<> ListReader::read_end() {
  COFFER_TRY(const ByteVector end, take(format::kEndLength));
  WireReader in{end};
  const bool counts_fit = in.u64() == files_ && in.u64() == bytes_;
  ListSummary summary{.list = {}, .content = content_.finish(), .files = files_, .bytes = bytes_};
  if (!counts_fit || !equal_constant_time(in.raw(32), summary.content.bytes)) {
    return corrupt("its counts or its content digest do not fit");
  }
  if (!last_seen_ || at_ != plain_.size() || files_ == 0)
    return corrupt("it goes on after its end");
  for (;;) {
    COFFER_TRY(const ByteVector rest, read_up_to(fd_.get(), kListSegment));
    if (rest.empty()) break;
    whole_.update(rest);
  }
  summary.list = whole_.finish();
  summary_ = summary;
  return {};
}

Result<std::uint32_t> ListReader::take_u32() {
  COFFER_TRY(const ByteVector bytes, take(4));
  return WireReader{bytes}.u32();
}

Result<ByteVector> ListReader::take(std::size_t length) {
  while (plain_.size() - at_ < length) COFFER_CHECK(next_segment());
  const ByteView out = ByteView{plain_}.subspan(at_, length);
  at_ += length;
  return ByteVector{out.begin(), out.end()};
}

Result<> ListReader::next_segment() {
  if (last_seen_) return corrupt("it is cut off");
  COFFER_TRY(const ByteVector prefix, take_file(4));
  const std::uint32_t length = WireReader{prefix}.u32();
  if (!is_segment_length(length)) return corrupt("a segment's length is impossible");
  COFFER_TRY(const ByteVector sealed, take_file(length));
  const auto open = [&](bool last) {
    return aead_open(version_key_, sealed, format::segment_context(layout_, last), segments_);
  };
  auto plain = open(false);
  if (!plain) {
    plain = open(true);
    last_seen_ = true;
  }
  if (!plain) return corrupt("a segment does not open: changed, or another version's key");
  segments_ += 1;
  plain_.erase(plain_.begin(), plain_.begin() + static_cast<std::ptrdiff_t>(at_));
  at_ = 0;
  plain_.insert(plain_.end(), plain->begin(), plain->end());
  return {};
}

Result<ByteVector> ListReader::take_file(std::size_t length) {
  COFFER_TRY(ByteVector bytes, read_up_to(fd_.get(), length));
  if (bytes.size() != length) return corrupt("it is cut off");
  whole_.update(bytes);
  return bytes;
}

Result<std::vector<Digest>> list_chunk_names(int fd) {
  if (::lseek(fd, 0, SEEK_SET) != 0) return system_error("a chunk list cannot be read");
  COFFER_TRY(const ByteVector magic, read_up_to(fd, format::kMagicLength));
  if (!format::layout_of(coffer::text_of(magic))) {
    return corrupt("it is none, or of a later version");
  }
  for (;;) {
    COFFER_TRY(const ByteVector prefix, read_up_to(fd, 4));
    if (prefix.size() != 4) return corrupt("it is cut off");
    const std::uint32_t length = WireReader{prefix}.u32();
    if (length == 0) break;
    if (!is_segment_length(length)) return corrupt("a segment's length is impossible");
    COFFER_TRY(const ByteVector sealed, read_up_to(fd, length));
    if (sealed.size() != length) return corrupt("it is cut off");
  }
  std::vector<Digest> names;
  for (;;) {
    COFFER_TRY(const ByteVector bytes, read_up_to(fd, 32));
    if (bytes.empty()) return names;
    if (bytes.size() != 32) return corrupt("it is cut off");
    COFFER_TRY(const Digest name, Digest::from_bytes(bytes));
    if (!names.empty() && name <= names.back()) return corrupt("its names are out of order");
    names.push_back(name);
  }
}

Result<> absorb(ChunkIndex& index, ListReader list) {
  for (;;) {
    COFFER_TRY(auto entry, list.next());
    if (!entry) return {};
    for (auto& chunk : entry->chunks) index.insert(std::move(chunk));
  }
}

}  // namespace coffer::vault
