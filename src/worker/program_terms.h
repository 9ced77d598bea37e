// Step 3 of a run: an empty cell reads coffer.toml and compares it with what was signed.
//
// Errors: rule `environment`: the program is not the signed one, its coffer.toml says something
// else than the signed run, or the environment is not here.
// Thread-safety: owns its process. Source: protocol.md section 4.
#pragma once

#include <string>
#include <vector>

#include "grant/objects.h"
#include "worker/execute.h"

namespace coffer::worker {

struct ProgramTerms {
  std::string name;
  std::vector<std::string> entry;
  std::string params_json;
};

Result<ProgramTerms> check_program(const Workplace& place, cell::Stage& stage,
                                   const grant::Run& run,
                                   const std::vector<program::Output>& outputs);

// COFFER_SEED: the first four bytes, big-endian, of SHA-256 over the nonce.
std::uint32_t seed_of(const grant::Nonce& nonce);

}  // namespace coffer::worker
