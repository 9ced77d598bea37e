// The keeper's process: one thread, one poll loop, no network.
//
// On the control descriptor the supervisor hands over connections, each with a PeerTag (Front or
// Worker; a new one replaces the old). On DIR/keeper/keeper.sock anyone on the machine may hand in
// a revocation, and nothing else. Every request that is readable is answered together: one sync.
// Files are opened first; then the process confines itself and opens nothing more.
// Invariants: a peer that does not read, or sends what is no record, loses its connection only.
// Errors: FailedPrecondition and Corrupt (starting again would not help), Unavailable (a write
// failed: start again from the journal). Returns when the control connection closes.
// Thread-safety: owns its process. Source: protocol.md section 2.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "os/confine.h"

namespace coffer::keeper {

enum class Confining : std::uint8_t { Full, InsecureForTest };

struct ServeOptions {
  std::filesystem::path data;  // DIR
  std::string origin;          // see Keeper::Options
  std::string master_key_command;
  std::optional<Identity> identity;  // as root: the uid to become
  std::vector<int> keep_fds{};       // left open, and not used
  Confining confining{Confining::Full};
};

Result<> serve(UniqueFd control, const ServeOptions& options);

}  // namespace coffer::keeper
