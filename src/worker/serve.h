// The worker process: takes orders from the front, runs each in a supervisor of its own.
//
// One thread, one poll loop. Each run is a forked supervisor (execute.h) connected by a stream,
// over which it asks the keeper and tells the front; the worker passes both on. A supervisor that
// dies before its run ended leaves a run that the keeper ends as lost. Invariants: a run that is
// known here is not started twice while this process lives; its events are told again when the
// front asks again. Nothing private passes through this process. Errors: Unavailable (no cells can
// be started here: the worker then refuses every run and says why). Thread-safety: owns its
// process. Source: protocol.md sections 2 and 4.
#pragma once

#include <filesystem>

#include "base/result.h"
#include "base/unique_fd.h"

namespace coffer::worker {

struct ServeOptions {
  std::filesystem::path data;  // DIR
};

// Runs until the control connection closes.
Result<> serve(UniqueFd control, const ServeOptions& options);

}  // namespace coffer::worker
