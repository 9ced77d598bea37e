#include "front/append.h"

#include <fcntl.h>
#include <fmt/format.h>

#include "base/log.h"
#include "front/apply.h"
#include "ledger/checkpoint.h"
#include "ledger/tiles.h"
#include "os/files.h"

namespace coffer::front {
namespace {

// Operations that have no entries of the front's are never appended.
template <class T>
concept FrontOperation = requires(const Applied& context, const T& op) {
  apply(context, op);
};

Result<> apply_any(const Applied& context, const keeper::Request& operation) {
  return std::visit(
      [&](const auto& op) -> Result<> {
        if constexpr (FrontOperation<std::decay_t<decltype(op)>>) {
          return apply(context, op);
        } else {
          return Error{Code::Internal, "not an operation of the front"};
        }
      },
      operation);
}

// Who may look the entry up: the private fields name dataset, user and object where they apply.
EntrySubject subject_of(ByteView private_bytes) {
  const auto fields = Json::parse(text_of(private_bytes));
  if (!fields) return {};
  EntrySubject out{.dataset = fields->text_or("dataset_id", ""),
                   .user = fields->text_or("user", ""),
                   .object = {}};
  for (const char* name : {"run", "grant", "manifest", "card", "limit", "key", "dataset_id"}) {
    out.object = fields->text_or(name, "");
    if (!out.object.empty()) break;
  }
  return out;
}

Result<> store_entries(Site& site, const keeper::Appended& appended) {
  for (const auto& entry : appended.entries) {
    COFFER_TRY(const auto parsed, ledger::Entry::parse(entry.public_bytes));
    const EntrySubject subject = subject_of(entry.private_bytes);
    COFFER_CHECK(
        site.db.run("INSERT OR IGNORE INTO entries(idx, kind, time, public, private, nonce, "
                    "dataset, user, object)"
                    " VALUES(?,?,?,?,?,?,?,?,?)",
                    {static_cast<std::int64_t>(entry.index), parsed.kind,
                     parsed.time.time_since_epoch().count(), entry.public_bytes,
                     entry.private_bytes, ByteVector(entry.nonce.begin(), entry.nonce.end()),
                     subject.dataset, subject.user, subject.object}));
  }
  if (appended.checkpoint.empty()) return {};
  COFFER_TRY(const auto key, ledger::VerifierKey::parse(site.status.ledger_vkey));
  COFFER_TRY(const auto checkpoint, ledger::open_checkpoint(appended.checkpoint, key));
  return site.db.run(
      "INSERT INTO checkpoint(one, size, text) VALUES(1, ?, ?) ON CONFLICT(one) DO UPDATE SET"
      " size = excluded.size, text = excluded.text WHERE excluded.size >= size",
      {static_cast<std::int64_t>(checkpoint.size), appended.checkpoint});
}

Result<> finish(Site& site, std::int64_t pending, const keeper::Request& operation,
                const Json& extra, const keeper::Appended& appended) {
  {
    COFFER_TRY(auto transaction, db::Transaction::begin(site.db));
    COFFER_CHECK(store_entries(site, appended));
    COFFER_CHECK(apply_any({site, extra, appended}, operation));
    COFFER_CHECK(site.db.run("DELETE FROM pending WHERE id = ?", {pending}));
    COFFER_CHECK(transaction.commit());
  }
  return extend_tree(site);
}

Result<keeper::Appended> send(Site& site, std::int64_t pending, const keeper::Request& operation,
                              const Json& extra) {
  auto reply = site.links.ask_keeper_for<keeper::Appended>(operation);
  if (!reply) {
    // Unavailable: the keeper may have it or not. It stays pending and is sent again.
    if (reply.error().code == Code::Unavailable && reply.error().rule == "unavailable") {
      site.unfinished = true;
    } else {
      COFFER_CHECK(site.db.run("DELETE FROM pending WHERE id = ?", {pending}));
    }
    return std::move(reply).error();
  }
  if (auto finished = finish(site, pending, operation, extra, *reply); !finished) {
    site.unfinished = true;  // a full disk: it stays pending
    return std::move(finished).error();
  }
  return reply;
}

// What was not done, refused or not stored: none, or why the last of them was not.
Result<std::optional<Error>> resend(Site& site) {
  std::optional<Error> why;
  COFFER_TRY(site.status, site.links.ask_keeper_for<keeper::StatusReply>(keeper::Status{}));
  site.clock.not_before(UnixTime{std::chrono::milliseconds{site.status.time_ms}});
  // An older keeper has forgotten what it did and would do it anew: check_against_keeper() says so.
  if (site.status.tree_size < site.tree.size()) return why;
  COFFER_TRY(const auto rows, site.db.rows("SELECT id, op, extra FROM pending ORDER BY id"));
  for (const auto& row : rows) {
    COFFER_TRY(const auto operation, keeper::decode_request(row.blob(1)));
    COFFER_TRY(const auto extra, Json::parse(row.text(2)));
    if (auto sent = send(site, row.integer(0), operation, extra); !sent) {
      if (sent.error().rule == "unavailable") return std::move(sent).error();
      log_error("front", "pending operation refused", sent.error());
      why = std::move(sent).error();
    }
  }
  if (rows.empty()) return why;
  COFFER_TRY(site.status, site.links.ask_keeper_for<keeper::StatusReply>(keeper::Status{}));
  return why;
}

// The bytes of the entries from `first` to `last`, none where they are lost.
Result<std::vector<ByteVector>> entry_bytes(Site& site, std::uint64_t first, std::uint64_t count) {
  COFFER_TRY(
      const auto rows,
      site.db.rows("SELECT idx, public FROM entries WHERE idx >= ? AND idx < ? ORDER BY idx",
                   {static_cast<std::int64_t>(first), static_cast<std::int64_t>(first + count)}));
  std::vector<ByteVector> out(count);
  for (const auto& row : rows)
    out[static_cast<std::uint64_t>(row.integer(0)) - first] = row.blob(1);
  return out;
}

// Partial tiles go when full ones stand for them; those of the last are left to who is reading.
Result<> remove_partial_before(const std::filesystem::path& root, ledger::Tile tile) {
  if (tile.width < ledger::kTileWidth || tile.index == 0) return {};
  --tile.index;
  return remove_tree(root / (tile.path() + ".p"));
}

}  // namespace

Result<> finish_pending(Site& site) {
  if (!site.unfinished) return {};
  COFFER_TRY(const auto why, resend(site));
  COFFER_TRY(const auto left, site.db.row("SELECT 1 FROM pending LIMIT 1"));
  site.unfinished = left.has_value();
  if (!site.unfinished) return {};
  const bool passes = why && why->code == Code::Unavailable;  // a full disk
  return Error{Code::Unavailable,
               passes ? why->message
                      : "an answer of the keeper could not be stored: the server's log says why"}
      .as("unavailable");
}

Result<keeper::Appended> append(Site& site, const keeper::Request& operation, const Json& extra) {
  COFFER_CHECK(finish_pending(site));
  COFFER_CHECK(site.db.run("INSERT INTO pending(op, extra) VALUES(?, ?)",
                           {keeper::encode(operation), extra.canonical()}));
  const std::int64_t pending = site.db.last_id();
  return send(site, pending, operation, extra);
}

Result<> or_put_off(const Result<>& done, std::string_view event,
                    const std::function<Result<>()>& put_off) {
  if (done) return {};
  const Error& error = done.error();
  if (error.rule.empty() || error.rule == "unavailable") return error;
  log_error("front", event, error);
  return put_off();
}

Result<> resend_pending(Site& site) {
  COFFER_CHECK(resend(site));
  return {};
}

Result<> check_against_keeper(Site& site) {
  COFFER_TRY(site.status, site.links.ask_keeper_for<keeper::StatusReply>(keeper::Status{}));
  const auto have = site.tree.size();
  if (site.status.tree_size > have) {
    return Error{
        Code::FailedPrecondition,
        fmt::format("the database has {} entries, the keeper has signed {}: {} entries are "
                    "missing; see `coffer recover show`",
                    have, site.status.tree_size, site.status.tree_size - have)}
        .as("database_older")
        .then("coffer recover show --data " + site.data.string());
  }
  if (site.status.tree_size < have || site.status.root != site.tree.root()) {
    return Error{Code::FailedPrecondition,
                 fmt::format("the keeper's memory has {} entries, the database {}: the keeper's "
                             "memory is older or another's; see `coffer recover show`",
                             site.status.tree_size, have)}
        .as("keeper_older")
        .then("coffer recover show --data " + site.data.string());
  }
  return {};
}

Result<> publish_ledger(Site& site) {
  const std::uint64_t size = site.tree.size();
  if (site.published == size) return {};
  const auto root = site.data / "ledger";
  for (const auto& tile : ledger::tiles_between({.from = site.published.value_or(0), .to = size})) {
    const auto path = root / tile.path();
    COFFER_CHECK(make_directories(path.parent_path(), 0755));
    if (tile.kind == ledger::TileKind::Hashes) {
      COFFER_TRY(const auto bytes, ledger::render_tile(site.tree, tile));
      COFFER_CHECK(write_file(path, bytes, 0644));
    } else {
      COFFER_TRY(const auto entries, entry_bytes(site, tile.first_entry(), tile.width));
      COFFER_TRY(const auto bytes, ledger::render_bundle(entries));
      COFFER_CHECK(write_file(path, bytes, 0644));
    }
    COFFER_CHECK(remove_partial_before(root, tile));
  }
  COFFER_TRY(const auto checkpoint, site.db.row("SELECT text FROM checkpoint"));
  if (checkpoint) COFFER_CHECK(write_text(root / "checkpoint", checkpoint->text(0), 0644));
  site.published = size;
  return {};
}

}  // namespace coffer::front
