// TOML read into Json, numbers as the decimal text that stands in the file.
//
// Invariants: a number with a point or an exponent in the file has one in the Json, an integer has
// none; members of a table are in byte order of their keys.
// Errors: InvalidArgument (no TOML, with the line; a date, an infinity or NaN).
// Thread-safety: a pure function.
// Source: TOML 1.0.0.
#pragma once

#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace coffer::program::detail {

Result<Json> toml_to_json(std::string_view toml);

}  // namespace coffer::program::detail
