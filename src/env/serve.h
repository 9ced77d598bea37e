// The builder process: takes Build requests from front, one at a time, and answers with progress.
//
// The control descriptor brings tagged connections as in every process of the server
// (os/channel.h); a new front connection replaces the one before. A build outlives a lost
// connection: its result waits in the cache for the request to come again.
// Invariants: has a network and no keys; private rows never reach it. What a package's own code
// does happens in a cell that sees the tree it builds and the network, nothing else of the machine.
// Half-built trees are removed at start; an environment appears in DIR/env by one rename.
// Errors: Unavailable (the directories cannot be made, no cell can be started).
// Thread-safety: owns its process.
#pragma once

#include <filesystem>

#include "base/result.h"
#include "base/unique_fd.h"

namespace coffer::env {

struct ServeOptions {
  std::filesystem::path data;   // DIR: writes DIR/env
  std::filesystem::path cache;  // see cache_directory()
};

// Where bases, package lists and sealed archives are kept between servers: COFFER_CACHE if set,
// else /var/cache/cofferdam for root, $XDG_CACHE_HOME/cofferdam or ~/.cache/cofferdam for others.
// To be asked before privileges are given up; when builders get a uid of their own, this must be
// theirs (mode 700).
std::filesystem::path cache_directory();

// Runs until the control connection closes.
Result<> serve(UniqueFd control, const ServeOptions& options);

}  // namespace coffer::env
