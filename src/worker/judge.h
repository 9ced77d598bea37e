// Step 5 and 6 of a run: what the program left becomes findings, evidence, sealed files.
//
// The judge cell sees /out and nothing else, the evidence cell the inputs and the canonical
// files; what comes back is read by total readers. The canonical files are written here, from the
// bit strings, and sealed under fresh keys that go to the keeper.
// Invariants: a sealed file is on the disk (fsync) before its key is reported; its size depends on
// the declaration alone.
// Errors: those of the cells and the disk: the caller reports the run as lost.
// Thread-safety: owns its process. Source: protocol.md sections 4 and 5.
#pragma once

#include <vector>

#include "gate/release.h"
#include "grant/objects.h"
#include "worker/execute.h"
#include "worker/room.h"

namespace coffer::worker {

struct Judging {
  const Workplace& place;
  cell::Stage& stage;
  const std::vector<program::Output>& outputs;
  const grant::Run& run;
  Digest run_digest;
  std::string program_name;
  const std::vector<Source>& sources;
  std::vector<gate::ProtectedInput> protected_inputs;  // none: a public run, nothing to copy
  std::filesystem::path out_path;                      // where /out is mounted in this supervisor
  Room room;                                           // for the sealed files
};

// One report entry for each declared output, in order.
Result<std::vector<keeper::ReportedOutput>> judge_and_seal(Judging judging);

}  // namespace coffer::worker
