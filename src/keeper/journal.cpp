#include "keeper/journal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/log.h"
#include "base/wire.h"
#include "keeper/detail/file.h"
#include "os/files.h"

namespace coffer::keeper {
namespace {

constexpr std::string_view kMagic = "coffer-journal-v1\n";
constexpr std::size_t kHead = 16;  // u32 payload, u32 secrets, 8 bytes of their MAC
constexpr std::size_t kMac = 32;
constexpr std::uint32_t kFrameMax = 1U << 30;
constexpr std::uint32_t kRecordsMax = 1U << 20;
constexpr std::uint64_t kProgressBytes = 64 << 20;  // a line in the log for each, some seconds

Error corrupt(std::uint64_t offset, std::string_view what) {
  return Error{Code::Corrupt, fmt::format("journal: {} at byte {}", what, offset)};
}

bool all_zero(ByteView bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

}  // namespace

struct Journal::Frame {
  std::uint64_t payload_offset{0};
  ByteVector payload;
  std::uint64_t secrets_offset{0};
  ByteVector secrets;
};

Journal::Journal(UniqueFd file, const Key& mac_key)
    : file_(std::move(file)),
      head_key_(derive_key(mac_key, "head")),
      frame_key_(derive_key(mac_key, "frame")),
      chain_(hmac_sha256(mac_key, bytes_of(kMagic))) {}

Result<Journal> Journal::open(const std::filesystem::path& path, const Key& mac_key,
                              const Each& each) {
  if (!std::filesystem::exists(path)) COFFER_CHECK(write_text(path, kMagic));
  UniqueFd file{::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW)};
  if (!file) return system_error("open the journal", errno);
  if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    return Error{Code::FailedPrecondition, "journal: another keeper has it"};
  }
  Journal out{std::move(file), mac_key};
  COFFER_CHECK(out.read_all(each));
  return out;
}

Digest Journal::head_mac(ByteView lengths) const {
  ByteVector message(chain_.bytes.begin(), chain_.bytes.end());
  message.insert(message.end(), lengths.begin(), lengths.end());
  return hmac_sha256(head_key_, message);
}

Digest Journal::frame_mac(ByteView payload) const {
  ByteVector message(chain_.bytes.begin(), chain_.bytes.end());
  message.insert(message.end(), payload.begin(), payload.end());
  return hmac_sha256(frame_key_, message);
}

// ---- Reading
// ----------------------------------------------------------------------------------------

Result<> Journal::read_all(const Each& each) {
  struct stat status {};
  if (::fstat(file_.get(), &status) != 0) return system_error("read the journal", errno);
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (size < kMagic.size()) return corrupt(0, "no journal of ours");
  COFFER_TRY(const ByteVector magic, read_at(0, kMagic.size()));
  if (text_of(magic) != kMagic) return corrupt(0, "no journal of ours");
  end_ = kMagic.size();
  std::uint64_t say_at = kProgressBytes;
  for (;;) {
    Frame frame;
    COFFER_TRY(const bool whole, read_frame(size, frame));
    if (!whole) break;
    COFFER_CHECK(hand_over(frame, each));
    if (end_ < say_at) continue;
    log_line("keeper", "reading the journal", {{"bytes", end_}, {"of", size}});
    say_at = end_ + kProgressBytes;
  }
  if (end_ == size) return {};
  log_line("keeper", "journal: a last write was cut short", {{"at", end_}, {"bytes", size - end_}});
  if (::ftruncate(file_.get(), static_cast<off_t>(end_)) != 0 || ::fsync(file_.get()) != 0) {
    return system_error("cut the journal", errno);
  }
  return {};
}

Result<bool> Journal::read_frame(std::uint64_t size, Frame& frame) {
  const auto left = size - end_;
  if (left < kHead) return false;
  COFFER_TRY(const ByteVector head, read_at(end_, kHead));
  WireReader in{head};
  const std::uint32_t payload = in.u32();
  const std::uint32_t secrets = in.u32();
  const auto mac = head_mac(ByteView{head}.first(8));
  if (!std::equal(head.begin() + 8, head.end(), mac.bytes.begin())) {
    COFFER_TRY(const bool unwritten, is_unwritten(end_, size));
    if (unwritten) return false;
    return corrupt(end_, "a frame that is not ours");
  }
  if (payload > kFrameMax || secrets > kFrameMax) return corrupt(end_, "a frame too long");
  const std::uint64_t length = kHead + payload + kMac + secrets;
  if (left < length) return false;
  frame.payload_offset = end_ + kHead;
  COFFER_TRY(frame.payload, read_at(frame.payload_offset, payload));
  COFFER_TRY(const ByteVector stored, read_at(frame.payload_offset + payload, kMac));
  const auto wanted = frame_mac(frame.payload);
  if (!equal_constant_time(stored, wanted.bytes)) {
    // The file grew before its pages were written: then its end is still zeros.
    const auto tail = std::max(frame.payload_offset, size - std::min<std::uint64_t>(size, kMac));
    COFFER_TRY(const bool unwritten, is_unwritten(tail, size));
    if (left == length && unwritten) return false;
    return corrupt(end_, "a frame that was changed");
  }
  frame.secrets_offset = frame.payload_offset + payload + kMac;
  COFFER_TRY(frame.secrets, read_at(frame.secrets_offset, secrets));
  if (left == length && !secrets_arrived(frame)) return false;
  chain_ = wanted;
  end_ += length;
  return true;
}

// payload: per record, u32 length, body, u32 length of its secret, SHA-256 of its secret.
Result<> Journal::hand_over(const Frame& frame, const Each& each) const {
  WireReader in{frame.payload};
  std::uint64_t secret_at = 0;
  while (in.left() > 0 && !in.failed()) {
    JournalRecord record;
    JournalPlace place;
    const auto body = in.bytes();
    place.body_offset = frame.payload_offset + (frame.payload.size() - in.left()) - body.size();
    record.body.assign(body.begin(), body.end());
    place.secret_length = in.u32();
    place.secret_offset = frame.secrets_offset + secret_at;
    const auto hash = in.raw(kMac);
    if (in.failed() || place.secret_length > frame.secrets.size() - secret_at) break;
    const auto secret = ByteView{frame.secrets}.subspan(secret_at, place.secret_length);
    secret_at += place.secret_length;
    record.wiped = !secret.empty() && all_zero(secret);
    if (!record.wiped) {
      if (!equal_constant_time(sha256(secret).bytes, hash)) {
        return corrupt(place.secret_offset, "a secret that was changed");
      }
      record.secret.assign(secret.begin(), secret.end());
    }
    COFFER_CHECK(each(std::move(record), place));
  }
  if (in.failed() || in.left() > 0 || secret_at != frame.secrets.size()) {
    return corrupt(frame.payload_offset, "a frame that is not well formed");
  }
  return {};
}

// A secret is wiped by a later record: one that stands alone in the last frame cannot be wiped yet.
bool Journal::secrets_arrived(const Frame& frame) const {
  WireReader in{frame.payload};
  std::size_t records = 0;
  bool wiped = false;
  ByteView rest{frame.secrets};
  for (; in.left() > 0 && !in.failed(); ++records) {
    (void)in.bytes();
    const std::uint32_t length = in.u32();
    const ByteView hash = in.raw(kMac);
    if (in.failed() || length > rest.size()) return true;  // hand_over() says what is wrong
    const ByteView secret = rest.first(length);
    rest = rest.subspan(length);
    if (equal_constant_time(sha256(secret).bytes, hash)) continue;
    if (!all_zero(secret)) return false;
    wiped = true;
  }
  return !wiped || records > 1;
}

Result<bool> Journal::is_unwritten(std::uint64_t from, std::uint64_t size) const {
  constexpr std::uint64_t kStep = 1 << 16;
  for (std::uint64_t at = from; at < size; at += kStep) {
    COFFER_TRY(const ByteVector bytes, read_at(at, std::min(kStep, size - at)));
    if (!all_zero(bytes)) return false;
  }
  return true;
}

Result<ByteVector> Journal::read_at(std::uint64_t offset, std::uint64_t length) const {
  return read_extent(file_.get(), {offset, length}, "the journal");
}

// Its length stands before it.
Result<ByteVector> Journal::read_body(std::uint64_t body_offset) const {
  COFFER_TRY(const ByteVector length, read_at(body_offset - 4, 4));
  const std::uint32_t bytes = WireReader{length}.u32();
  if (bytes > kFrameMax) return corrupt(body_offset, "a record too long");
  return read_at(body_offset, bytes);
}

// ---- Writing
// ----------------------------------------------------------------------------------------

Result<> Journal::write_at(std::uint64_t offset, ByteView bytes) const {
  COFFER_CHECK(write_bytes_at(file_.get(), offset, bytes, "the journal"));
  if (::fdatasync(file_.get()) != 0) return system_error("sync the journal", errno);
  return {};
}

Result<> Journal::make_room(std::uint64_t bytes) {
  constexpr std::uint64_t kStep = 1 << 20;
  if (end_ + bytes <= room_end_) return {};
  const std::uint64_t more = bytes + kStep;
  // The file's size stays: what lies behind it was never written.
  if (::fallocate(file_.get(), FALLOC_FL_KEEP_SIZE, static_cast<off_t>(end_),
                  static_cast<off_t>(more)) != 0 &&
      errno != EOPNOTSUPP) {
    return system_error("set room aside for the journal", errno);
  }
  room_end_ = end_ + more;
  return {};
}

Result<std::vector<JournalPlace>> Journal::append(std::span<const JournalRecord> records) {
  if (records.size() > kRecordsMax) return Error{Code::Internal, "journal: too many records"};
  std::vector<JournalPlace> places;
  WireWriter payload;
  WireWriter secrets;
  for (const auto& record : records) {
    JournalPlace place;
    place.body_offset = payload.data().size() + 4;
    place.secret_offset = secrets.data().size();
    place.secret_length = static_cast<std::uint32_t>(record.secret.size());
    payload.bytes(record.body).u32(place.secret_length).raw(sha256(record.secret).bytes);
    secrets.raw(record.secret);
    places.push_back(place);
  }
  if (payload.data().size() > kFrameMax) return Error{Code::Internal, "journal: a frame too long"};
  WireWriter lengths;
  lengths.u32(static_cast<std::uint32_t>(payload.data().size()));
  lengths.u32(static_cast<std::uint32_t>(secrets.data().size()));
  const auto head = head_mac(lengths.data());
  const auto mac = frame_mac(payload.data());
  WireWriter frame;
  frame.raw(lengths.data()).raw(ByteView{head.bytes}.first(8)).raw(payload.data());
  frame.raw(mac.bytes).raw(secrets.data());
  COFFER_CHECK(write_at(end_, frame.data()));
  const auto payload_at = end_ + kHead;
  const auto secrets_at = payload_at + payload.data().size() + kMac;
  for (auto& place : places) {
    place.body_offset += payload_at;
    place.secret_offset += secrets_at;
  }
  end_ += frame.data().size();
  chain_ = mac;
  return places;
}

Result<> Journal::wipe_secret(const JournalPlace& place) {
  return write_at(place.secret_offset, ByteVector(place.secret_length));
}

}  // namespace coffer::keeper
