// Reading datasets: who may see which card, and what owners alone get back.

#include <fcntl.h>
#include <fmt/format.h>

#include "front/datasets.h"
#include "front/users.h"
#include "grant/objects.h"
#include "vault/store.h"

namespace coffer::front {
namespace {

constexpr std::string_view kDataset =
    "SELECT id, name, owner, owner_key, class, card, visible, readme, public, grade, card_sequence,"
    " limit_sequence, limit_envelope, created FROM datasets";

// The class and grade table of protocol.md section 3, narrowed by what the owner chose: public
// data and general 1-2 are seen by all; general 3-4 and important by members; core by named users.
constexpr std::string_view kSeen =
    "(owner = ?1 OR ?2 OR EXISTS(SELECT 1 FROM grants g JOIN grant_users u ON u.grant_digest = "
    "g.digest"
    " WHERE g.dataset = datasets.id AND u.user = ?1) OR (visible <> 'private' AND (public OR"
    " (class <> '' AND class <> 'core'))))";

std::vector<db::Value> seen_by(const Caller& caller) {
  return {caller.user, std::int64_t{caller.is("auditor") ? 1 : 0}};
}

DatasetRow read_row(const db::Row& row) {
  return DatasetRow{.id = row.text(0),
                    .name = row.text(1),
                    .owner = row.text(2),
                    .owner_key = row.text(3),
                    .data_class = row.text(4),
                    .card = row.text(5),
                    .visible = row.text(6),
                    .readme = row.text(7),
                    .is_public = row.integer(8) != 0,
                    .grade = row.integer(9),
                    .card_sequence = row.integer(10),
                    .limit_sequence = row.integer(11),
                    .limit_envelope = row.text(12)};
}

Json text_or_null(const std::string& text) { return text.empty() ? Json{} : Json{text}; }
Json class_json(const DatasetRow& row) { return text_or_null(row.data_class); }
Json grade_json(const DatasetRow& row) { return row.grade == 0 ? Json{} : Json{row.grade}; }

std::string visible_text(const DatasetRow& row) {
  if (!row.visible.empty()) return row.visible;
  if (row.is_public || (row.data_class == "general" && row.grade <= 2)) return "all";
  return row.data_class.empty() || row.data_class == "core" ? "private" : "members";
}

// The published card: null before grading.
Result<Json> card_json(const DatasetRow& row) {
  if (row.card.empty()) return Json{};
  COFFER_TRY(const auto envelope, grant::parse_envelope(row.card));
  COFFER_TRY(const Json card, Json::parse(envelope.payload));
  return Json::object({{"class", card["class"]},
                       {"grade", card["grade"]},
                       {"sequence", card["sequence"]},
                       {"files", card["files"]}});
}

Result<std::string> carded_manifest(const DatasetRow& row) {
  if (row.card.empty()) return std::string{};
  COFFER_TRY(const auto envelope, grant::parse_envelope(row.card));
  COFFER_TRY(const auto card, grant::open<grant::Card>(envelope));
  return card.manifest.text();
}

Result<Json> envelope_json(const std::string& envelope) {
  if (envelope.empty()) return Json{};
  return Json::parse(envelope);
}

std::int64_t rows_of(const Json& card) {
  std::int64_t rows = 0;
  if (const auto* files = card["files"].as_array()) {
    for (const auto& file : *files) rows += file.int_or("rows", 0);
  }
  return rows;
}

Result<Json> summary(Site& site, const DatasetRow& row) {
  COFFER_TRY(const auto newest,
             site.db.row("SELECT n, files, bytes, created FROM versions WHERE dataset ="
                         " ? AND removed IS NULL ORDER BY n DESC LIMIT 1",
                         {row.id}));
  COFFER_TRY(const auto count,
             site.db.row("SELECT COUNT(*) FROM versions WHERE dataset = ?", {row.id}));
  COFFER_TRY(const Json card, card_json(row));
  return Json::object({{"name", row.name},
                       {"dataset_id", row.id},
                       {"owner", row.owner},
                       {"public", row.is_public},
                       {"latest", fmt::format("{}@v{}", row.name, newest ? newest->integer(0) : 1)},
                       {"versions", count->integer(0)},
                       {"files", newest ? newest->integer(1) : 0},
                       {"bytes", newest ? newest->integer(2) : 0},
                       {"rows", rows_of(card)},
                       {"grade", grade_json(row)},
                       {"class", class_json(row)},
                       {"updated", time_text(newest ? newest->integer(3) : 0)}});
}

Result<Json> limit_json(const DatasetRow& row) {
  if (row.limit_envelope.empty()) return Json{};
  COFFER_TRY(const auto envelope, grant::parse_envelope(row.limit_envelope));
  COFFER_TRY(const auto limit, grant::open<grant::Limit>(envelope));
  return Json::object({{"bits", limit.bits},
                       {"epsilon_milli", limit.epsilon_milli},
                       {"overcommit", limit.overcommit},
                       {"sequence", limit.sequence}});
}

struct FoundVersion {
  DatasetRow dataset;
  db::Row row;  // kVersion
};

constexpr std::string_view kVersion =
    "SELECT manifest, n, envelope, list, files, bytes, owner_keys, proposal, public_key, note, "
    "created,"
    " removed, entry_first, entry_last FROM versions";

Result<FoundVersion> find_version(Site& site, const Caller& caller, const std::string& name,
                                  std::int64_t version) {
  COFFER_TRY(auto dataset, find_dataset(site, caller, name));
  COFFER_TRY(auto row,
             site.db.row(fmt::format("{} WHERE dataset = ? AND (n = ? OR (? = 0 AND removed IS"
                                     " NULL)) ORDER BY n DESC LIMIT 1",
                                     kVersion),
                         {dataset.id, version, version}));
  if (!row) {
    return Error{Code::NotFound, fmt::format("{} has no version {}", name, version)}.as(
        "version_unknown");
  }
  return FoundVersion{std::move(dataset), *std::move(row)};
}

Result<> require_reader(const Caller& caller, const DatasetRow& dataset) {
  if (dataset.is_public || dataset.owner == caller.user) return {};
  return not_found("dataset", dataset.name);
}

}  // namespace

Result<DatasetRow> find_dataset(Site& site, const Caller& caller, const std::string& name) {
  std::vector<db::Value> parameters = seen_by(caller);
  parameters.emplace_back(name);
  COFFER_TRY(const auto row,
             site.db.row(fmt::format("{} WHERE {} AND name = ?3 ORDER BY created DESC LIMIT"
                                     " 1",
                                     kDataset, kSeen),
                         parameters));
  if (!row) return not_found("dataset", name);
  return read_row(*row);
}

Result<Json> list_datasets(Site& site, const Caller& caller, const std::string& query,
                           const Page& page) {
  std::vector<db::Value> parameters = seen_by(caller);
  parameters.emplace_back(page.cursor);
  parameters.emplace_back(query);
  parameters.emplace_back(static_cast<std::int64_t>(page.limit + 1));
  COFFER_TRY(
      const auto rows,
      site.db.rows(fmt::format("{} WHERE {} AND name > ?3 AND (?4 = '' OR instr(name, ?4) > 0 OR"
                               " instr(readme, ?4) > 0) ORDER BY name LIMIT ?5",
                               kDataset, kSeen),
                   parameters));
  Json::Array items;
  for (const auto& row : rows) {
    COFFER_TRY(Json item, summary(site, read_row(row)));
    items.push_back(std::move(item));
  }
  return page_json(std::move(items), page, [&](std::size_t last) { return rows[last].text(1); });
}

Json limited_json(const program::Cost& amount) {
  return Json::object({{"bits", amount.bits}, {"epsilon_milli", amount.epsilon_milli}});
}

Result<Json> show_dataset(Site& site, const Caller& caller, const std::string& name) {
  COFFER_TRY(const auto dataset, find_dataset(site, caller, name));
  const bool inside = dataset.owner == caller.user || caller.is("auditor");
  Json limit, spent, reserved;
  if (inside && !dataset.limit_envelope.empty()) {
    COFFER_TRY(limit, limit_json(dataset));
    COFFER_TRY(const auto budget,
               site.links.ask_keeper_for<keeper::BudgetReply>(keeper::DatasetBudget{dataset.id}));
    spent = limited_json(budget.spent);
    reserved = limited_json(budget.reserved);
  }
  COFFER_TRY(const auto carded, carded_manifest(dataset));
  COFFER_TRY(const auto rows,
             site.db.rows(fmt::format("{} WHERE dataset = ? ORDER BY n", kVersion), {dataset.id}));
  Json versions = Json::array();
  for (const auto& row : rows) {
    versions.push(Json::object({{"dataset", fmt::format("{}@v{}", name, row.integer(1))},
                                {"version", row.integer(1)},
                                {"manifest", row.text(0)},
                                {"files", row.integer(4)},
                                {"bytes", row.integer(5)},
                                {"graded", row.text(0) == carded},
                                {"removed", !row.is_null(11)},
                                {"note", row.text(9)},
                                {"created", time_text(row.integer(10))}}));
  }
  return Json::object({{"name", dataset.name},
                       {"dataset_id", dataset.id},
                       {"owner", dataset.owner},
                       {"owner_key", dataset.owner_key},
                       {"public", dataset.is_public},
                       {"visible", visible_text(dataset)},
                       {"readme", dataset.readme},
                       {"class", class_json(dataset)},
                       {"grade", grade_json(dataset)},
                       {"limit", std::move(limit)},
                       {"limit_sequence", dataset.limit_sequence},
                       {"card_sequence", dataset.card_sequence},
                       {"spent", std::move(spent)},
                       {"reserved", std::move(reserved)},
                       {"versions", std::move(versions)}});
}

Result<Json> show_version(Site& site, const Caller& caller, const std::string& name,
                          std::int64_t version) {
  COFFER_TRY(const auto found, find_version(site, caller, name, version));
  COFFER_TRY(const auto envelope, grant::parse_envelope(found.row.text(2)));
  COFFER_TRY(const auto manifest, grant::open<grant::Manifest>(envelope));
  // A card of another version describes this one where the owner did not grade it anew.
  COFFER_TRY(Json card, card_json(found.dataset));
  COFFER_TRY(Json manifest_envelope, envelope_json(found.row.text(2)));
  COFFER_TRY(Json card_envelope, envelope_json(found.dataset.card));
  return Json::object({{"dataset", fmt::format("{}@v{}", name, manifest.version)},
                       {"dataset_id", found.dataset.id},
                       {"version", manifest.version},
                       {"manifest", found.row.text(0)},
                       {"parent", manifest.parent ? Json{manifest.parent->text()} : Json{}},
                       {"public", found.dataset.is_public},
                       {"files", manifest.files},
                       {"bytes", manifest.bytes},
                       {"note", found.row.text(9)},
                       {"owner_key", base64(manifest.owner_key)},
                       {"public_key", text_or_null(found.row.text(8))},
                       {"removed", !found.row.is_null(11)},
                       {"created", time_text(found.row.integer(10))},
                       {"card", std::move(card)},
                       {"manifest_envelope", std::move(manifest_envelope)},
                       {"card_envelope", std::move(card_envelope)},
                       {"ledger", Json::object({{"first", found.row.integer(12)},
                                                {"last", found.row.integer(13)}})}});
}

Result<Json> show_owner_view(Site& site, const Caller& caller, const std::string& name,
                             std::int64_t version) {
  COFFER_TRY(const auto found, find_version(site, caller, name, version));
  if (found.dataset.owner != caller.user) return not_found("dataset", name);
  COFFER_TRY(Json manifest_envelope, envelope_json(found.row.text(2)));
  return Json::object({{"dataset", fmt::format("{}@v{}", name, found.row.integer(1))},
                       {"owner_keys", text_or_null(found.row.text(6))},
                       {"proposal", text_or_null(found.row.text(7))},
                       {"manifest_envelope", std::move(manifest_envelope)}});
}

Result<UniqueFd> open_chunk_list(Site& site, const Caller& caller, const std::string& name,
                                 std::int64_t version) {
  COFFER_TRY(const auto found, find_version(site, caller, name, version));
  COFFER_CHECK(require_reader(caller, found.dataset));
  COFFER_TRY(auto store, vault::Store::open(site.data / "vault", found.dataset.id));
  COFFER_TRY(const Digest list, Digest::parse(found.row.text(3)));
  return store.open_list(list);
}

Result<ByteVector> read_chunk(Site& site, const Caller& caller, const std::string& dataset_id,
                              const std::string& chunk) {
  COFFER_TRY(const auto row, site.db.row(fmt::format("{} WHERE id = ?", kDataset), {dataset_id}));
  if (!row) return not_found("dataset", dataset_id);
  COFFER_CHECK(require_reader(caller, read_row(*row)));
  COFFER_TRY(const Digest name, Digest::parse("sha256:" + chunk));
  COFFER_TRY(auto store, vault::Store::open(site.data / "vault", dataset_id));
  return store.chunk(name);
}

}  // namespace coffer::front
