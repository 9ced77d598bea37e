// What a front does before it serves anybody.
//
// Invariants: afterwards the database and the keeper agree on every entry and every run, nothing is
// left of what a killed front was writing, and the ledger is published as far as it goes.
// Errors: FailedPrecondition (one of the two is older than the other: the message names the
// command), Unavailable (the keeper or the disk: again in a while). Thread-safety: the loop thread.
#pragma once

#include "front/site.h"

namespace coffer::front {

Result<> prepare_to_serve(Site& site);

}  // namespace coffer::front
