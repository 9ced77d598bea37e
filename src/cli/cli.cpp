#include "cli/cli.h"

#include <unistd.h>

#include <algorithm>

#include "base/text.h"
#include "cli/usage.h"

namespace coffer::cli {
namespace {

int report(Session& session, const Problem& problem) {
  Terminal& terminal = session.terminal();
  terminal.transient("");
  terminal.note("coffer: " + render_problem(problem));
  if (session.options().json) terminal.say(problem_json(problem).pretty() + "\n");
  return problem.exit;
}

// CLI11 throws: this is its one seam.
int usage(Session& session, const CLI::App& root, const CLI::ParseError& error) {
  if (error.get_exit_code() == 0) {  // --help, --version
    session.terminal().say(error.get_name() == "CallForVersion" ? std::string(error.what()) + "\n"
                                                                : root.help());
    return kExitDone;
  }
  return report(session, usage_problem(root, error));
}

void add_all(const Menu& menu, const Extensions& extensions) {
  add_account_commands(menu);
  add_key_commands(menu);
  add_user_commands(menu);
  add_environment_commands(menu);
  add_data_commands(menu);
  add_grant_commands(menu);
  add_program_commands(menu);
  add_run_commands(menu);
  add_review_commands(menu);
  add_release_commands(menu);
  add_ledger_commands(menu);
  for (const auto& group : extensions.groups) group(menu);
  add_other_commands(menu);  // last: completion lists what came before
}

}  // namespace

CLI::App* add(CLI::App* parent, const std::string& name, const std::string& help,
              const std::string& example) {
  auto* command = parent->add_subcommand(name, help);
  command->footer("Example:\n  " + example);
  command->fallthrough();
  return command;
}

CLI::App* add_group(CLI::App* parent, const std::string& name, const std::string& help) {
  auto* group = parent->add_subcommand(name, help);
  group->require_subcommand(1);
  group->fallthrough();
  group->footer("Example:\n  coffer " + name + " --help");
  return group;
}

void on(const Menu& menu, CLI::App* command, Action action) {
  Action* chosen = menu.chosen;
  command->final_callback([chosen, action = std::move(action)] { *chosen = action; });
}

std::vector<std::string> split_list(const std::vector<std::string>& texts) {
  std::vector<std::string> items;
  for (const auto& text : texts) {
    for (const auto& part : split(text, ',')) {
      const std::string item{trim(part)};
      if (!item.empty() && std::find(items.begin(), items.end(), item) == items.end()) {
        items.push_back(item);
      }
    }
  }
  return items;
}

int run(int argc, const char* const* argv, Surroundings surroundings,
        const Extensions& extensions) {
  const SystemClock clock;
  Session session{std::move(surroundings), clock};
  Action chosen;
  CLI::App root{"Data does not move, programs do.", "coffer"};
  root.footer(
      "On the server's machine: coffer server, backup, restore, recover (each with --help).\n\n"
      "Example:\n  coffer login https://coffer.example --token -\n  coffer inbox");
  root.require_subcommand(1);
  root.set_help_all_flag("--help-all", "Every command with its options");
  root.add_flag("--json", session.options().json, "One JSON document on stdout");
  root.add_option("--profile", session.options().profile, "Which server and user: a profile's name")
      ->type_name("NAME");
  add_all({&root, &chosen, extensions.revoke_at_keeper}, extensions);
  try {
    root.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return usage(session, root, error);
  }
  if (!chosen) return report(session, problem_of(usage_error("no command", "coffer --help")));
  const auto status = chosen(session);
  if (status) {
    session.terminal().transient("");
    return *status;
  }
  const Server* server = session.opened_server();
  return report(session, problem_of(server != nullptr ? server->with_versions(status.error())
                                                      : status.error()));
}

int run(int argc, char** argv, const Extensions& extensions) {
  return run(argc, argv, Surroundings::of(environ), extensions);
}

}  // namespace coffer::cli
