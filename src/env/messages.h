// What front and builder say to each other, and the spec of an environment.
//
// One connection, framed by os/channel.h; the first byte of a record is its type. Front sends
// Build, Archive, Cancel and Remove; the builder answers each Build with any number of Progress and
// then one Built or Failed, each Remove with one Removed or Failed. Builds run one at a time in
// order of arrival. Every request may be sent again after a lost connection: the same spec gives
// the same environment out of the builder's cache, and removing what is gone is done. An OCI
// archive goes before its Build, as Archive records of at most kArchivePart bytes in order; an
// Archive at offset 0 begins it anew. They are not answered; Build says when the digest differs.
// encode and decode_* are inverse.
// Errors: Corrupt (a record that is none), InvalidArgument (a spec that is none, naming the field).
// Thread-safety: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "base/wire.h"
#include "crypto/crypto.h"

namespace coffer::env {

inline constexpr std::size_t kRequirementsMax = 256 << 10;  // bytes of a requirements file
inline constexpr std::size_t kPackagesMax = 500;            // per list
inline constexpr std::size_t kArchivePart = 4 << 20;        // bytes of an Archive record
inline constexpr std::uint64_t kArchiveMax = 16ULL << 30;   // bytes of an OCI archive

// What to make an environment from: exactly one of preset, pip, requirements, oci; apt packages
// beside it (not with oci, which brings its own root).
//   {"preset":"sklearn"}   {"pip":["numpy==2.4.6"],"apt":["libgl1"]}
//   {"requirements":"numpy\nscipy\n"}   {"oci":"sha256:<64 hex of the archive file>"}
struct Spec {
  std::string preset{};            // sklearn, torch-cpu, xgboost
  std::vector<std::string> pip{};  // requirement specifiers, never options
  std::string requirements{};      // text of a requirements file
  std::optional<Digest> oci{};  // SHA-256 of an OCI image archive (a tar), sent as Archive records
  std::vector<std::string> apt{};  // Debian package names, of the builder's own sources
  // Reads and checks; unknown members are refused, a preset by the nearest name.
  static Result<Spec> parse(const Json& json);
  Json json() const;  // only what is set; its canonical text is what the cache is keyed by
  friend bool operator==(const Spec&, const Spec&) = default;
};

std::vector<std::string> preset_names();
// An environment name: [a-z0-9][a-z0-9._-]{0,62}.
bool is_environment_name(std::string_view name);

// ---- front to builder ------------------------------------------------------------------------

struct Build {
  std::string name;
  std::string spec;  // canonical JSON of Spec
  friend bool operator==(const Build&, const Build&) = default;
};
// A part of the archive with that digest.
struct Archive {
  Digest archive;
  std::uint64_t offset{0};
  ByteVector bytes;
  friend bool operator==(const Archive&, const Archive&) = default;
};
// Ends the build of that name, running or waiting: it answers Failed with Code::Cancelled.
struct Cancel {
  std::string name;
  friend bool operator==(const Cancel&, const Cancel&) = default;
};
// Removes DIR/env/<digest>. Front sees to it that no run wants it any more.
struct Remove {
  Digest digest;
  friend bool operator==(const Remove&, const Remove&) = default;
};
using Request = std::variant<Build, Archive, Cancel, Remove>;

// ---- builder to front ------------------------------------------------------------------------

enum class Stage : std::uint8_t { Waiting, Base, Packages, Image, Seal };
std::string_view stage_name(Stage stage);  // waiting base packages image seal

// `line` is what a tool said, made printable, possibly empty; percent of the whole build, rising.
struct Progress {
  std::string name;
  Stage stage{Stage::Waiting};
  std::uint8_t percent{0};
  std::string line;
  friend bool operator==(const Progress&, const Progress&) = default;
};
// The environment lies in DIR/env/<64 hex>/. `description` is the text of its env.json.
struct Built {
  std::string name;
  Digest digest;
  std::uint64_t bytes{0};  // of the files under root/
  std::uint32_t seconds{0};
  std::string description;
  friend bool operator==(const Built&, const Built&) = default;
};
// `message` says in one line what to do about it; the log lines before it say why.
struct Failed {
  std::string name;  // of the build; empty for a Remove
  Code code{Code::Internal};
  std::string message;
  friend bool operator==(const Failed&, const Failed&) = default;
};
struct Removed {
  Digest digest;
  friend bool operator==(const Removed&, const Removed&) = default;
};
using Event = std::variant<Progress, Built, Failed, Removed>;

ByteVector encode(const Request& request);
ByteVector encode(const Event& event);
Result<Request> decode_request(ByteView record);
Result<Event> decode_event(ByteView record);

}  // namespace coffer::env
