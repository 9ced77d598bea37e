#include "app/restore.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "app/backup_head.h"
#include "app/identity.h"
#include "app/stopped.h"
#include "app/stored_files.h"
#include "cli/terminal.h"
#include "cli/usage.h"
#include "env/seal.h"
#include "front/append.h"
#include "front/stored.h"
#include "ledger/verify.h"
#include "os/files.h"
#include "program/tree.h"

namespace coffer::app {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kListMax = 4ULL << 30;
constexpr std::uint32_t kLeavesAtOnce = 65'536;

struct Order {
  fs::path backup;
  fs::path data;
  fs::path keeper;  // its directory, where it survived
  fs::path master_key;
  std::string master_key_command;
};

// What the budgets are after it.
enum class Budgets : std::uint8_t { GoOn, Behind, Spent };
struct Restored {
  BackupHead head;
  front::SignedCounts counts;
  Budgets budgets{Budgets::Spent};
  std::uint64_t keeper_entries{0};
};

Error damaged(const std::string& path) {
  return Error{Code::Corrupt, path + " of the backup is not what its list says"}
      .as("backup_damaged")
      .then("an older backup");
}

Result<BackupHead> read_head(const fs::path& backup) {
  const auto text = read_text(backup / kBackupMark, kBackupHeadMax);
  if (text) return BackupHead::parse(*text);
  return Error{Code::FailedPrecondition,
               backup.string() + " is no backup, or one that did not finish"}
      .as("no_backup");
}

Result<> check_empty(const fs::path& data) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(data, error)) {
    if (entry.path().filename() == "lost+found") continue;
    COFFER_CHECK(check_is_whole(data));
    return Error{Code::AlreadyExists, data.string() + " is not empty: a restore changes nothing"}
        .as("not_empty")
        .then("another --data");
  }
  return {};
}

// A file that has its place by itself, compared with its digest where one is known.
Result<> copy_single(const fs::path& from, const fs::path& to,
                     const std::optional<Digest>& wanted) {
  COFFER_TRY(const UniqueFd source, open_directory(from.parent_path()));
  COFFER_TRY(const UniqueFd target, open_directory(to.parent_path()));
  const auto name = from.filename().string();
  COFFER_TRY(const auto copied,
             copy_stored({.from = source.get(), .to = target.get(), .path = name}));
  if (wanted && copied.digest != *wanted) return damaged(name);
  if (::fchmodat(target.get(), name.c_str(), 0600, 0) != 0) {
    return system_error("set the mode of " + name, errno);
  }
  return {};
}

Result<> copy_state(const Order& order, const BackupHead& head) {
  COFFER_CHECK(
      copy_single(order.backup / "front/coffer.db", order.data / "front/coffer.db", head.database));
  const auto journal = order.data / "keeper/journal";
  if (order.keeper.empty()) {
    COFFER_CHECK(copy_single(order.backup / "keeper/journal", journal, head.journal));
  } else {
    COFFER_CHECK(copy_single(order.keeper / "journal", journal, {}));
  }
  if (!order.master_key_command.empty()) return {};
  COFFER_TRY(const auto key, read_text(order.master_key, 1024));
  return write_text(order.data / "keeper/master.key", key, 0600);
}

Result<> copy_files(const Order& order, const std::vector<StoredFile>& files,
                    cli::ProgressLine& progress) {
  COFFER_TRY(const UniqueFd from, open_directory(order.backup));
  COFFER_TRY(const UniqueFd to, open_directory(order.data));
  std::uint64_t total = 0, done = 0;
  for (const auto& file : files) total += file.bytes;
  for (const auto& file : files) {
    auto copied = copy_stored(
        {.from = from.get(), .to = to.get(), .path = file.path, .progress = [&](auto bytes) {
           progress.bytes(done += bytes, total);
         }});
    if (!copied && copied.error().code == Code::NotFound) return damaged(file.path);
    if (!copied) return std::move(copied).error();
    if (copied->digest != file.digest || copied->bytes != file.bytes) return damaged(file.path);
    COFFER_CHECK(check_name(*copied));
    if (::fchmodat(to.get(), file.path.c_str(), file.mode, 0) != 0) {
      return system_error("set the mode of " + file.path, errno);
    }
  }
  return {};
}

Result<Digest> digest_of_name(const fs::path& path) {
  return Digest::parse("sha256:" + path.filename().string());
}

Result<> check_programs(const fs::path& data) {
  for (const auto& entry : fs::directory_iterator(data / "programs")) {
    COFFER_TRY(const Digest wanted, digest_of_name(entry.path()));
    COFFER_TRY(const auto tree, program::read_tree(entry.path()));
    if (tree.digest != wanted) return damaged("program " + wanted.text());
  }
  return {};
}

// The digest is compared while it is unpacked.
Result<> unpack_environments(const fs::path& data) {
  for (const auto& entry : fs::directory_iterator(data / "env")) {
    COFFER_TRY(const Digest wanted, digest_of_name(entry.path()));
    auto done = env::unpack(entry.path() / "env.tar.zst", entry.path() / "root", wanted);
    if (!done) return std::move(done).error().in("environment " + wanted.text());
  }
  return {};
}

Result<> check_named(front::Site& site) {
  COFFER_TRY(const auto named, front::named_paths(site));
  std::error_code ignored;
  for (const auto& path : named) {
    if (!fs::exists(site.data / path, ignored)) return damaged(path);
  }
  return {};
}

// That the keeper's ledger begins with that of the database.
Result<> check_begins_alike(front::Site& site) {
  ledger::MerkleTree tree;
  const std::uint64_t size = site.tree.size();
  while (tree.size() < size) {
    const auto count =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(kLeavesAtOnce, size - tree.size()));
    COFFER_TRY(const auto reply,
               site.links.ask_keeper_for<keeper::LeavesReply>(keeper::Leaves{tree.size(), count}));
    if (reply.leaves.empty()) break;
    for (const auto& leaf : reply.leaves) tree.append(leaf);
  }
  if (tree.size() == size && tree.root() == site.tree.root()) return {};
  return Error{Code::FailedPrecondition, "the keeper's memory is not of this backup's ledger"}.as(
      "keeper_of_another");
}

Result<Budgets> settle_budgets(front::Site& site, const Order& order, const BackupHead& head) {
  COFFER_CHECK(front::resend_pending(site));
  if (site.status.tree_size < site.tree.size()) {
    return Error{Code::FailedPrecondition,
                 fmt::format("the keeper's memory has {} entries, the backup {}: it is older",
                             site.status.tree_size, site.tree.size())}
        .as("keeper_older")
        .then("coffer restore without --keeper");
  }
  COFFER_CHECK(check_begins_alike(site));
  if (!order.keeper.empty()) {
    return site.status.tree_size == site.tree.size() ? Budgets::GoOn : Budgets::Behind;
  }
  const std::uint64_t size = site.tree.size();
  if (size == 0) return Budgets::GoOn;
  COFFER_CHECK(
      front::append(site, keeper::Recover{.seed = keeper::fresh_seed(),
                                          .reason = "restored from the backup of " + head.made,
                                          .lost = {size, size},
                                          .leaves = {},
                                          .checkpoint = {}}));
  COFFER_CHECK(front::check_against_keeper(site));
  return Budgets::Spent;
}

Result<> verify_ledger(front::Site& site) {
  if (site.tree.size() == 0) return {};
  COFFER_CHECK(front::publish_ledger(site));
  COFFER_TRY(const auto key, ledger::VerifierKey::parse(site.status.ledger_vkey));
  COFFER_CHECK(ledger::verify_directory(site.data / "ledger", ledger::Policy::of_key(key)));
  return {};
}

Result<Restored> open_and_verify(const Order& order, const DataLock& lock, const BackupHead& head) {
  const SystemClock clock;
  COFFER_TRY(Stopped opened, open_stopped(order.data, lock, order.master_key_command, clock));
  auto& site = *opened.site;
  Restored out{.head = head, .counts = {}};
  COFFER_TRY(out.budgets, settle_budgets(site, order, head));
  out.keeper_entries = site.status.tree_size;
  COFFER_TRY(out.counts, front::check_signed(site));
  COFFER_CHECK(check_named(site));
  COFFER_CHECK(verify_ledger(site));
  return out;
}

Result<Restored> run(const Order& order, cli::Terminal& terminal) {
  COFFER_TRY(const BackupHead head, read_head(order.backup));
  COFFER_TRY(const auto list, read_text(order.backup / kBackupList, kListMax));
  if (sha256(list) != head.list) return damaged(kBackupList);
  COFFER_TRY(const auto files, parse_listing(list));
  COFFER_CHECK(check_empty(order.data));
  COFFER_CHECK(make_directories(order.data, 0755));
  COFFER_CHECK(write_text(order.data / kRestoreMark, order.backup.string() + "\n"));
  COFFER_CHECK(make_data_directory(order.data));
  COFFER_TRY(const DataLock lock, lock_data(order.data));
  const SystemClock clock;
  cli::ProgressLine progress{terminal, clock, "restore"};
  COFFER_CHECK(copy_state(order, head));
  COFFER_CHECK(copy_files(order, files, progress));
  progress.step("programs and environments");
  COFFER_CHECK(check_programs(order.data));
  COFFER_CHECK(unpack_environments(order.data));
  progress.step("ledger");
  COFFER_TRY(Restored out, open_and_verify(order, lock, head));
  COFFER_CHECK(give_back_files(order.data));
  COFFER_TRY(const UniqueFd directory, open_directory(order.data));
  if (::syncfs(directory.get()) != 0) return system_error("sync the files", errno);
  if (::unlinkat(directory.get(), kRestoreMark, 0) != 0) {
    return system_error("finish the restore", errno);
  }
  COFFER_CHECK(sync_directory(order.data));
  return out;
}

std::string told(const Restored& restored, const Order& order) {
  const auto entries = render_count(restored.head.entries);
  switch (restored.budgets) {
    case Budgets::GoOn:
      return "Budgets go on from the keeper's sums. Start the server.\n";
    case Budgets::Behind:
      return fmt::format(
          "The keeper has signed {} entries, the backup has {}: budgets go on from the keeper's "
          "sums.\nWhat is missing: coffer recover show --data {}\n",
          render_count(restored.keeper_entries), entries, order.data.string());
    case Budgets::Spent:
      return "The keeper's memory came out of the backup: nobody knows what was spent or revoked "
             "since.\nEvery budget counts as spent until its owner signs a new limit (coffer data "
             "limit). Start the server.\n";
  }
  std::abort();
}

constexpr const char* word_of(Budgets budgets) {
  switch (budgets) {
    case Budgets::GoOn:
      return "go_on";
    case Budgets::Behind:
      return "database_behind";
    case Budgets::Spent:
      return "spent";
  }
  std::abort();
}

Result<Order> check_order(Order order) {
  if (order.master_key.empty() && order.master_key_command.empty() && !order.keeper.empty()) {
    order.master_key = order.keeper / "master.key";
  }
  if (order.master_key.empty() == order.master_key_command.empty()) {
    return Error{Code::InvalidArgument,
                 "give the keeper's master key: --master-key FILE or --master-key-command CMD"};
  }
  order.backup = fs::absolute(order.backup).lexically_normal();
  order.data = fs::absolute(order.data).lexically_normal();
  return order;
}

}  // namespace

int restore_main(int argc, char** argv) {
  CLI::App app{"Makes a data directory out of a backup, and verifies it.", "coffer restore"};
  app.footer(
      "Example:\n  coffer restore /backups/2026-11-21 --data /srv/coffer --master-key key\n\n"
      "With --keeper, the keeper's own directory where it survived, budgets go on from its sums.\n"
      "Without it every budget counts as spent until its owner signs a new limit.");
  Order order;
  bool json = false;
  app.add_option("BACKUP", order.backup, "what coffer backup made")->required();
  app.add_option("--data", order.data, "where to, empty or not there")->required();
  app.add_option("--keeper", order.keeper, "DIR/keeper of the lost server, where it survived");
  app.add_option("--master-key", order.master_key, "file of the keeper's master key");
  app.add_option("--master-key-command", order.master_key_command, "as for coffer server");
  app.add_flag("--json", json, "One JSON document on stdout");
  try {
    app.parse(argc - 1, argv + 1);
  } catch (const CLI::ParseError& error) {
    return cli::report_usage(app, error);
  }
  auto checked = check_order(std::move(order));
  if (!checked) {
    (void)report_failure("restore", checked.error());
    return 2;
  }
  cli::Terminal terminal{cli::Surroundings::of(environ)};
  const auto done = run(*checked, terminal);
  terminal.transient("");
  if (!done) return report_failure("restore", done.error());
  if (json) {
    fmt::print("{}\n", Json::object({{"data", checked->data.string()},
                                     {"made", done->head.made},
                                     {"entries", done->head.entries},
                                     {"objects", done->counts.objects},
                                     {"keeper_entries", done->keeper_entries},
                                     {"budgets", word_of(done->budgets)}})
                           .pretty());
    return 0;
  }
  fmt::print("{}  as of {}, {} entries, {} signed objects, all verified\n{}",
             checked->data.string(), done->head.made, render_count(done->counts.entries),
             render_count(done->counts.objects), told(*done, *checked));
  return 0;
}

}  // namespace coffer::app
