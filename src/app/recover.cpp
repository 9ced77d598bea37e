#include "app/recover.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "app/identity.h"
#include "app/stopped.h"
#include "cli/usage.h"
#include "front/append.h"

namespace coffer::app {
namespace {

constexpr std::uint32_t kLeavesAtOnce = 65'536;

struct Missing {
  std::uint64_t database{0};  // entries that the database has
  std::uint64_t keeper{0};    // entries that the keeper has signed
  bool forked{false};         // they differ before the shorter one ends
};

Missing compare(const front::Site& site) {
  Missing out{.database = site.tree.size(), .keeper = site.status.tree_size};
  if (out.database == out.keeper) out.forked = site.tree.root() != site.status.root;
  return out;
}

void show(const Missing& missing, const std::filesystem::path& data) {
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

// The keeper knows the hashes of what the database has lost.
Result<> take_lost_leaves(front::Site& site, const Missing& missing) {
  std::uint64_t next = missing.database;
  COFFER_TRY(auto transaction, db::Transaction::begin(site.db));
  while (next < missing.keeper) {
    const auto count =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(kLeavesAtOnce, missing.keeper - next));
    COFFER_TRY(const auto reply,
               site.links.ask_keeper_for<keeper::LeavesReply>(keeper::Leaves{next, count}));
    if (reply.leaves.empty()) return Error{Code::Corrupt, "the keeper gives no leaves"};
    for (const auto& leaf : reply.leaves) {
      // An entry that a pending operation brought back stands already, with its content.
      COFFER_CHECK(site.db.run(
          "INSERT OR IGNORE INTO entries(idx, kind, time, public, leaf) VALUES(?,"
          " 'lost', 0, x'', ?)",
          {static_cast<std::int64_t>(next++), ByteVector(leaf.bytes.begin(), leaf.bytes.end())}));
      site.tree.append(leaf);
    }
  }
  return transaction.commit();
}

// The leaves that the keeper lacks, from the database.
std::vector<Digest> leaves_after(const front::Site& site, const Missing& missing) {
  std::vector<Digest> out;
  for (std::uint64_t i = missing.keeper; i < missing.database; ++i) {
    if (auto leaf = site.tree.leaf(i)) out.push_back(*leaf);
  }
  return out;
}

Result<> accept(front::Site& site, const Missing& missing, const std::string& reason) {
  if (missing.forked) {
    return Error{Code::FailedPrecondition,
                 "the two ledgers contradict each other: bring back the "
                 "right copy of one of them"};
  }
  if (missing.database == missing.keeper) return {};
  keeper::Recover operation{
      .seed = keeper::fresh_seed(), .reason = reason, .lost = {}, .leaves = {}, .checkpoint = {}};
  if (missing.database < missing.keeper) {
    operation.lost = {missing.database, missing.keeper - 1};
    COFFER_CHECK(take_lost_leaves(site, missing));
  } else {
    operation.lost = {missing.keeper, missing.database - 1};
    operation.leaves = leaves_after(site, missing);
    COFFER_TRY(const auto row, site.db.row("SELECT text FROM checkpoint"));
    if (row) operation.checkpoint = row->text(0);
  }
  COFFER_CHECK(front::append(site, operation));
  COFFER_CHECK(front::publish_ledger(site));
  return front::check_against_keeper(site);
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
  const Missing missing = compare(*opened.site);
  if (order.wish == Wish::Show) {
    show(missing, data);
    return {};
  }
  COFFER_CHECK(accept(*opened.site, missing, order.reason));
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
