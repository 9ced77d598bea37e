// What this machine can enforce, and how it is brought to.
//
// Thread-safety: examine() forks; call from a process of one thread. Errors: see each.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"
#include "cell/cell.h"

namespace coffer::cell {

enum class Held : std::uint8_t { Held, Missing };

// One wall of the cell, for `coffer doctor`. `required` walls refuse private runs when missing.
struct WallState {
  std::string wall;  // "memory limit", "user namespaces"…
  Held held{Held::Missing};
  bool required{true};
  std::string detail;  // what was found
  std::string mend;    // the command that mends it, empty when held
};

// Looks at the kernel and starts a real cell, whose own self-test fills the list. `scratch`: an
// existing directory to mount a stage on. Never an error: what cannot be tried is Missing.
std::vector<WallState> examine(const Cgroups& cgroups, const std::filesystem::path& scratch);

// `coffer host prepare --user U`: control groups (and subordinate ids) for that user. Idempotent;
// says what it did and what the user still has to do, a line each.
// Errors: Denied (not root), NotFound (no such user), FailedPrecondition (no control groups).
Result<std::vector<std::string>> prepare(const std::string& user);

}  // namespace coffer::cell
