#include "app/recover.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "app/identity.h"
#include "app/stopped.h"
#include "cli/usage.h"
#include "front/recovery.h"

namespace coffer::app {
namespace {

void show(const front::Missing& missing, const std::filesystem::path& data) {
  if (missing.forked) {
    fmt::print(
        "The database and the keeper have different ledgers of {} entries: one of them is "
        "another server's.\n",
        missing.keeper);
  } else if (missing.database == missing.keeper) {
    fmt::print("Nothing is missing: database and keeper both have {} entries.\n", missing.keeper);
  } else if (missing.database < missing.keeper) {
    fmt::print(
        "The database has {} entries; the keeper has signed {}.\n"
        "{} entries are missing: {} to {}. Their hashes are known, their content is lost unless a\n"
        "newer copy of {} is found. Budgets go on from the keeper's sums.\n"
        "To go on without them: coffer recover accept --reason TEXT --data {}\n",
        missing.database, missing.keeper, missing.keeper - missing.database, missing.database,
        missing.keeper - 1, (data / "front").string(), data.string());
  } else {
    fmt::print(
        "The keeper's memory has {} entries, the database {}: {} is older.\n"
        "If it is accepted, every budget counts as spent until its owner signs a new limit.\n"
        "To go on: coffer recover accept --reason TEXT --data {}\n",
        missing.keeper, missing.database, (data / "keeper").string(), data.string());
  }
}

enum class Wish : std::uint8_t { Show, Accept };

struct Order {
  Wish wish;
  std::string reason;
  std::filesystem::path data;
  std::string master_key_command;
};

Result<> run(const Order& order) {
  const SystemClock clock;
  const auto& data = order.data;
  COFFER_CHECK(check_is_whole(data));
  COFFER_TRY(const DataLock lock, lock_data(data));
  COFFER_TRY(Stopped opened, open_stopped(data, lock, order.master_key_command, clock));
  if (order.wish == Wish::Show) {
    show(front::missing_entries(*opened.site), data);
    return {};
  }
  COFFER_TRY(const auto missing, front::go_on_without_missing(*opened.site, order.reason));
  // What recover wrote as root belongs to the processes again.
  COFFER_CHECK(give_back_files(data));
  if (missing.database == missing.keeper) {
    fmt::print("Nothing is missing, nothing was accepted. Start the server again.\n");
    return {};
  }
  fmt::print("Accepted: the gap is entry {} of the ledger. Start the server again.\n",
             opened.site->tree.size() - 1);
  return {};
}

}  // namespace

int recover_main(int argc, char** argv) {
  CLI::App app{"Decides how a server goes on after a restored backup.", "coffer recover"};
  app.footer(
      "Example:\n  coffer recover show --data /srv/coffer\n"
      "  coffer recover accept --reason 'disk failed, copy of yesterday' --data /srv/coffer");
  app.require_subcommand(1);
  std::string data, reason, master_key_command;
  auto* shown = app.add_subcommand("show", "What is missing, and where it would be");
  shown->add_option("--data", data, "the server's data directory")->required();
  auto* accepted =
      app.add_subcommand("accept", "Goes on with the keeper's sums; says so in the ledger");
  accepted->add_option("--data", data, "the server's data directory")->required();
  accepted->add_option("--reason", reason, "kept in the ledger")->required();
  for (auto* command : {shown, accepted}) {
    command->add_option("--master-key-command", master_key_command, "as for coffer server");
  }
  try {
    app.parse(argc - 1, argv + 1);
  } catch (const CLI::ParseError& error) {
    return cli::report_usage(app, error);
  }
  const auto done = run({.wish = accepted->parsed() ? Wish::Accept : Wish::Show,
                         .reason = reason,
                         .data = std::filesystem::absolute(data),
                         .master_key_command = master_key_command});
  if (done) return 0;
  return report_failure("recover", done.error());
}

}  // namespace coffer::app
