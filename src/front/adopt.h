// Runs after a restored backup: the keeper knows how they went on, the database does not.
//
// Invariants: afterwards no run is under way that the keeper holds to be over, and none is reserved
// for that nobody can see. What a lost entry said of a release is lost with it.
// Errors: those of the database and the keeper. Thread-safety: the loop thread.
// Source: protocol.md section 4.
#pragma once

#include "front/site.h"

namespace coffer::front {

// At start: runs that are queued, under way or held here and further there.
Result<> adopt_known_runs(Site& site);
// At start and now and then: runs that only the keeper knows, or only the keeper holds to be open,
// are cancelled, and settled at their slot; what it holds of them is withheld in time. They go on
// by themselves meanwhile: what the keeper refuses for that waits for the next time.
Result<> end_unknown_runs(Site& site);

}  // namespace coffer::front
