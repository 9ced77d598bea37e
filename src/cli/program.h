// coffer init, try, check, quote: a program before it meets private data.
//
// Errors: as commands do (problem.h). Thread-safety: one thread. Source: outside.md sections 1, 2.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "cli/runobject.h"
#include "cli/session.h"
#include "cli/trial.h"

namespace coffer::cli {

struct InitOptions {
  std::string directory;
  std::vector<std::string> inputs;
  std::string environment;
  std::string entry;
};
Result<int> init_program(Session& session, const InitOptions& options);

struct TryOptions {
  std::string directory;
  RunSettings settings;
  std::string output;
};
Result<int> try_program(Session& session, const TryOptions& options);

struct CheckOptions {
  std::string directory;
  bool write{false};
};
Result<int> check_program(Session& session, const CheckOptions& options);

struct QuoteOptions {
  std::string directory;
  std::vector<std::string> grants;
  RunSettings settings;
};
Result<int> quote_program(Session& session, const QuoteOptions& options);

// A coffer.toml and a first program for it.
std::string first_manifest(const InitOptions& options, const std::vector<std::string>& entry);
std::string first_program(const std::string& alias);
// Words as a shell would split them, without its other features.
Result<std::vector<std::string>> split_command(std::string_view text);

std::string render_trial(const Terminal& terminal, const Trial& trial);
Json trial_json(const Trial& trial);
bool trial_passes(const Trial& trial);

}  // namespace coffer::cli
