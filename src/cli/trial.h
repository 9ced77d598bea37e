// A run on twins on this machine: the same cell and the same gate as on the server, nothing
// charged.
//
// Invariants: the program sees what it would see in a run: its tree without what the digest skips,
// inputs under their aliases, no network. Protected inputs are twins made from the card, public
// ones the files themselves. Everything comes back: what it said, what it left, what the gate
// found. Errors: those of the cell (FailedPrecondition names the wall and its cure), of what must
// be fetched. Thread-safety: forks; call from a process of one thread. Source: protocol.md
// section 4.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "cell/cell.h"
#include "cli/runobject.h"
#include "cli/session.h"
#include "gate/evidence.h"
#include "os/files.h"
#include "program/charge.h"

namespace coffer::cli {

struct TrialOutput {
  program::Output declared;
  std::optional<program::Refusal> refusal;
  std::uint64_t bits{0};
  gate::Evidence evidence;
};

struct Trial {
  TemporaryDirectory work;          // holds the directories below until it dies
  std::filesystem::path left;       // the regular files that the program left in /out
  std::filesystem::path canonical;  // the files as they would be released
  std::string cause;  // "" when the program ended with 0, else exit, time, memory, output_size
  int exit_code{0};
  std::optional<cell::Failure> failure;
  std::string said;        // stdout
  std::string complained;  // stderr
  Duration wall{};
  Digest proof;
  std::vector<std::string> entries;  // of /out, with what they are when no regular file
  std::vector<TrialOutput> outputs;  // empty unless the cause is ""
  std::vector<std::string> notes;    // about the twins
};

Result<Trial> run_trial(Session& session, const Program& program,
                        const program::Manifest& manifest);

}  // namespace coffer::cli
