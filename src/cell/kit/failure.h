// What a failing program said of itself on stderr, cut down to three harmless fields.
//
// The text is untrusted and of bounded length; the answer is an identifier, a plain relative path
// below /program and a number, or nothing. Runs inside the cell.
// Errors: none, an unknown form is no failure. Thread-safety: pure function.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace coffer::cell::kit {

struct FailureText {
  std::string class_name;
  std::string file;  // "" when no frame lies below /program
  std::uint32_t line{0};
};

// The last `COFFER_ERROR CLASS FILE:LINE` line if there is one, else the last Python traceback.
std::optional<FailureText> failure_in(std::string_view stderr_tail);

}  // namespace coffer::cell::kit
