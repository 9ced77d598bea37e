#include "vault/journal.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/wire.h"
#include "vault/detail/io.h"
#include "vault/keys.h"

namespace coffer::vault {
namespace {

constexpr std::string_view kMagic = "coffer-journal1\n";
constexpr std::size_t kHeadPlain = 32 + kDatasetIdLength;
constexpr std::size_t kHeadSealed = kHeadPlain + 48;  // crypto_box_SEALBYTES
constexpr std::size_t kRecord = 32 + 32 + 32 + 4 + 4;
constexpr std::size_t kSalt = 32;
constexpr std::size_t kBatchMax = std::size_t{64} << 20;

// A fresh key for each batch: a batch that a crash tore off may be written again with other
// content.
Key batch_key(const Key& dataset_key, ByteView salt) {
  const Key journal_key = derive_key(dataset_key, "coffer-journal-v1");
  return derive_key(journal_key, text_of(salt));
}

Result<> lock(int fd) {
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return {};
  return Error{Code::Unavailable, "another add of this dataset is under way on this machine"};
}

Result<ChunkRef> read_ref(WireReader& in) {
  COFFER_TRY(const Digest id, Digest::from_bytes(in.raw(32)));
  COFFER_TRY(const Digest name, Digest::from_bytes(in.raw(32)));
  COFFER_TRY(Key key, key_from(in.raw(32)));
  const std::uint32_t plain_bytes = in.u32();
  return ChunkRef{id, name, std::move(key), plain_bytes, in.u32()};
}

}  // namespace

Result<Journal> Journal::create(const std::string& path, Head head, const SealPublic& owner) {
  COFFER_CHECK(check_dataset_id(head.dataset_id));
  UniqueFd fd{::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600)};
  if (!fd) return system_error("the journal of this add cannot be made");
  COFFER_CHECK(lock(fd.get()));
  WireWriter plain;
  plain.raw(head.dataset_key.expose()).raw(bytes_of(head.dataset_id));
  COFFER_TRY(const ByteVector sealed, seal_to(owner, plain.data()));
  WireWriter out;
  out.raw(bytes_of(kMagic)).raw(sealed);
  COFFER_CHECK(write_all(fd.get(), out.data()));
  COFFER_CHECK(sync(fd.get()));
  return Journal{std::move(fd), std::move(head)};
}

Result<Journal> Journal::open(const std::string& path, const SealKey& owner) {
  UniqueFd fd{::open(path.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC)};
  if (!fd) return system_error("the journal of this add cannot be opened");
  COFFER_CHECK(lock(fd.get()));
  COFFER_TRY(const ByteVector bytes, read_up_to(fd.get(), kMagic.size() + kHeadSealed));
  if (bytes.size() != kMagic.size() + kHeadSealed ||
      text_of(ByteView{bytes}.first(kMagic.size())) != kMagic) {
    return Error{Code::Corrupt, "the journal of this add is damaged: remove it to start again"};
  }
  COFFER_TRY(const ByteVector plain, owner.open(ByteView{bytes}.subspan(kMagic.size())));
  if (plain.size() != kHeadPlain)
    return Error{Code::Corrupt, "the journal's head has another length"};
  COFFER_TRY(Key dataset_key, key_from(ByteView{plain}.first(32)));
  Journal journal{std::move(fd),
                  Head{std::string(text_of(ByteView{plain}.subspan(32))), std::move(dataset_key)}};
  COFFER_CHECK(check_dataset_id(journal.dataset_id()));
  COFFER_CHECK(journal.replay(bytes.size()));
  return journal;
}

Result<> Journal::replay(std::size_t from) {
  std::size_t good = from;
  for (;;) {
    COFFER_TRY(const ByteVector prefix, read_up_to(fd_.get(), 4));
    if (prefix.size() < 4) break;
    const std::uint32_t length = WireReader{prefix}.u32();
    if (length < kSalt + kAeadOverhead + kRecord || length > kBatchMax) break;
    COFFER_TRY(const ByteVector batch, read_up_to(fd_.get(), length));
    if (batch.size() < length) break;
    const ByteView salt = ByteView{batch}.first(kSalt);
    const auto plain =
        aead_open(batch_key(head_.dataset_key, salt), ByteView{batch}.subspan(kSalt), {});
    if (!plain || plain->size() % kRecord != 0) break;
    WireReader in{*plain};
    while (in.left() > 0) {
      COFFER_TRY(ChunkRef ref, read_ref(in));
      known_.insert(std::move(ref));
    }
    good += 4 + length;
  }
  // What follows the last whole batch was never answered for, or is damaged: sent again either way.
  if (::ftruncate(fd_.get(), static_cast<::off_t>(good)) != 0 ||
      ::lseek(fd_.get(), static_cast<::off_t>(good), SEEK_SET) < 0) {
    return system_error("the journal of this add cannot be written");
  }
  return {};
}

Result<> Journal::acknowledge(std::span<const ChunkRef> chunks) {
  if (chunks.empty()) return {};
  WireWriter plain;
  for (const auto& chunk : chunks) {
    plain.raw(chunk.id.bytes)
        .raw(chunk.name.bytes)
        .raw(chunk.key.expose())
        .u32(chunk.plain_bytes)
        .u32(chunk.sealed_bytes);
  }
  const ByteVector salt = random_bytes(kSalt);
  const ByteVector sealed = aead_seal(batch_key(head_.dataset_key, salt), plain.data(), {});
  WireWriter out;
  out.u32(static_cast<std::uint32_t>(salt.size() + sealed.size())).raw(salt).raw(sealed);
  COFFER_CHECK(write_all(fd_.get(), out.data()));
  COFFER_CHECK(sync(fd_.get()));
  for (const auto& chunk : chunks) known_.insert(chunk.copy());
  return {};
}

}  // namespace coffer::vault
