#include "vault/pack.h"

#include "base/wire.h"
#include "vault/detail/io.h"

namespace coffer::vault {

Result<> PackWriter::chunk(SealedChunk chunk) {
  WireWriter record;
  record.raw(chunk.ref.name.bytes).u32(static_cast<std::uint32_t>(chunk.bytes.size()));
  if (pack_.bytes.empty()) pack_.bytes.reserve(target_ + kSealedMax + record.data().size());
  pack_.bytes.insert(pack_.bytes.end(), record.data().begin(), record.data().end());
  pack_.bytes.insert(pack_.bytes.end(), chunk.bytes.begin(), chunk.bytes.end());
  pack_.chunks.push_back(std::move(chunk.ref));
  return pack_.bytes.size() >= target_ ? flush() : Result<>{};
}

Result<> PackWriter::flush() {
  if (pack_.chunks.empty()) return {};
  return handler_(std::exchange(pack_, Pack{}));
}

Result<std::optional<PackRecord>> PackReader::next() {
  const Error damaged{Code::Corrupt, "a pack is damaged: its records do not fit"};
  COFFER_TRY(const ByteVector head, read_up_to(fd_, 36));
  if (head.empty()) return std::optional<PackRecord>{};
  if (head.size() != 36) return damaged;
  WireReader in{head};
  COFFER_TRY(const Digest name, Digest::from_bytes(in.raw(32)));
  const std::uint32_t length = in.u32();
  if (length <= kSealedOverhead || length > kSealedMax) return damaged;
  COFFER_TRY(ByteVector bytes, read_up_to(fd_, length));
  if (bytes.size() != length) return damaged;
  return std::optional{PackRecord{name, std::move(bytes)}};
}

}  // namespace coffer::vault
