// Going on after a backup was put back: database and keeper no longer have the same entries.
//
// Source: protocol.md section 4. Thread-safety: the loop thread.
#pragma once

#include <cstdint>
#include <string>

#include "front/site.h"

namespace coffer::front {

struct Missing {
  std::uint64_t database{0};  // entries that the database has
  std::uint64_t keeper{0};    // entries that the keeper has signed
  bool forked{false};         // they differ before the shorter one ends
};
Missing missing_entries(const Site& site);

// Writes an entry, if there is a gap, that names it and the reason; with it the database takes the
// hashes of what it lacks from the keeper. A keeper that lacks entries counts every budget as
// spent. Errors: FailedPrecondition (forked), those of the database and the keeper.
Result<Missing> go_on_without_missing(Site& site, const std::string& reason);

}  // namespace coffer::front
