// What the database names and does not hold: lists and chunks, programs, environments, sealed
// outputs; and whether what it holds itself is what was signed. For backups and their return.
//
// Errors: Corrupt (an entry, an envelope or a list that is not the signed one, naming it), those of
// the database and the file system. Thread-safety: as a Site.
// Source: protocol.md section 4, docs/formats/vault.md ("Store"), docs/formats/release.md.
#pragma once

#include <string>
#include <vector>

#include "front/site.h"

namespace coffer::front {

// Paths below DIR, in order, each once. A program is named by its directory, an environment by its
// archive, a version also while the keeper has not answered for it. What is not there is named all
// the same; the chunks of a list that is not, are not.
Result<std::vector<std::string>> named_paths(Site& site);

// Every entry opens to its private fields, and every signed object that the database has stands in
// an entry. The tree itself is compared with the keeper's by check_against_keeper().
struct SignedCounts {
  std::uint64_t entries{0};
  std::uint64_t objects{0};
  std::uint64_t lost{0};  // entries known by their hash only
};
Result<SignedCounts> check_signed(Site& site);

}  // namespace coffer::front
