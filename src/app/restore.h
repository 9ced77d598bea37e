// `coffer restore BACKUP --data DIR`: a data directory out of a backup, verified.
//
// Every byte is compared with the backup's list, every chunk, list, program and environment with
// its digest, every signed object with the ledger, the ledger with the keeper's signature. The
// keeper's memory comes from --keeper where it has survived: budgets go on from its sums, and what
// the database lacks is said by `coffer recover show`. Otherwise it comes out of the backup, and
// nobody knows what was spent since: every budget counts as spent until its owner signs a new
// limit. Invariants: DIR was empty; until all of it is verified no server starts on it. Errors: by
// exit status, 0 done, 1 refused or failed (one line), 2 a wrong command line. Thread-safety: the
// main thread. Source: protocol.md section 4, docs/operating.md.
#pragma once

namespace coffer::app {

int restore_main(int argc, char** argv);

}  // namespace coffer::app
