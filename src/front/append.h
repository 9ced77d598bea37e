// Operations on the ledger: kept, sent to the keeper, finished in one transaction.
//
// append() writes the operation to `pending`, asks the keeper, and on its answer writes the entries
// and everything that follows from the operation in one transaction (apply.h).
// A refusal removes the pending row and nothing else has changed.
// Invariants, across any crash: what was sent is pending or finished; resend_pending() sends again
// what has no answer (the keeper answers the same), so nothing that the keeper remembers is missing
// here for long, and nothing is applied twice.
// Errors: the keeper's refusal (rule in Error::rule); Unavailable (no keeper within 10 s, disk
// full). Thread-safety: the loop thread. Source: protocol.md section 4.
#pragma once

#include "front/site.h"

namespace coffer::front {

// `extra`: what the nouns need beside the operation to finish it (names, upload ids, sealed keys).
Result<keeper::Appended> append(Site& site, const keeper::Request& operation,
                                const Json& extra = {});

// One of those that are due: what the keeper refuses by a rule, which it would do again at once, is
// logged as `event` and put off, and holds up nothing else. Any other error is the answer.
Result<> or_put_off(const Result<>& done, std::string_view event,
                    const std::function<Result<>()>& put_off);

// At start and whenever the keeper is connected anew. site.status is as it is after them.
Result<> resend_pending(Site& site);

// After a keeper answered too late, or a disk had no room for its answer: sends and stores that
// first, so that no entry is stored before one that the keeper made earlier.
// Errors: Unavailable (still so).
Result<> finish_pending(Site& site);

// Compares the database with the keeper: the front does not start on an older one.
// Errors: FailedPrecondition (the database lacks entries; names how many and the command).
Result<> check_against_keeper(Site& site);

// Writes the static files of the ledger up to the present size, all of them the first time after a
// start. They follow from the entries: called between requests and before a file is served.
Result<> publish_ledger(Site& site);

}  // namespace coffer::front
