#include "front/ledger_view.h"

#include <fmt/format.h>

#include <algorithm>

#include "front/counts.h"
#include "front/datasets.h"
#include "front/users.h"
#include "ledger/checkpoint.h"
#include "ledger/proof.h"

namespace coffer::front {
namespace {

// ?1 the caller is an auditor, ?2 the caller.
constexpr std::string_view kReadable =
    "(?1 OR e.user = ?2"
    " OR EXISTS(SELECT 1 FROM datasets d WHERE d.id = e.dataset AND d.owner = ?2)"
    " OR EXISTS(SELECT 1 FROM versions v JOIN datasets d ON d.id = v.dataset WHERE v.manifest = "
    "e.object"
    " AND d.owner = ?2)"
    " OR EXISTS(SELECT 1 FROM grants g LEFT JOIN grant_users u ON u.grant_digest = g.digest WHERE"
    " g.digest = e.object AND (g.owner = ?2 OR u.user = ?2))"
    " OR EXISTS(SELECT 1 FROM runs r WHERE r.digest = e.object AND r.user = ?2)"
    " OR EXISTS(SELECT 1 FROM run_grants x JOIN grants g ON g.digest = x.grant_digest LEFT JOIN"
    " grant_users u ON u.grant_digest = g.digest AND u.role = 'approver' WHERE x.run = e.object AND"
    " (g.owner = ?2 OR u.user = ?2)))";

// ?3 dataset id, ?4 user, ?5 run digest: each empty for any.
constexpr std::string_view kAbout =
    "(?3 = '' OR e.dataset = ?3 OR EXISTS(SELECT 1 FROM grants g WHERE g.digest = e.object AND "
    "g.dataset"
    " = ?3) OR EXISTS(SELECT 1 FROM run_grants x JOIN grants g ON g.digest = x.grant_digest WHERE "
    "x.run ="
    " e.object AND g.dataset = ?3))"
    " AND (?4 = '' OR e.user = ?4 OR EXISTS(SELECT 1 FROM runs r WHERE r.digest = e.object AND "
    "r.user ="
    " ?4) OR EXISTS(SELECT 1 FROM grant_users u WHERE u.grant_digest = e.object AND u.user = ?4))"
    " AND (?5 = '' OR e.object = ?5)";

Json entry_json(const db::Row& row) {
  const bool open = row.integer(6) != 0 && !row.is_null(4);
  // Of an entry that was lost with a database only the hash is known.
  const bool lost = row.text(1) == "lost";
  const std::string hash = lost ? hex(row.blob(7)) : hex(ledger::leaf_hash(row.blob(3)).bytes);
  return Json::object({{"index", row.integer(0)},
                       {"kind", row.text(1)},
                       {"time", time_text(row.integer(2))},
                       {"entry", text_of(row.blob(3))},
                       {"hash", hash},
                       {"private", open ? Json{text_of(row.blob(4))} : Json{}},
                       {"nonce", open ? Json{base64(row.blob(5))} : Json{}}});
}

const std::string& columns() {
  static const std::string kText = fmt::format(
      "SELECT e.idx, e.kind, e.time, e.public, e.private, e.nonce, {}, e.leaf FROM entries e",
      kReadable);
  return kText;
}

std::vector<db::Value> reader(const Caller& caller) {
  return {std::int64_t{caller.is("auditor") ? 1 : 0}, caller.user};
}

Result<std::int64_t> time_of(const std::string& text, std::int64_t otherwise, const char* field) {
  if (text.empty()) return otherwise;
  const auto time = parse_time(text);
  if (!time) return bad_field(field, "must be a time such as 2026-03-01T09:30:00Z");
  return std::int64_t{time->time_since_epoch().count()};
}

Result<db::Row> find_entry(Site& site, const Caller& caller, std::uint64_t index) {
  std::vector<db::Value> parameters = reader(caller);
  parameters.emplace_back(static_cast<std::int64_t>(std::min<std::uint64_t>(index, INT64_MAX)));
  COFFER_TRY(auto row, site.db.row(columns() + " WHERE e.idx = ?3", parameters));
  if (row) return *std::move(row);
  if (index < site.tree.size()) {
    return Error{Code::NotFound, fmt::format("entry {} is lost: only its hash stands", index)}.as(
        "not_found");
  }
  return Error{Code::NotFound, fmt::format("the ledger ends before entry {}", index)}
      .as("not_found")
      .above(std::to_string(site.tree.size()));
}

}  // namespace

Result<Json> list_entries(Site& site, const Caller& caller, const EntryFilter& filter,
                          const Page& page) {
  COFFER_TRY(const auto since, time_of(filter.since, INT64_MIN, "since"));
  COFFER_TRY(const auto until, time_of(filter.until, INT64_MAX, "until"));
  std::string dataset, run;
  if (!filter.dataset.empty()) {
    COFFER_TRY(const auto found,
               find_dataset(site, caller, filter.dataset.substr(0, filter.dataset.find('@'))));
    dataset = found.id;
  }
  if (!filter.run.empty()) {
    COFFER_TRY(run, find_run(site, caller, filter.run));
  }
  const auto after = page.cursor.empty() ? std::optional<std::int64_t>{-1}
                                         : Json{Json::Number{page.cursor}}.as_int();
  if (!after) return bad_field("cursor", "is not one of this list");
  const bool narrow = !dataset.empty() || !run.empty() || !filter.user.empty();
  std::vector<db::Value> parameters = reader(caller);
  for (const auto& text : {dataset, filter.user, run, filter.kind}) parameters.emplace_back(text);
  for (const auto number : {since, until, *after, static_cast<std::int64_t>(page.limit + 1)}) {
    parameters.emplace_back(number);
  }
  COFFER_TRY(
      const auto rows,
      site.db.rows(fmt::format("{} WHERE {} AND (?6 = '' OR e.kind = ?6) AND e.time >= ?7 AND"
                               " e.time < ?8 AND e.idx > ?9{} ORDER BY e.idx LIMIT ?10",
                               columns(), kAbout,
                               narrow ? fmt::format(" AND {}", kReadable) : std::string{}),
                   parameters));
  Json::Array items;
  for (const auto& row : rows) items.push_back(entry_json(row));
  return page_json(std::move(items), page,
                   [&](std::size_t last) { return std::to_string(rows[last].integer(0)); });
}

Result<Json> show_entry(Site& site, const Caller& caller, std::uint64_t index) {
  COFFER_TRY(const auto row, find_entry(site, caller, index));
  return entry_json(row);
}

Result<std::string> entry_proof(Site& site, const Caller& caller, std::uint64_t index) {
  COFFER_TRY(const auto row, find_entry(site, caller, index));
  COFFER_TRY(const auto checkpoint, checkpoint_text(site));
  if (checkpoint.empty()) return Error{Code::Unavailable, "there is no checkpoint yet"};
  ledger::Opening opening{.public_bytes = row.blob(3), .nonce = {}, .private_bytes = {}};
  if (row.integer(6) != 0 && row.blob(5).size() == sizeof(ledger::Nonce)) {
    opening.private_bytes = row.blob(4);
    opening.nonce.emplace();
    std::copy(row.blob(5).begin(), row.blob(5).end(), opening.nonce->begin());
  }
  COFFER_TRY(const auto proof, ledger::make_proof(site.tree, index, opening, checkpoint));
  return proof.render();
}

}  // namespace coffer::front
