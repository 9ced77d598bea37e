// What was fetched once and then needs no server: environments, cards, public inputs.
//
//   ~/.local/share/cofferdam/env/<64 hex>/{root/,env.json}
//   ~/.local/share/cofferdam/names/<keeper>/env/<name>            digest
//   ~/.local/share/cofferdam/names/<keeper>/data/<org>/<name>[@vN]  the version, as the server sent
//   it
//   ~/.local/share/cofferdam/public/<64 hex of the manifest>/     the files of a public version
// Invariants: an environment or public version is there whole and verified by its digest, or not
// at all: it appears by one rename.
// Errors: those of the server where something is not here yet; Corrupt; Unavailable (disk).
// Thread-safety: several commands at a time.
#pragma once

#include <filesystem>
#include <string>

#include "base/result.h"
#include "cli/session.h"
#include "cli/version.h"
#include "env/seal.h"
#include "program/names.h"

namespace coffer::cli {

struct LocalEnvironment {
  Digest digest;
  std::filesystem::path root;
  env::Frame frame;
};

// From the disk, else from the server.
Result<LocalEnvironment> local_environment(Session& session, const program::EnvironmentName& name);
// From the server, whether or not the name is known here.
Result<LocalEnvironment> fetch_environment(Session& session, const program::EnvironmentName& name);
// A version with its card, from the disk, else from the server.
Result<Version> local_version(Session& session, const program::DatasetName& name);
// The directory with the files of a public version, from the disk, else from the server.
Result<std::filesystem::path> local_public(Session& session, const Version& version);

}  // namespace coffer::cli
