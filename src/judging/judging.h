// What becomes of the files that a program left, the same for a run and for `coffer try`: the judge
// cell, the canonical files, the evidence cell.
//
// The judge cell sees /out and nothing else, the evidence cell the inputs and the canonical files;
// what comes back is read by total readers. The canonical files are written outside both, from the
// bit strings.
// Errors: those of the cells and the disk; Corrupt (a cell answered something else).
// Thread-safety: owns its process. Source: protocol.md section 4, step 5.
#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include "cell/cell.h"
#include "gate/canonical.h"
#include "gate/evidence.h"
#include "program/charge.h"
#include "program/declaration.h"

namespace coffer::judging {

struct Cells {
  const cell::Launcher& launcher;
  cell::Stage& stage;
  cell::Ids ids;
};

// Of a declared output: its canonical form, or why it has none.
struct Judged {
  std::optional<gate::Canonical> canonical;
  std::optional<program::Refusal> refusal;
};

// One for each output, in order. `out_path`: where /out is mounted in this supervisor;
// `output_bytes`: how much it may hold.
Result<std::vector<Judged>> judge(const Cells& cells, const std::filesystem::path& out_path,
                                  const std::vector<program::Output>& outputs,
                                  std::uint64_t output_bytes);

// The file of each canonical form, in `folder`, which is made where it is not there.
Result<> write_canonical(const std::filesystem::path& folder, const std::vector<Judged>& judged);

struct Examination {
  std::filesystem::path inputs;
  std::filesystem::path canonical;  // of write_canonical()
  cell::BindOrigin origin;          // of both
  const std::vector<program::Output>& outputs;
  const std::vector<gate::ProtectedInput>& protected_inputs;
};

// One for each output, in order: empty evidence, not examined, where nothing private was read.
Result<std::vector<gate::Evidence>> examine(const Cells& cells, const Examination& examination);

}  // namespace coffer::judging
