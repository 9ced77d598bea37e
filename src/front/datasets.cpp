// Adding and changing datasets. Reading is in dataset_views.cpp.

#include "front/datasets.h"

#include <fmt/format.h>

#include "front/append.h"
#include "front/apply.h"
#include "front/schedule.h"
#include "front/uploads.h"
#include "front/users.h"
#include "grant/objects.h"
#include "os/files.h"
#include "vault/store.h"

namespace coffer::front {
namespace {

constexpr std::uint64_t kProposalMax = 4ULL << 20;
constexpr std::size_t kNamesMax = 16'384;

std::string vault_of(const Site& site) { return site.data / "vault"; }

// The first to name a fresh id has it; later only the owner of the dataset.
Result<> claim(Site& site, const Caller& caller, const std::string& id) {
  COFFER_CHECK(require_role(caller, "owner"));
  if (!grant::is_dataset_id(id)) return bad_field("dataset_id", "must be ds_ and 16 of base32");
  COFFER_CHECK(site.db.run("INSERT OR IGNORE INTO claims(dataset, user, created) VALUES(?,?,?)",
                           {id, caller.user, site.now_ms()}));
  COFFER_TRY(const auto row, site.db.row("SELECT user FROM claims WHERE dataset = ?", {id}));
  if (row && row->text(0) == caller.user) return {};
  return Error{Code::Denied, "dataset id " + id + " is another owner's"}.as("not_owner");
}

Result<DatasetRow> find_owned(Site& site, const Caller& caller, const std::string& name) {
  COFFER_TRY(auto dataset, find_dataset(site, caller, name));
  if (dataset.owner == caller.user) return dataset;
  return Error{Code::Denied, name + " belongs to " + dataset.owner}.as("not_owner");
}

Result<> store_list(Site& site, const Caller& caller, const grant::Manifest& manifest,
                    const VersionPost& post) {
  COFFER_TRY(auto store, vault::Store::create(vault_of(site), manifest.dataset_id));
  COFFER_TRY(const UniqueFd list, open_upload(site, caller, post.chunk_list));
  if (auto put = store.put_list(list.get(), manifest.chunk_list); !put) {
    const bool missing = put.error().code == Code::FailedPrecondition;
    return std::move(put).error().as(missing ? "chunk_missing" : "chunk_list_digest");
  }
  if (!manifest.is_public) return {};
  COFFER_TRY(const auto bytes, parse_key32(post.public_key));
  COFFER_TRY(const Key key, key_from(bytes));
  return store.publish_key(manifest.chunk_list, key);
}

Result<> check_post(const grant::Manifest& manifest, const VersionPost& post) {
  const bool is_public = manifest.is_public;
  if (post.public_key.empty() == is_public) {
    return bad_field("public_key", is_public ? "is missing: the dataset is public"
                                             : "must be null: the dataset is protected");
  }
  if (post.keeper_key.empty() != is_public || post.owner_keys.empty() != is_public) {
    return bad_field("keeper_key", is_public
                                       ? "must be null: the dataset is public"
                                       : "and owner_keys are needed: the dataset is protected");
  }
  return {};
}

}  // namespace

Result<Json> missing_chunks(Site& site, const Caller& caller, const std::string& dataset_id,
                            const Json& body) {
  COFFER_CHECK(claim(site, caller, dataset_id));
  std::vector<Digest> names;
  const auto* items = body["chunks"].as_array();
  if (items == nullptr || items->size() > kNamesMax) {
    return bad_field("chunks", fmt::format("must be a list of at most {} names", kNamesMax));
  }
  for (const auto& item : *items) {
    const auto* text = item.as_string();
    auto name = Digest::parse("sha256:" + (text != nullptr ? *text : std::string{}));
    if (!name) return bad_field("chunks", "must hold 64 hex digits each");
    names.push_back(*name);
  }
  COFFER_TRY(auto store, vault::Store::create(vault_of(site), dataset_id));
  COFFER_TRY(const auto missing, store.missing(names));
  Json out = Json::array();
  for (const auto& name : missing) out.push(hex(name.bytes));
  return Json::object({{"missing", std::move(out)}});
}

Result<Json> add_pack(Site& site, const Caller& caller, const std::string& dataset_id,
                      const std::string& upload) {
  COFFER_CHECK(claim(site, caller, dataset_id));
  COFFER_TRY(const UniqueFd pack, open_upload(site, caller, upload));
  COFFER_TRY(auto store, vault::Store::create(vault_of(site), dataset_id));
  COFFER_TRY(const auto stored, store.put_pack(pack.get()));
  site.count_stored(dataset_id, static_cast<std::int64_t>(stored.bytes));
  use_up(site, upload);
  return Json::object({{"chunks", stored.chunks}, {"bytes", stored.bytes}});
}

Result<Json> add_version(Site& site, const Caller& caller, const std::string& name,
                         const VersionPost& post) {
  COFFER_TRY(const auto envelope, grant::parse_envelope(post.envelope));
  COFFER_TRY(const auto manifest, grant::open<grant::Manifest>(envelope));
  if (manifest.name != name) return bad_field("name", "of the manifest must be " + name);
  COFFER_CHECK(require_own_signature(site, caller, envelope));
  COFFER_CHECK(claim(site, caller, manifest.dataset_id));
  COFFER_CHECK(check_post(manifest, post));
  COFFER_TRY(const auto other,
             site.db.row("SELECT id FROM datasets WHERE name = ? AND id <> ? AND EXISTS("
                         "SELECT 1 FROM versions v WHERE v.dataset = datasets.id)",
                         {name, manifest.dataset_id}));
  // Also when all its versions are removed: its limit is for life.
  if (other) {
    return Error{Code::AlreadyExists, "the name " + name + " belongs to another dataset"}.as(
        "name_taken");
  }
  COFFER_CHECK(store_list(site, caller, manifest, post));
  Json extra = Json::object({{"user", caller.user},
                             {"owner_keys", post.owner_keys},
                             {"public_key", post.public_key},
                             {"note", post.note},
                             {"time", site.now_ms()},
                             {"proposal", ""}});
  if (!post.proposal.empty()) {
    COFFER_TRY(const UniqueFd file, open_upload(site, caller, post.proposal));
    COFFER_TRY(const auto sealed, read_all(file.get(), kProposalMax));
    extra.set("proposal", base64(sealed));
  }
  COFFER_TRY(const auto key, parse_base64(post.keeper_key));
  COFFER_TRY(const auto done,
             append(site, keeper::AddManifest{keeper::fresh_seed(), post.envelope, key}, extra));
  use_up(site, post.chunk_list);
  if (!post.proposal.empty()) use_up(site, post.proposal);
  return Json::object({{"dataset", fmt::format("{}@v{}", name, manifest.version)},
                       {"dataset_id", manifest.dataset_id},
                       {"version", manifest.version},
                       {"manifest", envelope.digest().text()},
                       {"ledger", ledger_range(done)}});
}

Result<> apply(const Applied& context, const keeper::AddManifest& op) {
  auto& database = context.site.db;
  const Json& extra = context.extra;
  COFFER_TRY(const auto envelope, grant::parse_envelope(op.envelope));
  COFFER_TRY(const auto manifest, grant::open<grant::Manifest>(envelope));
  const std::int64_t now = extra.int_or("time", 0);
  COFFER_CHECK(database.run(
      "INSERT INTO datasets(id, name, public, owner, owner_key, created) VALUES(?,?,?,?,?,?) ON"
      " CONFLICT(id) DO UPDATE SET name = excluded.name, owner_key = excluded.owner_key",
      {manifest.dataset_id, manifest.name, std::int64_t{manifest.is_public ? 1 : 0},
       extra.text_or("user", ""), base64(manifest.owner_key), now}));
  const auto entry = static_cast<std::int64_t>(context.appended.entries.front().index);
  return database.run(
      "INSERT OR IGNORE INTO versions(manifest, dataset, n, envelope, list, entry_first, "
      "entry_last,"
      " files, bytes, owner_keys, proposal, public_key, note, created) "
      "VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
      {envelope.digest().text(), manifest.dataset_id, static_cast<std::int64_t>(manifest.version),
       op.envelope, manifest.chunk_list.text(), entry, entry,
       static_cast<std::int64_t>(manifest.files), static_cast<std::int64_t>(manifest.bytes),
       extra.text_or("owner_keys", ""), extra.text_or("proposal", ""),
       extra.text_or("public_key", ""), extra.text_or("note", ""), now});
}

Result<Json> set_card(Site& site, const Caller& caller, const std::string& name,
                      std::string_view envelope) {
  COFFER_TRY(const auto dataset, find_owned(site, caller, name));
  COFFER_TRY(const auto parsed, grant::parse_envelope(envelope));
  COFFER_TRY(const auto card, grant::open<grant::Card>(parsed));
  if (card.dataset_id != dataset.id)
    return bad_field("dataset_id", "of the card must be " + dataset.id);
  COFFER_TRY(const auto done,
             append(site, keeper::SetCard{keeper::fresh_seed(), std::string(envelope)}));
  COFFER_TRY(const auto version,
             site.db.row("SELECT n FROM versions WHERE manifest = ?", {card.manifest.text()}));
  return Json::object({{"dataset", fmt::format("{}@v{}", name, version ? version->integer(0) : 0)},
                       {"sequence", card.sequence},
                       {"ledger", ledger_range(done)}});
}

Result<> apply(const Applied& context, const keeper::SetCard& op) {
  COFFER_TRY(const auto parsed, grant::parse_envelope(op.envelope));
  COFFER_TRY(const auto card, grant::open<grant::Card>(parsed));
  const auto last = static_cast<std::int64_t>(context.appended.entries.back().index);
  COFFER_CHECK(context.site.db.run("UPDATE versions SET entry_last = ? WHERE manifest = ?",
                                   {last, card.manifest.text()}));
  return context.site.db.run(
      "UPDATE datasets SET class = ?, grade = ?, card = ?, card_digest = ?, card_sequence = ? "
      "WHERE id = ?",
      {std::string(grant::class_name(card.data_class)), static_cast<std::int64_t>(card.grade),
       op.envelope, parsed.digest().text(), static_cast<std::int64_t>(card.sequence),
       card.dataset_id});
}

Result<Json> set_limit(Site& site, const Caller& caller, const std::string& name,
                       std::string_view envelope) {
  COFFER_TRY(const auto dataset, find_owned(site, caller, name));
  COFFER_TRY(const auto parsed, grant::parse_envelope(envelope));
  COFFER_TRY(const auto limit, grant::open<grant::Limit>(parsed));
  if (limit.dataset_id != dataset.id) {
    return bad_field("dataset_id", "of the limit must be " + dataset.id);
  }
  COFFER_TRY(const auto done,
             append(site, keeper::SetLimit{keeper::fresh_seed(), std::string(envelope)}));
  COFFER_TRY(const auto budget,
             site.links.ask_keeper_for<keeper::BudgetReply>(keeper::DatasetBudget{dataset.id}));
  return Json::object({{"dataset", name},
                       {"limit", Json::object({{"bits", limit.bits},
                                               {"epsilon_milli", limit.epsilon_milli},
                                               {"overcommit", limit.overcommit},
                                               {"sequence", limit.sequence}})},
                       {"spent", limited_json(budget.spent)},
                       {"reserved", limited_json(budget.reserved)},
                       {"ledger", ledger_range(done)}});
}

Result<> apply(const Applied& context, const keeper::SetLimit& op) {
  COFFER_TRY(const auto parsed, grant::parse_envelope(op.envelope));
  COFFER_TRY(const auto limit, grant::open<grant::Limit>(parsed));
  COFFER_CHECK(context.site.db.run(
      "UPDATE datasets SET limit_envelope = ?, limit_sequence = ? WHERE id = ?",
      {op.envelope, static_cast<std::int64_t>(limit.sequence), limit.dataset_id}));
  return ask_again_after_limit(context.site);
}

Result<Json> patch_dataset(Site& site, const Caller& caller, const std::string& name,
                           const Json& body) {
  COFFER_TRY(const auto dataset, find_owned(site, caller, name));
  if (const auto* readme = body["readme"].as_string()) {
    COFFER_CHECK(site.db.run("UPDATE datasets SET readme = ? WHERE id = ?", {*readme, dataset.id}));
  }
  if (const auto* visible = body["visible"].as_string()) {
    if (*visible != "all" && *visible != "members" && *visible != "private") {
      return bad_field("visible", "must be all, members or private");
    }
    COFFER_CHECK(
        site.db.run("UPDATE datasets SET visible = ? WHERE id = ?", {*visible, dataset.id}));
  }
  return show_dataset(site, caller, name);
}

Result<Json> remove_version(Site& site, const Caller& caller, const std::string& name,
                            std::int64_t version, std::string_view envelope) {
  COFFER_TRY(const auto dataset, find_owned(site, caller, name));
  COFFER_TRY(const auto row,
             site.db.row("SELECT manifest, list FROM versions WHERE dataset = ? AND n = ?"
                         " AND removed IS NULL",
                         {dataset.id, version}));
  if (!row) return not_found("dataset version", fmt::format("{}@v{}", name, version));
  COFFER_TRY(const Digest manifest, Digest::parse(row->text(0)));
  COFFER_TRY(const auto done, append(site, keeper::RemoveVersion{keeper::fresh_seed(), manifest,
                                                                 std::string(envelope)}));
  COFFER_TRY(auto store, vault::Store::open(vault_of(site), dataset.id));
  COFFER_TRY(const Digest list, Digest::parse(row->text(1)));
  COFFER_TRY(const auto collected, store.remove_list(list));
  site.count_stored(dataset.id, -static_cast<std::int64_t>(collected.bytes));
  return Json::object({{"dataset", fmt::format("{}@v{}", name, version)},
                       {"chunks_deleted", collected.chunks},
                       {"ledger", ledger_range(done)}});
}

Result<> collect_unused(Site& site) {
  COFFER_TRY(const auto rows, site.db.rows("SELECT id FROM datasets", {}));
  for (const auto& row : rows) {
    auto store = vault::Store::open(vault_of(site), row.text(0));
    if (!store) continue;  // nothing was ever sent
    COFFER_TRY(const auto collected,
               store->collect_garbage(site.clock.unix_time() - std::chrono::hours{24}));
    site.count_stored(row.text(0), -static_cast<std::int64_t>(collected.bytes));
  }
  return {};
}

Result<> apply(const Applied& context, const keeper::RemoveVersion& op) {
  return context.site.db.run(
      "UPDATE versions SET removed = ?, owner_keys = '', proposal = '' WHERE"
      " manifest = ?",
      {context.site.now_ms(), op.manifest.text()});
}

}  // namespace coffer::front
