// One chunk: compressed, encrypted under its own key, named by its ciphertext.
//
// id:   HMAC-SHA-256(dataset key, plaintext). Equal content has equal ids within one dataset and
//       unrelated ones in any other. Known to the owner and inside the sealed list only. The
//       manifest signs the ids, so a reader that computes them has what the owner signed.
// name: SHA-256 of the sealed bytes. The server stores and checks chunks by it without any key; two
//       sealings of one plaintext never overwrite one another.
// Units: bytes.
// Errors: Corrupt (naming the chunk: a flipped bit anywhere, another key).
// Several chunks in one call are hashed in less time than one after the other.
// Thread-safety: pure functions, as plain values.
// Source: docs/formats/vault.md, "Chunk".
#pragma once

#include <cstdint>
#include <unordered_map>

#include "crypto/crypto.h"

namespace coffer::vault {

inline constexpr std::size_t kChunkMin = std::size_t{256} << 10;
inline constexpr std::size_t kChunkAverage = std::size_t{1} << 20;
inline constexpr std::size_t kChunkMax = std::size_t{4} << 20;
// One byte for the method, 16 for the tag: compression is kept only where it makes a chunk smaller.
inline constexpr std::size_t kSealedOverhead = 1 + kAeadOverhead;
inline constexpr std::size_t kSealedMax = kChunkMax + kSealedOverhead;

struct ChunkRef {
  Digest id;
  Digest name;
  Key key;
  std::uint32_t plain_bytes;   // 1 to kChunkMax
  std::uint32_t sealed_bytes;  // kSealedOverhead to kSealedMax
  ChunkRef copy() const;
};

struct PlainChunk {
  Digest id;       // of chunk_ids()
  Key key;         // used for this chunk only
  ByteView plain;  // 1 to kChunkMax bytes
};

struct SealedChunk {
  ChunkRef ref;
  ByteVector bytes;
};

std::vector<Digest> chunk_ids(const Key& dataset_key, std::span<const ByteView> chunks);
std::vector<SealedChunk> seal_chunks(std::vector<PlainChunk> chunks);
// The inverse in two steps, so that the second may run beside the next first one. Lengths and tag,
// which binds the bytes to the chunk's own key; `bytes`: the sealed chunk before, what the
// plaintext lies in afterwards.
Result<ByteView> open_chunk(const ChunkRef& ref, ByteVector& bytes);
// Ids. `plain`: as many as `refs`.
Result<> check_ids(const Key& dataset_key, std::span<const ChunkRef> refs,
                   std::span<const ByteView> plain);

// Chunks the server is known to hold, by id. About 200 bytes of memory each.
class ChunkIndex {
 public:
  const ChunkRef* find(const Digest& id) const;
  void insert(ChunkRef ref);  // the first of an id stays
  void forget_name(const Digest& name);
  std::vector<Digest> names() const;  // in no particular order
  std::size_t size() const { return by_id_.size(); }

 private:
  struct Hash {
    std::size_t operator()(const Digest& digest) const;
  };
  std::unordered_map<Digest, ChunkRef, Hash> by_id_;
};

// Where new chunks go (a PackWriter, a test), in the order in which they were made.
class ChunkSink {
 public:
  virtual ~ChunkSink() = default;
  virtual Result<> chunk(SealedChunk chunk) = 0;
};

// Where sealed chunks come from (a Store, a download). NotFound when there is none of that name.
class ChunkSource {
 public:
  virtual ~ChunkSource() = default;
  virtual Result<ByteVector> chunk(const Digest& name) = 0;
};

}  // namespace coffer::vault
