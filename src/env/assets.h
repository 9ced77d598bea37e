// The scripts that building cells run, as they lie in assets/.
//
// Errors: none. Thread-safety: constants.
#pragma once

#include <string_view>

namespace coffer::env {

std::string_view base_script();      // sh: library cache, package scripts, bytecode
std::string_view pip_script();       // sh: pip install, bytecode
std::string_view compile_script();   // python: deterministic bytecode
std::string_view stand_in_script();  // python: torch without GPU packages

}  // namespace coffer::env
