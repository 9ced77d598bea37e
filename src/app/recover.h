// `coffer recover show|accept --data DIR`: after a restored backup, without a server.
//
// Compares the front's database with the keeper's memory, says what is missing and where it would
// be; `accept` records the gap in the ledger, with a reason, and goes on with the keeper's sums.
// Errors: by exit status, 0 done, 1 refused or failed, 2 a wrong command line.
// Thread-safety: the main thread. Source: protocol.md section 4.
#pragma once

namespace coffer::app {

int recover_main(int argc, char** argv);

}  // namespace coffer::app
