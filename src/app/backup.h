// `coffer backup --data DIR -o BACKUP`: a copy of a data directory, while a server runs on it or
// not.
//
// The database and the keeper's journal are copied as they are at one moment; then what the
// database names: it is never changed in place, only added to and removed. A file that was removed
// meanwhile makes database and journal be copied again. The keeper's master key is left out:
// without it a backup opens nothing.
// Invariants: BACKUP appears by one rename, whole and synced; until then it is BACKUP.partial,
// which a failure removes and the next backup of that name replaces. The journal is never behind
// the database but for what is pending in it.
// Errors: by exit status, 0 done, 1 refused or failed (one line), 2 a wrong command line.
// Thread-safety: the main thread. Source: docs/operating.md, docs/formats/backup.md.
#pragma once

namespace coffer::app {

int backup_main(int argc, char** argv);

}  // namespace coffer::app
