// Site: what every noun of the front works with: the database, the clock, the links to the other
// processes. The nouns are free functions over a Site (users.h, datasets.h, grants.h, runs.h, …).
//
// Invariants: one thread (the loop's) owns a Site; whatever the outside was told is in the database
// and, where it is an entry, signed by the keeper.
// Errors: see the functions. Thread-safety: none; owned by the loop thread.
// Source: protocol.md sections 2 and 4.
#pragma once

#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/forward_clock.h"
#include "base/json.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "db/db.h"
#include "front/links.h"
#include "keeper/messages.h"
#include "ledger/merkle.h"

namespace coffer::front {

// Who asks, authenticated by a token. A token alone opens and signs nothing.
struct Caller {
  std::string user;
  std::vector<std::string> roles;
  bool is(std::string_view role) const;
};

// Callers by the hash of their token: asked of the database once, as long as nothing changes in it.
struct KnownCallers {
  static constexpr std::size_t kMax = 1000;
  std::int64_t as_of{0};  // Database::changes_ever()
  std::map<Digest, Caller> by_token;
};

// What runs may take of this machine in all.
struct Capacity {
  std::uint32_t cpus{1};
  std::uint64_t memory_bytes{0};
};

// A bound on stored bytes, 0 for none, and what it is called (front/quota.h).
struct Quota {
  std::uint64_t bytes{0};
  std::string_view whose;
};
struct Quotas {
  Quota user{.whose = "the quota of a user"};
  Quota total{.whose = "the quota of this server"};
};

// An OCI archive that is being sent to the builder; its build follows (archives.h).
struct ArchiveUnderWay {
  std::string name;
  std::string spec;
  Digest archive;
  UniqueFd file;
  std::uint64_t offset{0};
};

using JsonReply = std::function<void(Result<Json>)>;

struct Site {
  Site(std::filesystem::path directory, const Clock& wall, db::Database database)
      : data(std::move(directory)), clock(wall), db(std::move(database)) {}

  std::filesystem::path data;
  ForwardClock clock;  // not before the keeper's time
  db::Database db;
  Links links;
  Capacity capacity;
  keeper::StatusReply status;  // the keeper's, of the last connection: keys, vkey
  ledger::MerkleTree tree;     // of the entries that the database has
  bool unfinished{false};      // an answer of the keeper has not come, or could not be stored
  std::optional<std::uint64_t> published;  // size for which the static files stand

  // Called after a run's event was committed, with the run's digest text: streams wake up.
  std::function<void(const std::string& run)> on_event = [](const std::string&) {};
  // Called with one JSON object of ids (notices.h); empty: nobody is told.
  std::function<void(const Json&)> on_notice{};
  // Who waits for a program to be unpacked, by upload id.
  std::multimap<std::string, JsonReply> unpacking;
  Quotas quotas;
  KnownCallers known_callers;
  std::map<std::string, std::uint64_t> stored;  // bytes in the vault, by dataset id
  void count_stored(const std::string& dataset, std::int64_t change);
  std::deque<ArchiveUnderWay> archives;
  bool quiet{false};  // nobody is answered: whoever serves the API says so (need_of_quiet)

  std::int64_t now_ms() const { return clock.unix_time().time_since_epoch().count(); }
  std::string uploads() const { return data / "front" / "uploads"; }
};

// Opens the database of DIR/front, makes folders, loads the tree. The keeper is connected later.
// Errors: those of db::Database::open.
Result<std::unique_ptr<Site>> open_site(const std::filesystem::path& data, const Clock& clock);

// Takes the entries that the database has and the tree has not, up to the first gap.
Result<> extend_tree(Site& site);

inline std::string time_text(std::int64_t unix_ms) {
  return render_time(UnixTime{std::chrono::milliseconds{unix_ms}});
}

// ---- Errors that many nouns share
// ----------------------------------------------------------------

Error not_found(std::string_view noun, std::string_view name);  // "run_… is unknown, or not yours"
Error bad_field(std::string field, std::string why);            // bad_request

}  // namespace coffer::front
