// The queue: which run goes to the worker next, and what the front does as time passes.
//
// Runs start in order of submission as far as cpus and memory allow; an exclusive run starts when
// nothing else runs, no environment is built and nobody is answered, and nothing starts beside it.
// Invariants: a run holds its share of the machine until its slot, whatever it did before.
// Errors: those of the database and the keeper. Thread-safety: the loop thread.
// Source: protocol.md sections 4 and 5.
#pragma once

#include "front/site.h"
#include "worker/messages.h"

namespace coffer::front {

// Whether nobody may be answered now. An exclusive run is under way until its slot, so that when
// answers return tells no more than the slot does; one that is next waits for quiet to start.
enum class Quiet : std::uint8_t { No, BeforeStart, UnderWay };
Result<Quiet> need_of_quiet(Site& site);

// Sends queued runs to the worker as far as there is room; an exclusive one once it is quiet.
Result<> schedule(Site& site);

// An owner signed a limit: queued runs that waited for one may start.
Result<> ask_again_after_limit(Site& site);

// A queued run that the keeper holds to have started is under way: its word is what counts, and
// slots are measured from its time.
Result<> adopt_start(Site& site, const Digest& run);

// The worker (re)connected: what was sent to the one before is sent again.
Result<> resume_worker(Site& site);

// One record of the worker. Errors: Corrupt (it is none: drop the connection), and as above.
Result<> on_worker_record(Site& site, ByteView record);

// What is due: slots, held outputs that expire, runs past their deadline, the queue. Called every
// 100 ms or so, and cheap when nothing is due.
Result<> tick(Site& site);

// Ends one run early. `cause` says why; a run that started shows it at its next slot.
Result<> end_run(Site& site, const std::string& digest, keeper::CancelCause cause);

}  // namespace coffer::front
