#include "cli/usage.h"

#include <algorithm>
#include <iostream>

#include "base/text.h"

namespace coffer::cli {
namespace {

constexpr std::size_t kWordMax = 60;      // of what was typed and is said again
constexpr std::size_t kCommandsMax = 12;  // more are for --help to list

std::string unknown_word(const CLI::App& command, const std::string& path,
                         const std::string& word) {
  const CommandWords known = words_of(command, path);
  const bool is_option = word.starts_with('-');
  std::string text = "'" + printable(word, kWordMax) + "' ";
  if (!is_option && known.commands.empty()) return text + "is a word too many for " + path;
  text += (is_option ? "is no option of " : "is no command of ") + path;
  const std::string near = nearest(word, is_option ? known.options : known.commands);
  if (!near.empty()) return text + "; did you mean '" + near + "'?";
  if (!is_option && known.commands.size() <= kCommandsMax) {
    text += ", which has " + join(known.commands, ", ");
  }
  return text;
}

// Empty where nothing is missing.
std::string missing_words(const CLI::App& command, const std::string& path) {
  std::vector<std::string> missing;
  for (const auto* option : command.get_options()) {
    if (option->get_required() && option->count() == 0) missing.push_back(option->get_name());
  }
  if (!missing.empty()) {
    return join(missing, ", ") + (missing.size() == 1 ? " is missing" : " are missing");
  }
  const CommandWords known = words_of(command, path);
  if (known.commands.empty()) return {};
  if (known.commands.size() > kCommandsMax) return "a command is missing";
  return "a command is missing: " + path + " has " + join(known.commands, ", ");
}

}  // namespace

CommandWords words_of(const CLI::App& command, std::string path) {
  CommandWords words{.path = std::move(path), .commands = {}, .options = {}};
  for (const auto* one : command.get_subcommands({})) words.commands.push_back(one->get_name());
  for (const auto* option : command.get_options()) {
    for (const auto& name : option->get_lnames()) words.options.push_back("--" + name);
    for (const auto& name : option->get_snames()) words.options.push_back("-" + name);
  }
  std::sort(words.options.begin(), words.options.end());
  return words;
}

Problem usage_problem(const CLI::App& root, const CLI::ParseError& error) {
  const CLI::App* command = &root;
  std::string path = root.get_name();
  for (auto parsed = command->get_subcommands(); !parsed.empty();
       parsed = command->get_subcommands()) {
    command = parsed.back();
    path += " " + command->get_name();
  }
  std::string text;
  const auto kind = static_cast<CLI::ExitCodes>(error.get_exit_code());  // its name may be another
  if (kind == CLI::ExitCodes::ExtrasError || kind == CLI::ExitCodes::RequiredError) {
    const auto unknown = root.remaining(true);
    text = unknown.empty() ? missing_words(*command, path)
                           : unknown_word(*command, path, unknown.front());
  }
  if (text.empty()) text = printable(error.what());
  return {.code = "usage", .text = text, .next = path + " --help", .exit = kExitUsage};
}

int report_usage(const CLI::App& root, const CLI::ParseError& error) {
  if (error.get_exit_code() == 0) return root.exit(error);
  const Problem problem = usage_problem(root, error);
  std::cerr << "coffer: " << render_problem(problem) << '\n';
  return problem.exit;
}

}  // namespace coffer::cli
