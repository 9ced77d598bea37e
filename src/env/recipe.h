// The whole of one build: from a spec to a sealed environment in DIR/env.
//
// DIR/env/<64 hex>/ has root/, env.json and env.tar.zst and appears by one rename; what is half
// made lies in DIR/env/.build-* and is removed at the next start. Errors: as base.h and job.h;
// InvalidArgument (an image that is none), NotFound (the OCI archive was not sent), Cancelled (the
// process was told to stop: it is simply killed). Thread-safety: none; the process of one thread
// that serve() forks for each build.
#pragma once

#include <filesystem>
#include <string>

#include "base/result.h"
#include "env/job.h"
#include "env/messages.h"
#include "env/seal.h"

namespace coffer::env {

struct Workshop {
  std::filesystem::path environments;  // DIR/env
  std::filesystem::path cache;
  Variables variables;  // of this machine
};

std::filesystem::path archive_path(const Workshop& workshop, const Digest& archive);

struct Made {
  Digest digest;
  std::uint64_t bytes{0};
  std::string description;  // text of env.json
};

// `work`: an absent directory in DIR/env, gone (or renamed) at the end unless an error is returned.
Result<Made> make_environment(const Workshop& workshop, const Spec& spec,
                              const std::filesystem::path& work, const Report& report);

// Fills `root` with what an OCI archive's layers add up to and answers its variables. Everything
// that reads the archive runs in a process that can open, connect to and execute nothing.
Result<Variables> grow_image(const std::filesystem::path& archive,
                             const std::filesystem::path& root, std::uint64_t bytes_max);

// What the cell later finds behind a python command: the loader's own answer, for the record.
// Null where the environment has no python3, or a C library that is not known.
Result<Json> interpreter_record(const Job& job);

}  // namespace coffer::env
