// The token without which nothing is sealed for a grantee, and the release.json beside it.
//
// Invariant: a Release exists only for an object that decoded and that the evidence did not call a
// private copy; admit() is its one mint. Whether it goes out at once or is held is for the keeper.
// Errors: Denied (admit(): the evidence names a private copy); InvalidArgument (parse()).
// Thread-safety: as a plain value.
// Source: protocol.md sections 5 and 7, outside.md section 2; docs/formats/release.md.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "crypto/crypto.h"
#include "gate/canonical.h"
#include "gate/evidence.h"

namespace coffer::gate {

// May be sealed for a grantee.
class Release {
 public:
  static Result<Release> admit(Canonical canonical, const Evidence& evidence);
  // For a run that read no protected data: there is nothing to copy.
  static Release of_public_run(Canonical canonical) { return Release{std::move(canonical)}; }

  const Canonical& canonical() const { return canonical_; }

 private:
  explicit Release(Canonical canonical) : canonical_(std::move(canonical)) {}
  Canonical canonical_;
};

// What a release belongs to.
struct Origin {
  struct Input {
    std::string alias;
    std::string dataset;  // org/name@vN
    Digest manifest;
  };
  Digest run;
  std::string program_name;
  Digest program;
  Digest environment;
  std::vector<Input> inputs;   // as in the run
  std::vector<Digest> grants;  // as in the run
};

// What is known of a release without the release itself: enough to write its release.json again.
struct ReleaseFacts {
  const program::Output& output;
  std::uint64_t bits{0};   // charged
  std::uint64_t bytes{0};  // of the canonical file
  Digest digest;           // of the canonical file
};

// The text of release.json: canonical JSON and a newline. The release's id is that of its digest,
// release_digest(text).id("rel_").
std::string release_json(const Release& release, const Origin& origin);
std::string release_json(const ReleaseFacts& facts, const Origin& origin);
inline Digest release_digest(std::string_view text) { return sha256(text); }

}  // namespace coffer::gate
