// coffer: server, command line and worker in one binary.
#include <cstdio>
#include <string>

#include "app/backup.h"
#include "app/recover.h"
#include "app/restore.h"
#include "app/server_command.h"
#include "app/supervisor.h"
#include "cli/cli.h"

namespace {

// The server's own processes are this binary under another name: coffer-keeper, coffer-worker, …
std::string process_name(const char* argv0) {
  const std::string name = argv0 == nullptr ? "" : argv0;
  const std::string prefix = "coffer-";
  return name.starts_with(prefix) ? name.substr(prefix.size()) : "";
}

}  // namespace

int main(int argc, char** argv) {
  using coffer::app::CommandKind;
  const std::string process = process_name(argv[0]);
  if (!process.empty()) return coffer::app::process_main(process, argc, argv);
  switch (coffer::app::command_kind(argc, argv)) {
    case CommandKind::Server:
      return coffer::app::server_main(argc, argv);
    case CommandKind::Recover:
      return coffer::app::recover_main(argc, argv);
    case CommandKind::Backup:
      return coffer::app::backup_main(argc, argv);
    case CommandKind::Restore:
      return coffer::app::restore_main(argc, argv);
    case CommandKind::Client:
      break;
  }
  return coffer::cli::run(argc, argv);
}
