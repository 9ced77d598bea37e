#include "front/inbox.h"

#include <fmt/format.h>

#include <algorithm>

#include "front/users.h"
#include "grant/objects.h"

namespace coffer::front {
namespace {

constexpr std::int64_t kDayMs = 24LL * 3600 * 1000;
constexpr std::int64_t kNewsMs = 30 * kDayMs;
constexpr std::int64_t kHeldMs = static_cast<std::int64_t>(keeper::kHeldMs);
constexpr std::int64_t kItemsMax = 500;  // of one kind
constexpr std::size_t kPurposeShown = 200;

struct Item {
  std::string kind;
  std::string subject;
  std::int64_t time{0};
  std::string user{};
  std::string dataset{};
  std::string text{};
  std::string next{};
  std::optional<std::int64_t> deadline{};
  std::string id() const { return kind + ":" + subject; }
};

Json item_json(const Item& item) {
  const auto or_null = [](const std::string& text) { return text.empty() ? Json{} : Json{text}; };
  return Json::object({{"id", item.id()},
                       {"kind", item.kind},
                       {"time", time_text(item.time)},
                       {"subject", item.subject},
                       {"user", or_null(item.user)},
                       {"dataset", or_null(item.dataset)},
                       {"text", item.text},
                       {"next", item.next},
                       {"deadline", item.deadline ? Json{time_text(*item.deadline)} : Json{}}});
}

using Items = std::vector<Item>;

Result<> add_requests(Site& site, const Caller& caller, Items& items) {
  COFFER_TRY(const auto rows,
             site.db.rows(
                 "SELECT r.id, r.user, r.body, r.created FROM requests r JOIN datasets d ON d.id ="
                 " r.dataset WHERE d.owner = ? AND r.grant_digest = '' ORDER BY r.created DESC"
                 " LIMIT ?",
                 {caller.user, kItemsMax}));
  for (const auto& row : rows) {
    COFFER_TRY(const Json body, Json::parse(row.text(2)));
    const std::string dataset = body.text_or("dataset", "");
    items.push_back(
        {.kind = "request",
         .subject = row.text(0),
         .time = row.integer(3),
         .user = row.text(1),
         .dataset = dataset,
         .text = fmt::format("{} asks for {}: {}", row.text(1), dataset,
                             printable(body.text_or("purpose", ""), kPurposeShown)),
         .next = fmt::format("coffer grant give {} --request {}", dataset, row.text(0))});
  }
  return {};
}

Result<> add_held(Site& site, const Caller& caller, Items& items) {
  COFFER_TRY(const auto rows,
             site.db.rows(
                 "SELECT r.id, o.name, o.held_until, r.user, r.name FROM outputs o JOIN runs r ON"
                 " r.digest = o.run WHERE o.verdict = 'held' AND EXISTS(SELECT 1 FROM run_grants"
                 " g JOIN grant_users u ON u.grant_digest = g.grant_digest WHERE g.run = o.run AND"
                 " u.role = 'approver' AND u.user = ?1) AND NOT EXISTS(SELECT 1 FROM approvals a"
                 " WHERE a.run = o.run AND a.output = o.name AND a.approver = ?1) ORDER BY"
                 " o.held_until LIMIT ?2",
                 {caller.user, kItemsMax}));
  for (const auto& row : rows) {
    const std::string subject = row.text(0) + "/" + row.text(1);
    items.push_back({.kind = "held",
                     .subject = subject,
                     .time = row.integer(2) - kHeldMs,
                     .user = row.text(3),
                     .text = fmt::format("'{}' of {}'s run of {} waits for your review",
                                         row.text(1), row.text(3), printable(row.text(4), 63)),
                     .next = "coffer review show " + subject,
                     .deadline = row.integer(2)});
  }
  return {};
}

// Events carry the instant at which everybody could know: the slot, or the decision.
Result<> add_verdicts(Site& site, const Caller& caller, Items& items) {
  COFFER_TRY(
      const auto rows,
      site.db.rows("SELECT r.id, e.time, e.body FROM events e JOIN runs r ON r.digest = e.run WHERE"
                   " r.user = ? AND e.time >= ? AND json_extract(e.body, '$.verdict') IN"
                   " ('released', 'refused') ORDER BY e.time DESC LIMIT ?",
                   {caller.user, site.now_ms() - kNewsMs, kItemsMax}));
  for (const auto& row : rows) {
    COFFER_TRY(const Json event, Json::parse(row.text(2)));
    const std::string verdict = event.text_or("verdict", "");
    const std::string subject = row.text(0) + "/" + event.text_or("output", "");
    const bool released = verdict == "released";
    items.push_back({.kind = verdict,
                     .subject = subject,
                     .time = row.integer(1),
                     .text = subject + " was " + event.text_or("text", verdict),
                     .next = released ? fmt::format("coffer fetch {} -o DIR", subject)
                                      : "coffer runs show " + row.text(0)});
  }
  return {};
}

}  // namespace

bool mostly_used(const keeper::BudgetReply& budget) {
  const auto full = [](std::uint64_t used, std::uint64_t of) {
    return of > 0 && used >= of - of / 5;
  };
  const auto used = budget.spent + budget.reserved;
  return full(used.bits, budget.limit.bits) || full(used.runs, budget.limit.runs) ||
         full(used.cpu_ms, budget.limit.cpu_ms) ||
         full(used.epsilon_milli, budget.limit.epsilon_milli);
}

namespace {

std::string used_text(const std::string& what, const keeper::BudgetReply& budget) {
  const auto used = budget.spent + budget.reserved;
  return fmt::format("{} has used {} of {} bits, {} of {} runs", what, render_count(used.bits),
                     render_count(budget.limit.bits), used.runs, budget.limit.runs);
}

// One grant that names the caller as owner or grantee and is not over.
Result<> add_grant(Site& site, const Caller& caller, const db::Row& row, Items& items) {
  COFFER_TRY(const auto envelope, grant::parse_envelope(row.text(1)));
  COFFER_TRY(const auto terms, grant::open<grant::Grant>(envelope));
  const std::int64_t now = site.now_ms();
  const std::int64_t until = terms.until.time_since_epoch().count();
  if (until <= now) return {};
  const std::string& id = row.text(0);
  const std::string& owner = row.text(2);
  const std::int64_t given = row.integer(3);
  const std::string& dataset = row.text(4);
  if (owner != caller.user && given >= now - kNewsMs) {
    items.push_back({.kind = "grant_given",
                     .subject = id,
                     .time = given,
                     .user = owner,
                     .dataset = dataset,
                     .text = fmt::format("{} gave you {} on {}", owner, id, dataset),
                     .next = "coffer grant show " + id,
                     .deadline = until});
  }
  if (until - now <= kSoonMs) {
    items.push_back({.kind = "grant_expiring",
                     .subject = id,
                     .time = until - kSoonMs,
                     .user = owner,
                     .dataset = dataset,
                     .text = fmt::format("{} on {} ends {}", id, dataset, time_text(until)),
                     .next = "coffer grant show " + id,
                     .deadline = until});
  }
  COFFER_TRY(const auto budget, site.links.ask_keeper_for<keeper::BudgetReply>(
                                    keeper::GrantBudget{envelope.digest()}));
  if (!budget.closed && keeper::is_suspended(budget.losses)) {
    const bool own = owner == caller.user;
    items.push_back(
        {.kind = "budget",
         .subject = id,
         .time = now,
         .user = owner,
         .dataset = dataset,
         .text = fmt::format("{} on {} is suspended: runs were lost {} times, the last at {}{}", id,
                             dataset, budget.losses,
                             time_text(static_cast<std::int64_t>(budget.lost_ms)),
                             own ? "; look why before you sign" : ""),
         .next = own ? fmt::format("coffer data limit {} --bits N", dataset)
                     : "coffer grant show " + id});
  }
  if (budget.closed || !mostly_used(budget)) return {};
  items.push_back({.kind = "budget",
                   .subject = id,
                   .time = now,
                   .user = owner,
                   .dataset = dataset,
                   .text = used_text(id, budget),
                   .next = "coffer grant show " + id});
  return {};
}

Result<> add_grants(Site& site, const Caller& caller, Items& items) {
  COFFER_TRY(const auto rows,
             site.db.rows(
                 "SELECT g.id, g.envelope, g.owner, g.created, d.name FROM grants g JOIN datasets d"
                 " ON d.id = g.dataset WHERE g.revoked IS NULL AND (g.owner = ?1 OR EXISTS(SELECT 1"
                 " FROM grant_users u WHERE u.grant_digest = g.digest AND u.user = ?1 AND u.role ="
                 " 'grantee')) ORDER BY g.created DESC LIMIT ?2",
                 {caller.user, kItemsMax}));
  for (const auto& row : rows) COFFER_CHECK(add_grant(site, caller, row, items));
  return {};
}

Result<> add_revoked(Site& site, const Caller& caller, Items& items) {
  COFFER_TRY(const auto rows,
             site.db.rows("SELECT g.id, g.revoked, g.owner, d.name FROM grants g JOIN datasets d ON"
                          " d.id = g.dataset JOIN grant_users u ON u.grant_digest = g.digest WHERE"
                          " u.user = ?1 AND u.role = 'grantee' AND g.owner <> ?1 AND g.revoked >="
                          " ?2 ORDER BY g.revoked DESC LIMIT ?3",
                          {caller.user, site.now_ms() - kNewsMs, kItemsMax}));
  for (const auto& row : rows) {
    const std::string& id = row.text(0);
    items.push_back({.kind = "grant_revoked",
                     .subject = id,
                     .time = row.integer(1),
                     .user = row.text(2),
                     .dataset = row.text(3),
                     .text = fmt::format("{} revoked {} on {}: its runs end, none starts",
                                         row.text(2), id, row.text(3)),
                     .next = "coffer grant show " + id});
  }
  return {};
}

Result<> add_limits(Site& site, const Caller& caller, Items& items) {
  COFFER_TRY(const auto rows, site.db.rows("SELECT id, name FROM datasets WHERE owner = ? AND"
                                           " limit_envelope <> '' LIMIT ?",
                                           {caller.user, kItemsMax}));
  for (const auto& row : rows) {
    COFFER_TRY(const auto budget,
               site.links.ask_keeper_for<keeper::BudgetReply>(keeper::DatasetBudget{row.text(0)}));
    if (!mostly_used(budget)) continue;
    const auto used = budget.spent + budget.reserved;
    items.push_back(
        {.kind = "budget",
         .subject = row.text(1),
         .time = site.now_ms(),
         .dataset = row.text(1),
         .text = fmt::format("{} has given out or reserved {} of {} bits for life", row.text(1),
                             render_count(used.bits), render_count(budget.limit.bits)),
         .next = "coffer data show " + row.text(1)});
  }
  return {};
}

Result<> add_key_missing(Site& site, const Caller& caller, Items& items) {
  COFFER_TRY(
      const auto row,
      site.db.row("SELECT created FROM users WHERE name = ? AND sign_key = ''", {caller.user}));
  if (!row) return {};
  items.push_back({.kind = "key_missing",
                   .subject = caller.user,
                   .time = row->integer(0),
                   .user = caller.user,
                   .text = "you have no registered key: nothing can be signed",
                   .next = "coffer login URL --token -"});
  return {};
}

}  // namespace

Result<Json> inbox(Site& site, const Caller& caller, const Page& page) {
  Items items;
  for (const auto add : {add_requests, add_held, add_verdicts, add_grants, add_revoked, add_limits,
                         add_key_missing}) {
    COFFER_CHECK(add(site, caller, items));
  }
  std::sort(items.begin(), items.end(), [](const Item& a, const Item& b) {
    return a.time != b.time ? a.time > b.time : a.id() < b.id();
  });
  auto first = items.begin();
  if (!page.cursor.empty()) {
    first = std::find_if(items.begin(), items.end(),
                         [&](const Item& item) { return item.id() == page.cursor; });
    if (first != items.end()) ++first;
  }
  Json::Array shown;
  const auto start = first;
  for (; first != items.end() && shown.size() <= page.limit; ++first)
    shown.push_back(item_json(*first));
  return page_json(std::move(shown), page, [&](std::size_t last) {
    return (start + static_cast<std::ptrdiff_t>(last))->id();
  });
}

}  // namespace coffer::front
