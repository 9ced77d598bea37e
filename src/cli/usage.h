// What a command line could have been: the words that a command knows, and what is wrong with a
// line, in the words of who wrote it.
//
// Errors: none. Thread-safety: pure functions.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "cli/completion.h"
#include "cli/problem.h"

namespace coffer::cli {

CommandWords words_of(const CLI::App& command, std::string path);

// Of a line that `root` did not take: the first word that is unknown with the nearest known one,
// or else everything that is missing, and the help of the command that was meant.
Problem usage_problem(const CLI::App& root, const CLI::ParseError& error);

// For commands without a session: prints that, or the help that was asked for; the exit status.
int report_usage(const CLI::App& root, const CLI::ParseError& error);

}  // namespace coffer::cli
