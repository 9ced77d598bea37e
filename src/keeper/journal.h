// Journal: the keeper's memory on disk, an append-only file of what it accepted.
//
// Invariants: append() returns after its records are on disk, all of them or none; each frame is
// authenticated and chained to the one before, so records are read in order and unchanged or the
// journal does not open; an incomplete last frame (a write that a crash cut short and nobody was
// answered for) is cut off, anything else that does not fit refuses.
// A record may carry a secret; wipe() overwrites that in place, and nothing else ever changes.
// One process at a time has the file (flock).
// Errors: Corrupt (names the offset), FailedPrecondition (another keeper has it), Unavailable
// (input or output; after append() failed the journal is useless: end the process, start again).
// Thread-safety: one thread. Source: docs/formats/keeper-journal.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "crypto/crypto.h"

namespace coffer::keeper {

struct JournalRecord {
  ByteVector body;
  ByteVector secret;  // empty: none, or wiped
  bool wiped{false};  // read: it had a secret
};

// Where a record's parts lie in the file.
struct JournalPlace {
  std::uint64_t body_offset{0};
  std::uint64_t secret_offset{0};
  std::uint32_t secret_length{0};
};

class Journal {
 public:
  using Each = std::function<Result<>(JournalRecord, const JournalPlace&)>;

  // Opens or makes the file and hands every record to `each`, in order.
  static Result<Journal> open(const std::filesystem::path& path, const Key& mac_key,
                              const Each& each);

  // Sets room on the disk aside for appends of that many bytes in all, so that a full disk is known
  // before anything was done. Errors: Unavailable (the disk is full).
  Result<> make_room(std::uint64_t bytes);
  // One frame, one write, one sync.
  Result<std::vector<JournalPlace>> append(std::span<const JournalRecord> records);
  Result<ByteVector> read_body(std::uint64_t body_offset) const;
  Result<> wipe_secret(const JournalPlace& place);
  int fd() const { return file_.get(); }

 private:
  Journal(UniqueFd file, const Key& mac_key);
  struct Frame;
  Result<> read_all(const Each& each);
  // False at the end of what was written whole.
  Result<bool> read_frame(std::uint64_t size, Frame& frame);
  Result<> hand_over(const Frame& frame, const Each& each) const;
  Digest head_mac(ByteView lengths) const;
  Digest frame_mac(ByteView payload) const;
  // Of the last frame: whether its secrets had reached the disk.
  bool secrets_arrived(const Frame& frame) const;
  Result<bool> is_unwritten(std::uint64_t from, std::uint64_t size) const;
  Result<ByteVector> read_at(std::uint64_t offset, std::uint64_t length) const;
  Result<> write_at(std::uint64_t offset, ByteView bytes) const;

  UniqueFd file_;
  Key head_key_;
  Key frame_key_;
  std::uint64_t end_{0};
  std::uint64_t room_end_{0};
  Digest chain_;  // of the last frame, or of the file's first line
};

}  // namespace coffer::keeper
