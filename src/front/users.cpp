#include "front/users.h"

#include <fmt/format.h>

#include <algorithm>

#include "front/append.h"
#include "front/apply.h"
#include "grant/objects.h"
#include "program/names.h"

namespace coffer::front {
namespace {

constexpr std::array<std::string_view, 5> kRoles{"owner", "researcher", "reviewer", "auditor",
                                                 "operator"};

std::string new_token(const Site& site) {
  return "cft_" + base32(random_bytes(20)) + "_" + keeper_fingerprint(site);
}

ByteVector stored(const Digest& hash) { return {hash.bytes.begin(), hash.bytes.end()}; }

ByteVector hash_of(std::string_view token) { return stored(sha256(token)); }

Json roles_json(const std::string& joined) { return Json{split(joined, ',')}; }

Json text_or_null(const std::string& text) { return text.empty() ? Json{} : Json{text}; }

// SHA-256(sign_key || seal_key), its first 80 bits.
Json fingerprint_json(const std::string& sign_key, const std::string& seal_key) {
  const auto sign = parse_key32(sign_key);
  const auto seal = parse_key32(seal_key);
  if (!sign || !seal) return {};
  return Sha256{}.update(*sign).update(*seal).finish().id("");
}

Result<> check_roles(const std::vector<std::string>& roles) {
  if (roles.empty()) return bad_field("roles", "must name at least one role");
  for (const auto& role : roles) {
    if (std::find(kRoles.begin(), kRoles.end(), role) == kRoles.end()) {
      return bad_field("roles", fmt::format("has the unknown role '{}'; there are {}",
                                            printable(role, 40), fmt::join(kRoles, " ")));
    }
  }
  return {};
}

Result<Json> user_json(Site& site, const db::Row& row) {
  Json keys = Json::array();
  COFFER_TRY(const auto chain,
             site.db.rows("SELECT envelope FROM key_history WHERE user = ? ORDER BY"
                          " sequence",
                          {row.text(0)}));
  for (const auto& key : chain) {
    COFFER_TRY(Json envelope, Json::parse(key.text(0)));
    keys.push(std::move(envelope));
  }
  return Json::object({{"name", row.text(0)},
                       {"roles", roles_json(row.text(1))},
                       {"sign_key", text_or_null(row.text(2))},
                       {"seal_key", text_or_null(row.text(3))},
                       {"fingerprint", fingerprint_json(row.text(2), row.text(3))},
                       {"removed", !row.is_null(5)},
                       {"created", time_text(row.integer(4))},
                       {"keys", std::move(keys)}});
}

constexpr std::string_view kUser =
    "SELECT name, roles, sign_key, seal_key, created, removed FROM users";

Json token_json(const std::string& name, const std::vector<std::string>& roles,
                const std::string& token) {
  return Json::object({{"name", name}, {"roles", Json{roles}}, {"token", token}});
}

}  // namespace

std::string keeper_fingerprint(const Site& site) {
  return grant::keeper_fingerprint(site.status.ledger_vkey, site.status.seal_key);
}

Result<> require_role(const Caller& caller, std::string_view role) {
  if (caller.is(role)) return {};
  return Error{Code::Denied, fmt::format("{} needs the role {}", caller.user, role)}.as(
      "role_required");
}

Json ledger_range(const keeper::Appended& appended) {
  if (appended.entries.empty()) return Json::object({{"first", 0}, {"last", 0}});
  return Json::object(
      {{"first", appended.entries.front().index}, {"last", appended.entries.back().index}});
}

Json page_json(Json::Array items, const Page& page,
               const std::function<std::string(std::size_t)>& cursor) {
  Json next;
  if (items.size() > page.limit) {
    items.resize(page.limit);
    next = cursor(page.limit - 1);
  }
  return Json::object({{"items", Json{std::move(items)}}, {"next_cursor", std::move(next)}});
}

Result<Caller> authenticate(Site& site, std::string_view token) {
  auto& known = site.known_callers;
  if (const auto now = site.db.changes_ever();
      known.as_of != now || known.by_token.size() >= KnownCallers::kMax) {
    known = {.as_of = now, .by_token = {}};
  }
  const Digest hash = sha256(token);
  if (const auto found = known.by_token.find(hash); found != known.by_token.end()) {
    return found->second;
  }
  COFFER_TRY(const auto row,
             site.db.row("SELECT name, roles FROM users WHERE token_hash = ? AND removed"
                         " IS NULL",
                         {stored(hash)}));
  if (!row) {
    return Error{Code::Denied, "the token is unknown or was replaced"}
        .as("unauthenticated")
        .then("coffer login URL --token -");
  }
  return known.by_token.emplace(hash, Caller{row->text(0), split(row->text(1), ',')}).first->second;
}

Result<std::optional<std::string>> first_operator(Site& site) {
  COFFER_TRY(const auto row, site.db.row("SELECT 1 FROM users LIMIT 1"));
  if (row) return std::optional<std::string>{};
  const std::string token = new_token(site);
  COFFER_CHECK(
      site.db.run("INSERT INTO users(name, roles, token_hash, created) VALUES('operator',"
                  " 'operator', ?, ?)",
                  {hash_of(token), site.now_ms()}));
  return std::optional<std::string>{token};
}

Result<std::optional<std::string>> renew_first_operator(Site& site) {
  const std::string token = new_token(site);
  COFFER_CHECK(
      site.db.run("UPDATE users SET token_hash = ? WHERE name = 'operator' AND sign_key = ''",
                  {hash_of(token)}));
  if (site.db.changes() == 0) return std::optional<std::string>{};
  return std::optional<std::string>{token};
}

Result<Json> add_user(Site& site, const Caller& caller, const std::string& name,
                      const std::vector<std::string>& roles) {
  COFFER_CHECK(require_role(caller, "operator"));
  if (!program::is_name(name)) {
    return bad_field("name", "must be [a-z0-9][a-z0-9._-]{0,62}");
  }
  COFFER_CHECK(check_roles(roles));
  const std::string token = new_token(site);
  if (auto made = site.db.run("INSERT INTO users(name, roles, token_hash, created) VALUES(?,?,?,?)",
                              {name, join(roles, ","), hash_of(token), site.now_ms()});
      !made) {
    if (made.error().code != Code::AlreadyExists) return std::move(made).error();
    return Error{Code::AlreadyExists, "there is or was a user " + name + ": names are used once"}
        .as("name_taken")
        .at("name");
  }
  return token_json(name, roles, token);
}

Result<Json> renew_token(Site& site, const Caller& caller, const std::string& name) {
  if (caller.user != name) COFFER_CHECK(require_role(caller, "operator"));
  const std::string token = new_token(site);
  COFFER_TRY(const auto row,
             site.db.row("UPDATE users SET token_hash = ? WHERE name = ? AND removed IS"
                         " NULL RETURNING roles",
                         {hash_of(token), name}));
  if (!row) return not_found("user", name);
  return token_json(name, split(row->text(0), ','), token);
}

Result<Json> list_users(Site& site, const Caller&, const Page& page) {
  COFFER_TRY(const auto rows,
             site.db.rows(fmt::format("{} WHERE name > ? ORDER BY name LIMIT ?", kUser),
                          {page.cursor, static_cast<std::int64_t>(page.limit + 1)}));
  Json::Array items;
  for (const auto& row : rows) {
    COFFER_TRY(Json item, user_json(site, row));
    item.set("keys", Json::array());
    items.push_back(std::move(item));
  }
  return page_json(std::move(items), page, [&](std::size_t last) { return rows[last].text(0); });
}

Result<Json> show_user(Site& site, const Caller&, const std::string& name) {
  COFFER_TRY(const auto row, site.db.row(fmt::format("{} WHERE name = ?", kUser), {name}));
  if (!row) return not_found("user", name);
  return user_json(site, *row);
}

Result<Json> remove_user(Site& site, const Caller& caller, const std::string& name,
                         std::string_view envelope) {
  COFFER_CHECK(require_role(caller, "operator"));
  COFFER_TRY(const auto row,
             site.db.row("SELECT sign_key FROM users WHERE name = ? AND removed IS NULL", {name}));
  if (!row) return not_found("user", name);
  if (row->text(0).empty()) {
    COFFER_CHECK(site.db.run("UPDATE users SET removed = ?, token_hash = NULL WHERE name = ?",
                             {site.now_ms(), name}));
    return show_user(site, caller, name);
  }
  COFFER_TRY(const auto parsed, grant::parse_envelope(envelope));
  COFFER_TRY(const auto removal, grant::open<grant::Removal>(parsed));
  if (removal.user != name) return bad_field("user", "of the removal must be " + name);
  COFFER_CHECK(append(site, keeper::RemoveUser{keeper::fresh_seed(), std::string(envelope)}));
  return show_user(site, caller, name);
}

Result<> apply(const Applied& context, const keeper::RemoveUser& op) {
  COFFER_TRY(const auto parsed, grant::parse_envelope(op.envelope));
  COFFER_TRY(const auto removal, grant::open<grant::Removal>(parsed));
  return context.site.db.run("UPDATE users SET removed = ?, token_hash = NULL WHERE name = ?",
                             {context.site.now_ms(), removal.user});
}

Result<Json> register_key(Site& site, const Caller& caller, std::string_view envelope) {
  COFFER_TRY(const auto parsed, grant::parse_envelope(envelope));
  COFFER_TRY(const auto key, grant::open<grant::UserKey>(parsed));
  if (key.user != caller.user) return bad_field("user", "must be " + caller.user);
  const bool pins = caller.is("operator") && !site.status.operator_key;
  COFFER_TRY(
      const auto done,
      append(site, keeper::RegisterKey{keeper::fresh_seed(), std::string(envelope),
                                       pins ? keeper::KeyRole::Operator : keeper::KeyRole::User}));
  if (pins) site.status.operator_key = key.sign_key;
  return Json::object(
      {{"user", caller.user},
       {"fingerprint", fingerprint_json(base64(key.sign_key), base64(key.seal_key))},
       {"key", parsed.digest().text()},
       {"sequence", key.sequence},
       {"ledger", ledger_range(done)}});
}

Result<> apply(const Applied& context, const keeper::RegisterKey& op) {
  auto& database = context.site.db;
  COFFER_TRY(const auto parsed, grant::parse_envelope(op.envelope));
  COFFER_TRY(const auto key, grant::open<grant::UserKey>(parsed));
  const auto sequence = static_cast<std::int64_t>(key.sequence);
  COFFER_CHECK(
      database.run("INSERT OR IGNORE INTO key_history(user, sequence, envelope) VALUES(?,?,?)",
                   {key.user, sequence, op.envelope}));
  return database.run(
      "UPDATE users SET sign_key = ?, seal_key = ?, key_envelope = ?, key_sequence = ?"
      " WHERE name = ?",
      {base64(key.sign_key), base64(key.seal_key), op.envelope, sequence, key.user});
}

Result<Json> whoami(Site& site, const Caller& caller) {
  COFFER_TRY(const auto row,
             site.db.row("SELECT sign_key, seal_key, key_sequence, key_envelope FROM users"
                         " WHERE name = ?",
                         {caller.user}));
  Json key_digest;
  if (!row->text(3).empty()) {
    COFFER_TRY(const auto envelope, grant::parse_envelope(row->text(3)));
    key_digest = envelope.digest().text();
  }
  return Json::object({{"user", caller.user},
                       {"roles", Json{caller.roles}},
                       {"sign_key", text_or_null(row->text(0))},
                       {"seal_key", text_or_null(row->text(1))},
                       {"fingerprint", fingerprint_json(row->text(0), row->text(1))},
                       {"key_sequence", row->integer(2)},
                       {"key_digest", std::move(key_digest)},
                       {"operator_pinned", site.status.operator_key.has_value()},
                       {"keeper_fingerprint", keeper_fingerprint(site)},
                       {"version", COFFER_VERSION}});
}

Json version_json(const Site& site) {
  return Json::object({{"name", "coffer"},
                       {"version", COFFER_VERSION},
                       {"api", "v1"},
                       {"ledger_vkey", site.status.ledger_vkey},
                       {"keeper_seal_key", base64(site.status.seal_key)},
                       {"keeper_fingerprint", keeper_fingerprint(site)},
                       {"time", time_text(site.now_ms())}});
}

Result<SignPublic> sign_key_of(Site& site, const Caller& caller) {
  COFFER_TRY(const auto row,
             site.db.row("SELECT sign_key FROM users WHERE name = ?", {caller.user}));
  if (!row || row->text(0).empty()) {
    return Error{Code::FailedPrecondition, caller.user + " has no registered key"}
        .as("key_missing")
        .then("coffer login");
  }
  return parse_key32(row->text(0));
}

Result<> require_own_signature(Site& site, const Caller& caller, const grant::Envelope& envelope) {
  COFFER_TRY(const auto key, sign_key_of(site, caller));
  if (grant::signed_by(envelope, key)) return {};
  return Error{Code::Denied, "not signed with the present key of " + caller.user}
      .as("signature")
      .at("envelope");
}

Result<std::string> user_of_key(Site& site, const SignPublic& key) {
  COFFER_TRY(const auto row,
             site.db.row("SELECT name FROM users WHERE sign_key = ?", {base64(key)}));
  return row ? row->text(0) : std::string{};
}

}  // namespace coffer::front
