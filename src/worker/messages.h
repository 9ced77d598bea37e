// What front and worker say to each other.
//
// One connection, framed by os/channel.h; the first byte of a record is its type. The front sends
// Execute, Kill, Unpack and Try; the worker answers Execute with Started, then Ended, or with
// NotStarted; Unpack with Unpacked; Try with Tried. Requests may be sent again after a lost
// connection: a run that is known is not started twice, its answers come again.
// Ended arrives at the run's visibility slot and not before: until then the front knows nothing
// that the program did. The sealed report of a run then lies in DIR/runs/<64 hex>/.
// encode and decode_* are inverse.
// Errors: Corrupt (a record that is none). Thread-safety: pure functions.
// Source: protocol.md sections 2 and 4.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "base/wire.h"
#include "crypto/crypto.h"

namespace coffer::worker {

// Where the chunk list of one input lies, and what the front knows of it. The keys come from the
// keeper; the manifest digest ties all of it to what was signed.
struct Source {
  std::string alias;
  std::string dataset_id;
  std::string dataset;  // org/name@vN, for release.json
  Digest manifest;
  Digest list;      // SHA-256 of the sealed chunk list, its name in the vault
  ByteVector card;  // the published card's payload, empty for public data
  friend bool operator==(const Source&, const Source&) = default;
};

// ---- front to worker -------------------------------------------------------------------------

struct Execute {
  ByteVector run;  // the signed payload; its SHA-256 is the run's digest
  std::uint32_t attempt{1};
  std::vector<Source> sources;
  friend bool operator==(const Execute&, const Execute&) = default;
};
enum class KillCause : std::uint8_t { Cancelled = 1, Revoked = 2 };
struct Kill {
  Digest run;
  KillCause cause{KillCause::Cancelled};
  friend bool operator==(const Kill&, const Kill&) = default;
};
// A tar of a program in DIR/front/uploads/<upload>: unpacked in an empty cell, digested, moved to
// DIR/programs/<64 hex>/.
struct Unpack {
  std::string upload;
  friend bool operator==(const Unpack&, const Unpack&) = default;
};
using Request = std::variant<Execute, Kill, Unpack>;

// ---- worker to front -------------------------------------------------------------------------

struct Started {
  Digest run;
  std::int64_t time_ms{0};  // unix
  friend bool operator==(const Started&, const Started&) = default;
};
struct Ended {
  Digest run;
  friend bool operator==(const Ended&, const Ended&) = default;
};
// `cause`: cell_unproven, environment, revoked, cancelled, or this: it may start once the owner has
// signed a limit anew.
inline constexpr std::string_view kAwaitsLimit = "awaits_limit";
struct NotStarted {
  Digest run;
  std::string cause;
  std::string message;  // for the requester: ids and limits only
  friend bool operator==(const NotStarted&, const NotStarted&) = default;
};
struct Unpacked {
  std::string upload;
  Digest program;
  std::uint64_t files{0};
  std::uint64_t bytes{0};
  std::string problem;  // empty when it was unpacked
  friend bool operator==(const Unpacked&, const Unpacked&) = default;
};
using Event = std::variant<Started, Ended, NotStarted, Unpacked>;

ByteVector encode(const Request& request);
ByteVector encode(const Event& event);
Result<Request> decode_request(ByteView record);
Result<Event> decode_event(ByteView record);

}  // namespace coffer::worker
