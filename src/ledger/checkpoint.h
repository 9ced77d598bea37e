// A checkpoint: what the log signs, its origin, size and root.
//
// Text: origin, size in decimal, base64 of the root, each with a line end; extension lines are
// refused. The origin is the name of the log's key.
// Invariants: parse and text are inverse. A checkpoint comes out of open_checkpoint only when the
// log's own key signed it.
// Errors: InvalidArgument (not a checkpoint), Corrupt (not signed by the key, or of another
// origin). Thread-safety: as plain values. Source: C2SP tlog-checkpoint v1.0.0.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "crypto/crypto.h"
#include "ledger/note.h"

namespace coffer::ledger {

struct Checkpoint {
  std::string origin;
  std::uint64_t size{};
  Digest root;

  std::string text() const;
  static Result<Checkpoint> parse(std::string_view text);
  friend bool operator==(const Checkpoint&, const Checkpoint&) = default;
};

// The signed note of a checkpoint. The caller has made sure, on disk, that it never signs two
// checkpoints that contradict each other.
Result<std::string> sign_checkpoint(const Checkpoint& checkpoint, const SignKey& log_key);

// The checkpoint of a signed note, if `log` signed it and its origin is the name of `log`.
Result<Checkpoint> open_checkpoint(std::string_view signed_note, const VerifierKey& log);

}  // namespace coffer::ledger
