#include "vault/chunk.h"

#include <fmt/format.h>
#include <zstd.h>

#include <cstring>
#include <optional>

#include "vault/keys.h"

namespace coffer::vault {
namespace {

constexpr std::string_view kChunkLabel = "coffer-chunk-v1\n";
constexpr int kLevel = 3;
constexpr std::size_t kProbe = std::size_t{16} << 10;
enum Method : std::uint8_t { kStored = 0, kZstd = 1 };

ByteVector associated(const Digest& id) {
  ByteVector out(kChunkLabel.size() + id.bytes.size());
  std::memcpy(out.data(), kChunkLabel.data(), kChunkLabel.size());
  std::memcpy(out.data() + kChunkLabel.size(), id.bytes.data(), id.bytes.size());
  return out;
}

std::size_t compress(std::span<std::byte> room, ByteView plain, int level) {
  const std::size_t length =
      ZSTD_compress(room.data(), room.size(), plain.data(), plain.size(), level);
  return ZSTD_isError(length) != 0U ? 0 : length;  // room too small: it does not get smaller
}

// A cheap look at the middle of a large chunk spares level 3 on what is compressed already.
bool looks_compressible(ByteView plain) {
  if (plain.size() < 4 * kProbe) return true;
  const ByteView sample = plain.subspan(plain.size() / 2, kProbe);
  ByteVector room(kProbe - kProbe / 32);
  return compress(room, sample, 1) != 0;
}

// method byte || payload, with room for the tag
ByteVector encode(ByteView plain) {
  if (looks_compressible(plain)) {
    ByteVector out(1 + plain.size() - plain.size() / 32);
    const std::size_t length = compress(std::span{out}.subspan(1), plain, kLevel);
    if (length != 0) {
      out.resize(1 + length);
      out[0] = std::byte{kZstd};
      return out;
    }
  }
  ByteVector out;
  out.reserve(kSealedOverhead + plain.size());
  out.push_back(std::byte{kStored});
  out.insert(out.end(), plain.begin(), plain.end());
  return out;
}

// The plaintext, in `room`, which holds its encoding before. Nothing when that is not exactly one
// encoding of `length` bytes.
std::optional<ByteView> decode(ByteVector& room, std::size_t length) {
  if (room.empty() || length == 0 || length > kChunkMax) return {};
  const std::byte method = room[0];
  const ByteView payload = ByteView{room}.subspan(1);
  if (method == std::byte{kStored}) {
    if (payload.size() != length) return {};
    return payload;
  }
  if (method != std::byte{kZstd}) return {};
  ByteVector plain(length);
  if (ZSTD_decompress(plain.data(), plain.size(), payload.data(), payload.size()) != length) {
    return {};
  }
  room = std::move(plain);
  return room;
}

Error not_as_listed(const ChunkRef& ref) {
  return {Code::Corrupt, fmt::format("chunk {} is not what its list says: changed, or another key",
                                     ref.name.text())};
}

}  // namespace

ChunkRef ChunkRef::copy() const {
  return {.id = id,
          .name = name,
          .key = copy_of(key),
          .plain_bytes = plain_bytes,
          .sealed_bytes = sealed_bytes};
}

std::vector<Digest> chunk_ids(const Key& dataset_key, std::span<const ByteView> chunks) {
  return hmac_sha256(dataset_key, chunks);
}

std::vector<SealedChunk> seal_chunks(std::vector<PlainChunk> chunks) {
  std::vector<ByteVector> sealed;
  std::vector<Sha256> names(chunks.size());
  std::vector<HashUpdate> updates;
  sealed.reserve(chunks.size());
  updates.reserve(chunks.size());
  for (const auto& chunk : chunks) {
    sealed.push_back(aead_seal(chunk.key, encode(chunk.plain), associated(chunk.id)));
    updates.push_back({&names[updates.size()], sealed.back()});
  }
  update_all(updates);
  std::vector<SealedChunk> out;
  out.reserve(chunks.size());
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    out.push_back({{.id = chunks[i].id,
                    .name = names[i].finish(),
                    .key = std::move(chunks[i].key),
                    .plain_bytes = static_cast<std::uint32_t>(chunks[i].plain.size()),
                    .sealed_bytes = static_cast<std::uint32_t>(sealed[i].size())},
                   std::move(sealed[i])});
  }
  return out;
}

Result<ByteView> open_chunk(const ChunkRef& ref, ByteVector& bytes) {
  if (bytes.size() != ref.sealed_bytes) return not_as_listed(ref);
  auto encoded = aead_open(ref.key, std::move(bytes), associated(ref.id));
  if (!encoded) return not_as_listed(ref);
  bytes = *std::move(encoded);
  const auto plain = decode(bytes, ref.plain_bytes);
  if (!plain) return not_as_listed(ref);
  return *plain;
}

Result<> check_ids(const Key& dataset_key, std::span<const ChunkRef> refs,
                   std::span<const ByteView> plain) {
  const auto ids = chunk_ids(dataset_key, plain);
  for (std::size_t i = 0; i < refs.size(); ++i) {
    if (ids[i] != refs[i].id) return not_as_listed(refs[i]);
  }
  return {};
}

std::size_t ChunkIndex::Hash::operator()(const Digest& digest) const {
  std::size_t out = 0;  // a digest's bytes are uniform already
  std::memcpy(&out, digest.bytes.data(), sizeof out);
  return out;
}

const ChunkRef* ChunkIndex::find(const Digest& id) const {
  const auto at = by_id_.find(id);
  return at == by_id_.end() ? nullptr : &at->second;
}

void ChunkIndex::insert(ChunkRef ref) {
  const Digest id = ref.id;
  by_id_.emplace(id, std::move(ref));
}

void ChunkIndex::forget_name(const Digest& name) {
  std::erase_if(by_id_, [&](const auto& item) { return item.second.name == name; });
}

std::vector<Digest> ChunkIndex::names() const {
  std::vector<Digest> out;
  out.reserve(by_id_.size());
  for (const auto& [id, ref] : by_id_) out.push_back(ref.name);
  return out;
}

}  // namespace coffer::vault
