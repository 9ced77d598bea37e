// The outputs of a manifest that declares these [[outputs]] tables.
//
// Thread-safety: none.
#pragma once

#include <string>
#include <vector>

#include "fuzz/fuzz.h"
#include "program/manifest.h"

namespace coffer::fuzz {

inline std::vector<program::Output> declared(const std::string& tables) {
  auto manifest = program::parse_manifest(
      "[program]\nname = \"t\"\nentry = [\"x\"]\nenvironment = \"py\"\n" + tables);
  must(manifest.has_value(), manifest ? "" : manifest.error().message.c_str());
  return std::move(manifest->outputs);
}

}  // namespace coffer::fuzz
