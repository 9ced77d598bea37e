// Who may use a data directory: one server, or one command while no server runs.
//
// `lock` is held by the supervisor alone, so a second server learns at once that there is a first.
// `lock.processes` is inherited by each process that it starts, so who got `lock` waits until the
// last of a killed server has ended: a process that is killed while a slow disk writes ends only
// when that is done, and has its files, its journal and the listening socket until then. Its
// descriptor reads only: a process that was taken over can at most let go of the lock.
// Invariant: while somebody holds a DataLock, no process of anybody before it lives.
// Errors: NotFound (make_data_directory() has not made it), FailedPrecondition `server_running`,
// Unavailable `server_ending` (processes of the last server have not ended within `patience`).
// Thread-safety: the main thread.
#pragma once

#include <filesystem>

#include "base/clock.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace coffer::app {

struct DataLock {
  UniqueFd server;
  UniqueFd processes;  // for each process that uses the directory to inherit
};

Result<DataLock> lock_data(const std::filesystem::path& data, Duration patience = 30s);

}  // namespace coffer::app
