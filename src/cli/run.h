// coffer run and runs: submit, watch, show; and bringing home what was released.
//
// Errors: as commands do (problem.h). Thread-safety: one thread. Source: outside.md sections 1, 4.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "cli/runobject.h"
#include "cli/session.h"

namespace coffer::cli {

struct RunOptions {
  std::string directory;
  std::vector<std::string> grants;
  RunSettings settings;
  bool wait{false};
  std::string output;
  std::string idempotency_key;
};
Result<int> submit_run(Session& session, const RunOptions& options);

// The run once it is done, held, refused, failed or cancelled.
Result<Json> wait_for_run(Session& session, const std::string& id);

// 0 for what is over well or held, 1 for refused, failed, cancelled.
int exit_of_run(const Json& run);

std::string render_run(const Terminal& terminal, const Json& run);
// "next news at 14:08:32", "" when there is none to wait for.
std::string next_news(const Json& document);

// Brings one released output into `directory`: canonical file, release.json, release.tlog-proof.
struct FetchedRelease {
  std::string output;
  std::string directory;
  std::string file;
};
Result<FetchedRelease> fetch_output(Session& session, const RunOutputName& name,
                                    const std::string& directory);
// Every released output of the run, each in a directory of its name below `directory`.
// Errors: exit 1 (nothing is released).
Result<std::vector<FetchedRelease>> fetch_run(Session& session, const std::string& run,
                                              const std::string& directory);
Json fetched_json(const std::vector<FetchedRelease>& fetched);
std::string render_fetched(const std::vector<FetchedRelease>& fetched);

}  // namespace coffer::cli
