// Packs: many sealed chunks in one upload.
//
// A pack is records of name[32], u32be length, that many bytes; nothing else. The writer closes a
// pack once it has kPackTarget bytes. The reader checks the shape of records and nothing more: that
// bytes fit their name is checked by Store::put.
// Memory: one pack (writer), one chunk (reader).
// Errors: Corrupt (not the shape of a pack), Unavailable (file system), and what the handler
// answers.
// Thread-safety: as plain values.
// Source: docs/formats/vault.md, "Pack".
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "vault/chunk.h"

namespace coffer::vault {

inline constexpr std::size_t kPackTarget = std::size_t{16} << 20;
inline constexpr std::size_t kPackMax = kPackTarget + kSealedMax + 36;

struct Pack {
  ByteVector bytes;
  std::vector<ChunkRef> chunks;
};

class PackWriter final : public ChunkSink {
 public:
  // Returns when the pack is safe on the server.
  using Handler = std::function<Result<>(Pack)>;
  explicit PackWriter(Handler handler, std::size_t target = kPackTarget)
      : handler_(std::move(handler)), target_(target) {}
  Result<> chunk(SealedChunk chunk) override;
  Result<> flush();  // hands over the last, short pack; nothing when there is none

 private:
  Handler handler_;
  std::size_t target_;
  Pack pack_;
};

struct PackRecord {
  Digest name;
  ByteVector bytes;
};

class PackReader {
 public:
  // Borrows `fd`, read from where it stands to its end.
  explicit PackReader(int fd) : fd_(fd) {}
  Result<std::optional<PackRecord>> next();

 private:
  int fd_;
};

}  // namespace coffer::vault
