#include "front/notices.h"

#include <algorithm>

#include "front/inbox.h"
#include "grant/objects.h"

namespace coffer::front {
namespace {

constexpr Duration kLook = 60s;
constexpr std::uintmax_t kDiskMin = 1ULL << 30;
constexpr std::int64_t kAtOnce = 1000;

Json notice(const char* event, Json::Object ids) {
  ids.insert(ids.begin(), {"event", event});
  return Json{std::move(ids)};
}

Result<keeper::BudgetReply> budget_of(Site& site, const keeper::Request& question) {
  return site.links.ask_keeper_for<keeper::BudgetReply>(question);
}

}  // namespace

Result<> Notices::follow() {
  if (!begun_) COFFER_CHECK(begin());
  if (!site_.on_notice) return {};
  auto told = tell();
  COFFER_CHECK(save());
  return told;
}

Result<> Notices::tell() {
  COFFER_CHECK(tell_requests());
  COFFER_CHECK(tell_events());
  if (const Instant now = site_.clock.now(); now >= look_again_) {
    COFFER_CHECK(tell_disk());
    COFFER_CHECK(tell_expiring());
    look_again_ = now + kLook;
  }
  return tell_budgets();
}

// From now on, where nothing was ever told. Grants of an older server get their column.
Result<> Notices::begin() {
  if (!site_.on_notice) {
    COFFER_CHECK(site_.db.run("DELETE FROM noticed"));
    begun_ = true;
    return {};
  }
  for (const std::string what : {"events", "requests"}) {
    COFFER_TRY(const auto known, site_.db.row("SELECT 1 FROM noticed WHERE what = ?", {what}));
    if (known) continue;
    COFFER_TRY(const auto last, site_.db.row("SELECT COALESCE(MAX(rowid), 0) FROM " + what));
    note(what, last->integer(0));
  }
  COFFER_TRY(const auto old, site_.db.rows("SELECT digest, envelope FROM grants WHERE until = 0"));
  COFFER_TRY(auto all, db::Transaction::begin(site_.db));
  for (const auto& row : old) {
    COFFER_TRY(const auto envelope, grant::parse_envelope(row.text(1)));
    COFFER_TRY(const auto terms, grant::open<grant::Grant>(envelope));
    COFFER_CHECK(site_.db.run("UPDATE grants SET until = ? WHERE digest = ?",
                              {terms.until.time_since_epoch().count(), row.text(0)}));
  }
  COFFER_CHECK(all.commit());
  begun_ = true;
  return {};
}

Result<> Notices::tell_requests() {
  COFFER_TRY(const auto from, noted("requests"));
  return site_.db.each(
      "SELECT r.rowid, r.id, d.name FROM requests r JOIN datasets d ON d.id = r.dataset"
      " WHERE r.rowid > ? ORDER BY r.rowid LIMIT ?",
      {from, kAtOnce}, [&](const db::Row& row) -> Result<> {
        site_.on_notice(notice("request", {{"request", row.text(1)}, {"dataset", row.text(2)}}));
        note("requests", row.integer(0));
        return {};
      });
}

Result<> Notices::tell_events() {
  COFFER_TRY(const auto from, noted("events"));
  COFFER_TRY(const auto rows,
             site_.db.rows("SELECT e.rowid, r.id, e.run, e.body FROM events e JOIN runs r ON"
                           " r.digest = e.run WHERE e.rowid > ? ORDER BY e.rowid LIMIT ?",
                           {from, kAtOnce}));
  for (const auto& row : rows) {
    COFFER_TRY(const Json body, Json::parse(row.text(3)));
    const std::string output = body.text_or("output", "");
    const std::string verdict = body.text_or("verdict", "");
    if (verdict == "released" || verdict == "refused" || verdict == "held") {
      site_.on_notice(notice(verdict.c_str(), {{"run", row.text(1)}, {"output", output}}));
    }
    note("events", row.integer(0));
    if (!output.empty()) continue;
    COFFER_TRY(const auto grants,
               site_.db.rows("SELECT grant_digest FROM run_grants WHERE run = ?", {row.text(2)}));
    for (const auto& one : grants) grants_.insert(one.text(0));
  }
  return {};
}

Result<> Notices::tell_budgets() {
  while (!grants_.empty()) {
    COFFER_CHECK(tell_grant_budget(*grants_.begin()));
    grants_.erase(grants_.begin());
  }
  return {};
}

Result<> Notices::tell_grant_budget(const std::string& digest) {
  COFFER_TRY(const auto row, site_.db.row("SELECT g.id, d.id, d.name FROM grants g JOIN datasets d"
                                          " ON d.id = g.dataset WHERE g.digest = ?",
                                          {digest}));
  if (!row) return {};
  const std::string& id = row->text(0);
  COFFER_TRY(const Digest grant, Digest::parse(digest));
  COFFER_TRY(const auto of_grant, budget_of(site_, keeper::GrantBudget{grant}));
  const auto suspended = std::int64_t{keeper::is_suspended(of_grant.losses)};
  COFFER_TRY(const auto before, noted("suspended " + id));
  if (suspended > before) site_.on_notice(notice("suspended", {{"grant", id}}));
  if (suspended != before) note("suspended " + id, suspended);
  const auto tell = [&](const char* kind, const std::string& name,
                        const keeper::BudgetReply& budget) -> Result<> {
    const auto limit = static_cast<std::int64_t>(budget.limit.bits) + 1;  // 0: nothing was told
    COFFER_TRY(const auto told, noted("budget " + name));
    if (!mostly_used(budget) || told == limit) return {};
    site_.on_notice(notice("budget", {{kind, name}}));
    note("budget " + name, limit);
    return {};
  };
  if (!of_grant.closed) COFFER_CHECK(tell("grant", id, of_grant));
  COFFER_TRY(const auto of_data, budget_of(site_, keeper::DatasetBudget{row->text(1)}));
  return tell("dataset", row->text(2), of_data);
}

Result<> Notices::tell_expiring() {
  COFFER_TRY(const auto from, noted("expiring"));
  const std::int64_t now = site_.now_ms();
  return site_.db.each(
      "SELECT g.id, d.name FROM grants g JOIN datasets d ON d.id = g.dataset WHERE g.until > ?1"
      " AND g.until <= ?1 + ?3 AND max(g.until - ?3, g.created) > ?2 AND g.revoked IS NULL",
      {now, from, kSoonMs}, [&](const db::Row& row) -> Result<> {
        site_.on_notice(
            notice("grant_expiring", {{"grant", row.text(0)}, {"dataset", row.text(1)}}));
        note("expiring", now);
        return {};
      });
}

Result<> Notices::tell_disk() {
  std::error_code failed;
  const auto space = std::filesystem::space(site_.data / "front", failed);
  if (failed) return {};
  const auto enough = std::max(kDiskMin, space.capacity / 10);
  COFFER_TRY(const auto told, noted("disk_low"));
  if (space.available < enough && told == 0) {
    site_.on_notice(notice("disk_low", {}));
    note("disk_low", 1);
  } else if (space.available > enough + enough / 4 && told != 0) {
    note("disk_low", 0);
  }
  return {};
}

// ---- What was told ------------------------------------------------------------------------------

Result<std::int64_t> Notices::noted(const std::string& what) {
  if (const auto found = unsaved_.find(what); found != unsaved_.end()) return found->second;
  COFFER_TRY(const auto row, site_.db.row("SELECT value FROM noticed WHERE what = ?", {what}));
  return row ? row->integer(0) : std::int64_t{0};
}

Result<> Notices::save() {
  if (unsaved_.empty()) return {};
  COFFER_TRY(auto all, db::Transaction::begin(site_.db));
  for (const auto& [what, value] : unsaved_) {
    COFFER_CHECK(
        site_.db.run("INSERT OR REPLACE INTO noticed(what, value) VALUES(?,?)", {what, value}));
  }
  COFFER_CHECK(all.commit());
  unsaved_.clear();
  return {};
}

}  // namespace coffer::front
