#include "front/grants.h"

#include <fmt/format.h>

#include "base/log.h"
#include "front/append.h"
#include "front/apply.h"
#include "front/datasets.h"
#include "front/reviews.h"
#include "front/schedule.h"
#include "front/users.h"
#include "grant/objects.h"

namespace coffer::front {
namespace {

constexpr std::string_view kGrant =
    "SELECT g.digest, g.id, g.dataset, g.envelope, g.owner, g.revoked, d.name, g.created FROM "
    "grants g"
    " JOIN datasets d ON d.id = g.dataset";
constexpr std::string_view kNamesCaller =
    "(g.owner = ? OR ? OR EXISTS(SELECT 1 FROM grant_users u WHERE u.grant_digest = g.digest AND"
    " u.user = ?))";

std::vector<db::Value> named(const Caller& caller) {
  return {caller.user, std::int64_t{caller.is("auditor") ? 1 : 0}, caller.user};
}

Result<Json> users_json(Site& site, const std::string& grant, const std::string& role) {
  COFFER_TRY(const auto rows,
             site.db.rows("SELECT user FROM grant_users WHERE grant_digest = ? AND role ="
                          " ? ORDER BY user",
                          {grant, role}));
  Json out = Json::array();
  for (const auto& row : rows) out.push(row.text(0));
  return out;
}

std::string state_of(const Site& site, const grant::Grant& terms,
                     const keeper::BudgetReply& budget) {
  const auto now = site.clock.unix_time();
  if (budget.closed) return "revoked";
  if (now < terms.not_before) return "not_yet";
  if (now >= terms.until) return "expired";
  return keeper::is_suspended(budget.losses) ? "suspended" : "active";
}

// Without a version where the grant is for all of them.
Result<std::string> dataset_ref(Site& site, const std::string& name, const grant::Grant& terms) {
  if (!terms.manifest) return name;
  COFFER_TRY(const auto version,
             site.db.row("SELECT n FROM versions WHERE manifest = ?", {terms.manifest->text()}));
  if (!version) return Error{Code::Corrupt, "a grant is for a version that is not there"};
  return fmt::format("{}@v{}", name, version->integer(0));
}

Result<Json> grant_json(Site& site, const db::Row& row) {
  COFFER_TRY(const auto envelope, grant::parse_envelope(row.text(3)));
  COFFER_TRY(const auto terms, grant::open<grant::Grant>(envelope));
  COFFER_TRY(const Json payload, Json::parse(envelope.payload));
  COFFER_TRY(const auto budget, site.links.ask_keeper_for<keeper::BudgetReply>(
                                    keeper::GrantBudget{envelope.digest()}));
  COFFER_TRY(Json grantees, users_json(site, row.text(0), "grantee"));
  COFFER_TRY(Json approvers, users_json(site, row.text(0), "approver"));
  COFFER_TRY(const auto runs,
             site.db.row("SELECT COUNT(*) FROM run_grants WHERE grant_digest = ?", {row.text(0)}));
  COFFER_TRY(const auto entries,
             site.db.row("SELECT MIN(idx), MAX(idx) FROM entries WHERE object = ?", {row.text(0)}));
  COFFER_TRY(const auto dataset, dataset_ref(site, row.text(6), terms));
  COFFER_TRY(Json envelope_json, Json::parse(row.text(3)));
  Json out = Json::object({{"id", row.text(1)},
                           {"digest", row.text(0)},
                           {"state", state_of(site, terms, budget)},
                           {"dataset", dataset},
                           {"dataset_id", row.text(2)},
                           {"manifest", terms.manifest ? terms.manifest->text() : std::string("*")},
                           {"owner", row.text(4)},
                           {"grantees", std::move(grantees)},
                           {"approvers", std::move(approvers)}});
  for (const char* name : {"approvals_needed", "purpose", "lanes", "output_kinds", "programs"}) {
    out.set(name, payload[name]);
  }
  out.set("budget", amounts_json(budget.limit)).set("reserved", amounts_json(budget.reserved));
  out.set("spent", amounts_json(budget.spent)).set("auto_bits", terms.auto_bits);
  out.set("auto_total", terms.auto_total).set("auto_spent", budget.auto_spent);
  out.set("delta_exp", terms.budgets.delta_exp).set("exclusive", terms.exclusive);
  for (const char* name : {"not_before", "until", "issued"}) out.set(name, payload[name]);
  out.set("runs", runs->integer(0)).set("envelope", std::move(envelope_json));
  out.set("ledger", Json::object({{"first", entries->integer(0)}, {"last", entries->integer(1)}}));
  return out;
}

Result<db::Row> find_grant(Site& site, const Caller& caller, const std::string& id) {
  std::vector<db::Value> parameters{id, id};
  for (auto& value : named(caller)) parameters.push_back(std::move(value));
  COFFER_TRY(auto row, site.db.row(fmt::format("{} WHERE (g.id = ? OR g.digest = ?) AND {}", kGrant,
                                               kNamesCaller),
                                   parameters));
  if (row) return *std::move(row);
  return Error{Code::NotFound, "grant " + printable(id, 60) + " is unknown, or not yours to see"}
      .as("grant_unknown");
}

Result<> add_grant_users(Site& site, const std::string& digest, const std::vector<SignPublic>& keys,
                         const std::string& role) {
  for (const auto& key : keys) {
    COFFER_TRY(const auto user, user_of_key(site, key));
    if (user.empty()) continue;
    COFFER_CHECK(
        site.db.run("INSERT OR IGNORE INTO grant_users(grant_digest, user, role) VALUES(?,?,?)",
                    {digest, user, role}));
  }
  return {};
}

// What a revocation sets off: nothing new starts, what runs ends at its slot, what is held is
// withheld.
Result<> follow_revocation(Site& site, const std::string& digest) {
  COFFER_TRY(const auto rows,
             site.db.rows("SELECT r.digest FROM runs r JOIN run_grants g ON g.run ="
                          " r.digest WHERE g.grant_digest = ? AND r.state IN"
                          " ('queued','running')",
                          {digest}));
  for (const auto& row : rows) {
    COFFER_CHECK(end_run(site, row.text(0), keeper::CancelCause::Revoked));
  }
  return withhold_revoked(site, digest);
}

Result<Json> request_json(const db::Row& row) {
  COFFER_TRY(Json body, Json::parse(row.text(3)));
  const std::string& grant = row.text(4);
  Json out = Json::object(
      {{"id", row.text(0)}, {"state", grant.empty() ? "open" : "granted"}, {"user", row.text(1)}});
  for (const auto& [name, value] : *body.as_object()) out.set(name, value);
  Json granted;
  if (!grant.empty()) {
    COFFER_TRY(const Digest digest, Digest::parse(grant));
    granted = grant::grant_id(digest);
  }
  return out.set("grant", std::move(granted)).set("created", time_text(row.integer(5)));
}

constexpr std::string_view kRequest =
    "SELECT r.id, r.user, r.dataset, r.body, r.grant_digest, r.created FROM requests r JOIN "
    "datasets d ON"
    " d.id = r.dataset";

}  // namespace

Result<Json> post_request(Site& site, const Caller& caller, const Json& body) {
  const std::string reference = body.text_or("dataset", "");
  const std::string name = reference.substr(0, reference.find('@'));
  COFFER_TRY(const auto dataset, find_dataset(site, caller, name));
  if (dataset.is_public) {
    return Error{Code::FailedPrecondition, name + " is public: no grant is needed"}.as(
        "public_dataset");
  }
  const std::string id = "req_" + base32(random_bytes(10));
  COFFER_CHECK(
      site.db.run("INSERT INTO requests(id, user, dataset, body, created) VALUES(?,?,?,?,?)",
                  {id, caller.user, dataset.id, body.canonical(), site.now_ms()}));
  return show_request(site, caller, id);
}

Result<Json> show_request(Site& site, const Caller& caller, const std::string& id) {
  COFFER_TRY(const auto row,
             site.db.row(fmt::format("{} WHERE r.id = ? AND (r.user = ? OR d.owner = ?)", kRequest),
                         {id, caller.user, caller.user}));
  if (!row) return not_found("request", id);
  return request_json(*row);
}

Result<Json> list_requests(Site& site, const Caller& caller, const Page& page) {
  COFFER_TRY(
      const auto rows,
      site.db.rows(
          fmt::format("{} WHERE (r.user = ? OR d.owner = ?) AND r.id > ? ORDER BY r.id"
                      " LIMIT ?",
                      kRequest),
          {caller.user, caller.user, page.cursor, static_cast<std::int64_t>(page.limit + 1)}));
  Json::Array items;
  for (const auto& row : rows) {
    COFFER_TRY(Json item, request_json(row));
    items.push_back(std::move(item));
  }
  return page_json(std::move(items), page, [&](std::size_t last) { return rows[last].text(0); });
}

// What the owner does about a refusal, where one command mends it.
Error with_next(Error error, const std::string& dataset) {
  const std::string rule = error.rule;
  if (rule == "ungraded") return std::move(error).then("coffer data grade " + dataset);
  if (rule == "no_limit" || rule == "frozen" || rule == "over_limit") {
    return std::move(error).then("coffer data limit " + dataset + " --bits N");
  }
  return error;
}

Result<Json> post_grant(Site& site, const Caller& caller, std::string_view envelope,
                        const std::string& request) {
  COFFER_TRY(const auto parsed, grant::parse_envelope(envelope));
  COFFER_TRY(const auto terms, grant::open<grant::Grant>(parsed));
  const std::string digest = parsed.digest().text();
  COFFER_TRY(const auto known, site.db.row("SELECT 1 FROM grants WHERE digest = ?", {digest}));
  if (known) return show_grant(site, caller, digest);
  COFFER_TRY(const auto dataset, site.db.row("SELECT name FROM datasets WHERE id = ? AND owner = ?",
                                             {terms.dataset_id, caller.user}));
  if (!dataset) {
    return Error{Code::Denied, "dataset " + terms.dataset_id + " is not yours to grant"}.as(
        "not_owner");
  }
  auto done =
      append(site, keeper::AddGrant{keeper::fresh_seed(), std::string(envelope)},
             Json::object({{"user", caller.user}, {"request", request}, {"time", site.now_ms()}}));
  if (!done) return with_next(std::move(done).error(), dataset->text(0));
  return show_grant(site, caller, digest);
}

Result<> apply(const Applied& context, const keeper::AddGrant& op) {
  Site& site = context.site;
  COFFER_TRY(const auto parsed, grant::parse_envelope(op.envelope));
  COFFER_TRY(const auto terms, grant::open<grant::Grant>(parsed));
  const std::string digest = parsed.digest().text();
  const std::string request = context.extra.text_or("request", "");
  COFFER_CHECK(
      site.db.run("INSERT OR IGNORE INTO grants(digest, id, dataset, envelope, owner, request,"
                  " created, until) VALUES(?,?,?,?,?,?,?,?)",
                  {digest, grant::grant_id(parsed.digest()), terms.dataset_id, op.envelope,
                   context.extra.text_or("user", ""), request, context.extra.int_or("time", 0),
                   terms.until.time_since_epoch().count()}));
  COFFER_CHECK(add_grant_users(site, digest, terms.grantee_keys, "grantee"));
  COFFER_CHECK(add_grant_users(site, digest, terms.approver_keys, "approver"));
  if (request.empty()) return {};
  return site.db.run("UPDATE requests SET grant_digest = ? WHERE id = ?", {digest, request});
}

Result<Json> list_grants(Site& site, const Caller& caller, const Page& page) {
  std::vector<db::Value> parameters = named(caller);
  parameters.emplace_back(page.cursor);
  parameters.emplace_back(static_cast<std::int64_t>(page.limit + 1));
  COFFER_TRY(const auto rows,
             site.db.rows(fmt::format("{} WHERE {} AND g.id > ? ORDER BY g.id LIMIT ?", kGrant,
                                      kNamesCaller),
                          parameters));
  Json::Array items;
  for (const auto& row : rows) {
    COFFER_TRY(Json item, grant_json(site, row));
    items.push_back(std::move(item));
  }
  return page_json(std::move(items), page, [&](std::size_t last) { return rows[last].text(1); });
}

Result<Json> show_grant(Site& site, const Caller& caller, const std::string& id) {
  COFFER_TRY(const auto row, find_grant(site, caller, id));
  return grant_json(site, row);
}

Result<Json> revoke_grant(Site& site, const Caller& caller, const std::string& id,
                          std::string_view envelope) {
  COFFER_TRY(const auto row, find_grant(site, caller, id));
  const std::string& digest = row.text(0);
  COFFER_TRY(const auto parsed, grant::parse_envelope(envelope));
  COFFER_TRY(const auto revocation, grant::open<grant::Revocation>(parsed));
  if (revocation.grant.text() != digest)
    return bad_field("grant", "of the revocation must be " + digest);
  COFFER_CHECK(append(site, keeper::Revoke{keeper::fresh_seed(), std::string(envelope)},
                      Json::object({{"time", site.now_ms()}})));
  COFFER_CHECK(follow_revocation(site, digest));
  return show_grant(site, caller, digest);
}

Result<> apply(const Applied& context, const keeper::Revoke& op) {
  COFFER_TRY(const auto parsed, grant::parse_envelope(op.envelope));
  COFFER_TRY(const auto revocation, grant::open<grant::Revocation>(parsed));
  return context.site.db.run("UPDATE grants SET revoked = ? WHERE digest = ?",
                             {context.extra.int_or("time", 0), revocation.grant.text()});
}

Result<> adopt_revocations(Site& site) {
  COFFER_TRY(site.status, site.links.ask_keeper_for<keeper::StatusReply>(keeper::Status{}));
  for (const auto& envelope : site.status.pending_revocations) {
    COFFER_TRY(const auto parsed, grant::parse_envelope(envelope));
    COFFER_TRY(const auto revocation, grant::open<grant::Revocation>(parsed));
    COFFER_CHECK(append(site, keeper::Revoke{keeper::fresh_seed(), envelope},
                        Json::object({{"time", site.now_ms()}})));
    COFFER_CHECK(follow_revocation(site, revocation.grant.text()));
  }
  return {};
}

}  // namespace coffer::front
