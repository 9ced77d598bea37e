// toml++ as all of us use it: its types differ with this setting, so nobody includes it otherwise.
//
// Errors: as values of toml::parse_result; it never throws. Thread-safety: as plain values.
#pragma once

#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>
