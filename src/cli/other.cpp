// coffer doctor, host prepare, version, completion.
#include "cell/host.h"
#include "cli/command.h"
#include "cli/usage.h"
#include "os/files.h"

namespace coffer::cli {
namespace {

Result<int> doctor(Session& session) {
  COFFER_TRY(const TemporaryDirectory scratch, TemporaryDirectory::make());
  const auto walls = cell::examine(Cgroups::detect(), scratch.path());
  bool whole = true;
  Json items = Json::array();
  for (const auto& wall : walls) {
    const bool held = wall.held == cell::Held::Held;
    whole = whole && (held || !wall.required);
    items.push(Json::object({{"wall", wall.wall},
                             {"held", held},
                             {"required", wall.required},
                             {"detail", wall.detail},
                             {"mend", wall.mend}}));
  }
  session.print(Json::object({{"runs_private_data", whole}, {"walls", items}}), [&] {
    std::vector<Cells> rows;
    const Terminal& terminal = session.terminal();
    for (const auto& wall : walls) {
      const bool held = wall.held == cell::Held::Held;
      rows.push_back({held ? terminal.paint(Style::Good, "holds")
                           : terminal.paint(wall.required ? Style::Bad : Style::Warn, "missing"),
                      wall.wall, shortened(wall.detail, 60), wall.mend});
    }
    return render_table({"", "WALL", "FOUND", "MENDED BY"}, rows) +
           "not counted on any machine: contention on shared hardware (unless a run is exclusive), "
           "outages a program provokes,\n  rollback of the whole machine where no witness is "
           "required\n" +
           (whole ? "this machine can run programs on private data\n"
                  : "this machine refuses programs on private data\n");
  });
  return whole ? kExitDone : kExitRefused;
}

Result<int> prepare_host(Session& session, const std::string& user) {
  COFFER_TRY(const auto lines, cell::prepare(user));
  session.print(Json::object({{"user", user}, {"done", lines}}),
                [&] { return join(lines, "\n") + "\n"; });
  return kExitDone;
}

Result<int> version(Session& session) {
  session.print(Json::object({{"name", "coffer"}, {"version", kVersion}}),
                [] { return "coffer " + std::string(kVersion) + "\n"; });
  return kExitDone;
}

void describe(const CLI::App* app, const std::string& path, std::vector<CommandWords>& all) {
  all.push_back(words_of(*app, path));
  for (const auto* command : app->get_subcommands({})) {
    describe(command, path.empty() ? command->get_name() : path + " " + command->get_name(), all);
  }
}

}  // namespace

void add_other_commands(const Menu& menu) {
  on(menu,
     add(menu.root, "doctor", "What this machine can enforce, and what mends the rest",
         "coffer doctor"),
     [](Session& session) { return doctor(session); });
  auto* host = add_group(menu.root, "host", "This machine (as root)");
  auto user = std::make_shared<std::string>();
  auto* command = add(host, "prepare", "Once: control groups and ids for a rootless server",
                      "coffer host prepare --user coffer");
  command->add_option("--user", *user, "Who will run the server")->required();
  on(menu, command, [user](Session& session) { return prepare_host(session, *user); });
  on(menu, add(menu.root, "version", "The version of this binary", "coffer version"),
     [](Session& session) { return version(session); });
  auto shell = std::make_shared<std::string>();
  command = add(menu.root, "completion", "A completion script for your shell",
                "coffer completion bash > /etc/bash_completion.d/coffer");
  command->add_option("SHELL", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  const CLI::App* root = menu.root;
  on(menu, command, [shell, root](Session& session) -> Result<int> {
    std::vector<CommandWords> all;
    describe(root, "", all);
    const std::string script = render_completion(*shell, all);
    session.print(Json::object({{"shell", *shell}, {"script", script}}),
                  [&] { return std::string(script); });
    return kExitDone;
  });
}

}  // namespace coffer::cli
