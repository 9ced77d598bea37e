// From a program directory to the `run` object that is signed, and what it may cost.
//
// Invariants: the object holds digests only: of the program as it lies on disk, of the environment
// and of the inputs as the server resolves their names, of the grants. Decimals are canonical text.
// Errors: those of the manifest and tree, of the server; exit 1 with a stable code where a grant
// does not fit an input (grant_missing, grant_dataset). Thread-safety: one thread. Source:
// protocol.md section 3, outside.md section 2.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/session.h"
#include "cli/version.h"
#include "grant/objects.h"
#include "program/charge.h"
#include "program/manifest.h"
#include "program/tree.h"

namespace coffer::cli {

struct Program {
  std::filesystem::path directory;
  program::Manifest manifest;
  program::Tree tree;
};
Result<Program> read_program(const std::string& directory);

// What the command line changes for one run.
struct RunSettings {
  std::vector<std::string> params;  // K=V
  std::uint32_t cpus{0};            // 0: as in coffer.toml
  std::string memory;
  std::string time;
};
Result<program::Manifest> apply_settings(program::Manifest manifest, const RunSettings& settings);

// A program's manifest with every name resolved to what it is now.
struct Resolved {
  Digest environment;
  struct Input {
    std::string alias;
    Version version;
    std::optional<std::string> grant;  // id, for protected inputs
  };
  std::vector<Input> inputs;
  std::vector<Digest> grants;
};
// `grants`: ids; each protected input takes the one that is for its dataset. A grant for one
// version decides the version of an input that names none. Without any grant ids protected inputs
// stay without one.
Result<Resolved> resolve(Session& session, const program::Manifest& manifest,
                         const std::vector<std::string>& grants);

grant::Run run_object(const Program& program, const program::Manifest& manifest,
                      const Resolved& resolved, const grant::Nonce& nonce);
grant::Nonce fresh_nonce();

// Sends the program unless the server has it.
Result<> send_program(Session& session, const Program& program);

// The directory as a ustar archive, `prefix` before every path.
Result<> append_program_tar(const Program& program, const std::string& prefix, int fd);

}  // namespace coffer::cli
