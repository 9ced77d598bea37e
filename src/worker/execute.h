// Steps 3 to 6 of a run: open, prove, execute, judge, seal, report.
//
// Runs in a supervisor process of its own, forked by the worker for one attempt, and is the only
// code that knows the order. It reads top to bottom.
// Invariants: nothing of the inputs is opened without the keeper's Permit for this attempt; the
// program starts only after the keeper has noted `started`; what the program did is told to the
// keeper alone until the run's slot.
// Errors: in NotStarted (before the start); afterwards every trouble is an ending: a run that could
// not be judged by its last slot is lost.
// Thread-safety: owns its process. Source: protocol.md section 4.
#pragma once

#include <filesystem>
#include <functional>

#include "base/clock.h"
#include "cell/cell.h"
#include "worker/keeper_port.h"
#include "worker/messages.h"

namespace coffer::worker {

struct Workplace {
  std::filesystem::path data;  // DIR
  const Clock& clock;
  const cell::Launcher& launcher;
  cell::Ids ids;
  SealPublic keeper_key{};
};

using TellFront = std::function<void(const Event&)>;

// Returns when the run's slot has come and Ended (or NotStarted) was told.
void execute(const Workplace& place, const Execute& order, KeeperPort& keeper,
             const TellFront& tell);

}  // namespace coffer::worker
