// toml++ as all of us use it: its types differ with this setting, so nobody includes it otherwise.
//
// Its own assertions are off: toml++ 3.3 asserts what hostile text can break (a table header such as
// "[=") just before it handles that case as an error; with NDEBUG it would even rely on it.
// Errors: as values of toml::parse_result; it never throws. Thread-safety: as plain values.
#pragma once

#define TOML_EXCEPTIONS 0
#define TOML_ASSERT(condition) static_cast<void>(0)
#pragma push_macro("NDEBUG")
#undef NDEBUG
#include <toml++/toml.h>
#pragma pop_macro("NDEBUG")
