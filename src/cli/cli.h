// The command line `coffer`: reads it, runs one command, says how it went.
//
// Invariants: with --json stdout has exactly one JSON document, also for an error; errors are one
// line on stderr; nothing is asked without a terminal.
// Errors: as the exit status: 0 done, 1 asked for and refused or failed, 2 the command line is
// wrong, 3 the server cannot be reached.
// Thread-safety: call once. Source: outside.md section 1.
#pragma once

#include <functional>
#include <vector>

#include "cli/command.h"
#include "cli/terminal.h"

namespace coffer::cli {

// What other parts of the binary add to the command line.
struct Extensions {
  // Commands of their own.
  std::vector<std::function<void(const Menu& menu)>> groups{};
  // Hands a signed revocation to the keeper's own socket; `grant revoke --keeper` exists with it.
  RevokeAtKeeper revoke_at_keeper{};
};

int run(int argc, const char* const* argv, Surroundings surroundings,
        const Extensions& extensions = {});
// In the surroundings of this process.
int run(int argc, char** argv, const Extensions& extensions = {});

}  // namespace coffer::cli
