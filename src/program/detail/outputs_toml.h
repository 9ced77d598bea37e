// The [[outputs]] of a manifest, read from the Json that toml_to_json() made.
//
// Errors: InvalidArgument, naming output and field. Thread-safety: a pure function.
#pragma once

#include <vector>

#include "base/json.h"
#include "program/declaration.h"

namespace coffer::program::detail {

Result<std::vector<Output>> outputs_of_toml(const Json::Array& items);

}  // namespace coffer::program::detail
