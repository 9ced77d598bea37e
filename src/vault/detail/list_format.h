// The bytes of a chunk list that writer and reader must agree on.
//
// Thread-safety: pure functions.
// Errors: none.
// Source: docs/formats/vault.md, "Chunk list".
#pragma once

#include <optional>
#include <string_view>

#include "base/wire.h"
#include "vault/list.h"

namespace coffer::vault::format {

inline constexpr std::size_t kMagicLength = 16;

// In clear at the front of a list.
inline std::string_view magic_of(ListLayout layout) {
  return layout == ListLayout::First ? "coffer-list-v1\n\n" : "coffer-list-v2\n\n";
}

inline std::optional<ListLayout> layout_of(std::string_view magic) {
  for (const ListLayout layout : {ListLayout::First, ListLayout::Second}) {
    if (magic == magic_of(layout)) return layout;
  }
  return {};
}

enum Mark : std::uint8_t { kEnd = 0, kFile = 1 };
inline constexpr std::size_t kChunkLength = 32 + 32 + 32 + 4 + 4;
inline constexpr std::size_t kHeadLength = 32 + 1;
inline constexpr std::size_t kEndLength = 8 + 8 + 32;

// What a segment is bound to besides its number (the nonce).
inline ByteVector segment_context(ListLayout layout, bool last) {
  WireWriter out;
  out.raw(bytes_of(magic_of(layout))).boolean(last);
  return std::move(out).take();
}

// What the content digest begins with.
inline ByteVector content_head(ListLayout layout, const Key& dataset_key) {
  WireWriter out;
  if (layout == ListLayout::First) {
    out.raw(bytes_of("coffer-content-v1\n"));
  } else {
    out.raw(bytes_of("coffer-content-v2\n"));
    out.raw(derive_key(dataset_key, "coffer-content-v2").expose());
  }
  return std::move(out).take();
}

// A file's part of the content digest; `digest`: of the first layout.
inline ByteVector content_record(const FileEntry& entry, const std::optional<Digest>& digest = {}) {
  WireWriter out;
  out.text(entry.path).boolean(entry.mode == FileMode::Executable).u64(entry.size);
  if (digest) {
    out.raw(digest->bytes);
  } else {
    out.u32(static_cast<std::uint32_t>(entry.chunks.size()));
    for (const auto& chunk : entry.chunks) out.raw(chunk.id.bytes);
  }
  return std::move(out).take();
}

// Why an entry may not be in a list; nothing when it may.
inline Result<> check_entry(const FileEntry& entry) {
  COFFER_CHECK(check_path(entry.path));
  std::uint64_t sum = 0;
  for (const auto& chunk : entry.chunks) {
    const bool good = chunk.plain_bytes >= 1 && chunk.plain_bytes <= kChunkMax &&
                      chunk.sealed_bytes > kSealedOverhead &&
                      chunk.sealed_bytes <= chunk.plain_bytes + kSealedOverhead;
    if (!good) return Error{Code::InvalidArgument, "a chunk's length is impossible"};
    sum += chunk.plain_bytes;
  }
  if (sum != entry.size || entry.chunks.size() > kFileChunksMax) {
    return Error{Code::InvalidArgument, "a file's size or number of chunks is impossible"};
  }
  return {};
}

}  // namespace coffer::vault::format
