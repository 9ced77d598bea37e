// Completion scripts for bash, zsh and fish, from the commands and their options.
//
// Errors: none. Thread-safety: pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace coffer::cli {

struct CommandWords {
  std::string path;  // "data add", "" for the root
  std::vector<std::string> commands;
  std::vector<std::string> options;
};

// `shell`: bash, zsh or fish.
std::string render_completion(std::string_view shell, const std::vector<CommandWords>& commands);

}  // namespace coffer::cli
