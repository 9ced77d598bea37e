// How a command is added to the menu, and what it shares with the others.
//
// A group adds its commands with add(); the options of a command live in a struct that its action
// owns. Exactly one action runs, after the whole command line was read.
// Errors: an action's Result says the exit status, or why there is none. Thread-safety: none.
//
//   auto options = std::make_shared<LsOptions>();
//   auto* ls = add(group, "ls", "Runs of yours", "coffer runs ls");
//   ls->add_option("--limit", options->limit, "At most so many");
//   on(menu, ls, [options](Session& session) { return list_runs(session, *options); });
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cli/problem.h"
#include "cli/session.h"

namespace coffer::cli {

using Action = std::function<Result<int>(Session& session)>;

using RevokeAtKeeper =
    std::function<Result<>(const std::string& socket, const std::string& envelope)>;

struct Menu {
  CLI::App* root;
  Action* chosen;
  RevokeAtKeeper revoke_at_keeper{};
};

inline constexpr std::string_view kVersion = COFFER_VERSION;

// A command under `parent`, whose --help ends in `example`.
CLI::App* add(CLI::App* parent, const std::string& name, const std::string& help,
              const std::string& example);
// A command that only has commands.
CLI::App* add_group(CLI::App* parent, const std::string& name, const std::string& help);
void on(const Menu& menu, CLI::App* command, Action action);

// "a,b" "c" -> a b c, without repeats.
std::vector<std::string> split_list(const std::vector<std::string>& texts);

// The groups of commands, in the order of --help.
void add_account_commands(const Menu& menu);
void add_key_commands(const Menu& menu);
void add_user_commands(const Menu& menu);
void add_environment_commands(const Menu& menu);
void add_data_commands(const Menu& menu);
void add_grant_commands(const Menu& menu);
void add_program_commands(const Menu& menu);
void add_run_commands(const Menu& menu);
void add_review_commands(const Menu& menu);
void add_release_commands(const Menu& menu);
void add_ledger_commands(const Menu& menu);
void add_other_commands(const Menu& menu);

}  // namespace coffer::cli
