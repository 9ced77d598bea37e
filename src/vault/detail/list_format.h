// The bytes of a chunk list that writer and reader must agree on.
//
// Thread-safety: pure functions.
// Errors: none.
// Source: docs/formats/vault.md, "Chunk list".
#pragma once

#include "base/wire.h"
#include "vault/list.h"

namespace coffer::vault::format {

inline constexpr std::string_view kListMagic = "coffer-list-v1\n\n";  // 16 bytes, in clear
inline constexpr std::string_view kContentLabel = "coffer-content-v1\n";
enum Mark : std::uint8_t { kEnd = 0, kFile = 1 };
inline constexpr std::size_t kChunkLength = 32 + 32 + 32 + 4 + 4;
inline constexpr std::size_t kHeadLength = 32 + 1;
inline constexpr std::size_t kEndLength = 8 + 8 + 32;

// What a segment is bound to besides its number (the nonce).
inline ByteVector segment_context(bool last) {
  WireWriter out;
  out.raw(bytes_of(kListMagic)).boolean(last);
  return std::move(out).take();
}

// A file's part of the content digest.
inline ByteVector content_record(const FileEntry& entry) {
  WireWriter out;
  out.text(entry.path)
      .boolean(entry.mode == FileMode::Executable)
      .u64(entry.size)
      .raw(entry.digest.bytes);
  return std::move(out).take();
}

// Why an entry may not be in a list; nothing when it may.
inline Result<> check_entry(const FileEntry& entry, Visibility visibility) {
  COFFER_CHECK(check_path(entry.path));
  const std::size_t salt = visibility == Visibility::Public ? 0 : 32;
  std::uint64_t sum = 0;
  for (const auto& chunk : entry.chunks) {
    const bool good = chunk.plain_bytes >= 1 && chunk.plain_bytes <= kChunkMax &&
                      chunk.sealed_bytes > kSealedOverhead &&
                      chunk.sealed_bytes <= chunk.plain_bytes + kSealedOverhead;
    if (!good) return Error{Code::InvalidArgument, "a chunk's length is impossible"};
    sum += chunk.plain_bytes;
  }
  if (sum != entry.size || entry.salt.size() != salt || entry.chunks.size() > kFileChunksMax) {
    return Error{Code::InvalidArgument, "a file's size, salt or number of chunks is impossible"};
  }
  return {};
}

}  // namespace coffer::vault::format
