// Releases: their text, their proof, their key for a grantee.

#include <fmt/format.h>

#include <algorithm>

#include "front/append.h"
#include "front/apply.h"
#include "front/reviews.h"
#include "front/users.h"
#include "gate/release.h"
#include "grant/objects.h"
#include "ledger/proof.h"

namespace coffer::front {
namespace {

constexpr std::string_view kRelease =
    "SELECT o.release, o.run, o.name, o.kind, o.lane, o.bits, o.content_bytes, o.digest, "
    "o.released,"
    " r.name, r.envelope FROM outputs o JOIN runs r ON r.digest = o.run";

struct LedgerRow {
  std::uint64_t index{0};
  ByteVector public_bytes;
  ByteVector private_bytes;
  ByteVector nonce;
  std::int64_t time{0};
};

// The `release` entry of one output.
Result<LedgerRow> entry_of(Site& site, const std::string& run, const std::string& output) {
  COFFER_TRY(const auto rows,
             site.db.rows("SELECT idx, public, private, nonce, time FROM entries WHERE"
                          " object = ? AND kind = 'release'",
                          {run}));
  for (const auto& row : rows) {
    COFFER_TRY(const Json fields, Json::parse(text_of(row.blob(2))));
    if (fields.text_or("output", "") != output) continue;
    return LedgerRow{static_cast<std::uint64_t>(row.integer(0)), row.blob(1), row.blob(2),
                     row.blob(3), row.integer(4)};
  }
  return Error{Code::Corrupt, "the ledger has no entry for the release of " + output};
}

Json entry_json(const LedgerRow& entry) {
  return Json::object({{"index", entry.index},
                       {"kind", "release"},
                       {"time", time_text(entry.time)},
                       {"entry", text_of(entry.public_bytes)},
                       {"hash", hex(ledger::leaf_hash(entry.public_bytes).bytes)},
                       {"private", text_of(entry.private_bytes)},
                       {"nonce", base64(entry.nonce)}});
}

Result<std::string> proof_of(Site& site, const LedgerRow& entry) {
  COFFER_TRY(const auto checkpoint, site.db.row("SELECT text FROM checkpoint"));
  if (!checkpoint) return Error{Code::Unavailable, "no checkpoint yet"};
  ledger::Opening opening{.public_bytes = entry.public_bytes,
                          .nonce = ledger::Nonce{},
                          .private_bytes = entry.private_bytes};
  std::copy(entry.nonce.begin(), entry.nonce.end(), opening.nonce->begin());
  COFFER_TRY(const auto proof,
             ledger::make_proof(site.tree, entry.index, opening, checkpoint->text(0)));
  return proof.render();
}

struct Described {
  std::string release_json;
  Json datasets = Json::array();
  Json grants = Json::array();
  Json program;
};

// release.json is written again from what is known, and must be the one in the ledger.
Result<Described> describe(Site& site, const db::Row& row, const LedgerRow& entry) {
  COFFER_TRY(const auto envelope, grant::parse_envelope(row.text(10)));
  COFFER_TRY(const auto run, grant::open<grant::Run>(envelope));
  COFFER_TRY(const Json document, run_json(site, row.text(1)));
  gate::Origin origin{.run = envelope.digest(),
                      .program_name = row.text(9),
                      .program = run.program,
                      .environment = run.environment,
                      .inputs = {},
                      .grants = run.grants};
  Described out;
  for (const auto& input : *document["inputs"].as_array()) {
    COFFER_TRY(const Digest manifest, Digest::parse(input.text_or("digest", "")));
    origin.inputs.push_back({input.text_or("alias", ""), input.text_or("dataset", ""), manifest});
    out.datasets.push(input["dataset"]);
  }
  out.grants = document["grants"];
  out.program = document["program"];
  COFFER_TRY(const Digest content, Digest::parse(row.text(7)));
  for (const auto& output : run.outputs) {
    if (output.name != row.text(2)) continue;
    const gate::ReleaseFacts facts{.output = output,
                                   .bits = static_cast<std::uint64_t>(row.integer(5)),
                                   .bytes = static_cast<std::uint64_t>(row.integer(6)),
                                   .digest = content};
    out.release_json = gate::release_json(facts, origin);
  }
  COFFER_TRY(const Json fields, Json::parse(text_of(entry.private_bytes)));
  if (gate::release_digest(out.release_json).text() != fields.text_or("release", "")) {
    return Error{Code::Corrupt, "release.json of " + row.text(0) + " is not the one in the ledger"};
  }
  return out;
}

Result<Json> render(Site& site, const db::Row& row) {
  COFFER_TRY(const auto entry, entry_of(site, row.text(1), row.text(2)));
  COFFER_TRY(const auto described, describe(site, row, entry));
  COFFER_TRY(const auto proof, proof_of(site, entry));
  COFFER_TRY(const Digest run, Digest::parse(row.text(1)));
  const auto kind = program::kind_of(row.text(3));
  return Json::object(
      {{"id", row.text(0)},
       {"run", grant::run_id(run)},
       {"output", row.text(2)},
       {"kind", row.text(3)},
       {"lane", row.text(4)},
       {"file", row.text(2) + std::string(kind ? program::extension_of(*kind) : "")},
       {"datasets", described.datasets},
       {"grants", described.grants},
       {"program", described.program},
       {"bits", row.integer(5)},
       {"digest", row.text(7)},
       {"released", time_text(row.integer(8))},
       {"release_json", described.release_json},
       {"entry", entry_json(entry)},
       {"proof", proof}});
}

// The first download of each user is an entry of the ledger; later ones need none.
Result<ByteVector> fetch_key(Site& site, const Digest& run, const std::string& output,
                             const SignPublic& user) {
  auto first = append(site, keeper::Download{keeper::fresh_seed(), run, output, user});
  if (first) return std::move(first->sealed_output_key);
  if (first.error().rule != "already_downloaded") return std::move(first).error();
  COFFER_TRY(auto again,
             site.links.ask_keeper_for<keeper::KeyReply>(keeper::ReleaseKey{run, output, user}));
  return std::move(again.sealed_key);
}

}  // namespace

Result<Json> open_release(Site& site, const Caller& caller, std::string_view run,
                          const std::string& output) {
  COFFER_TRY(const auto digest, find_run(site, caller, run));
  COFFER_TRY(const auto row, site.db.row(fmt::format("{} WHERE o.run = ? AND o.name = ?", kRelease),
                                         {digest, output}));
  if (!row) return not_found("output", output);
  if (row->text(0).empty()) {
    return Error{Code::FailedPrecondition, fmt::format("{}/{} was not released", run, output)}
        .as("not_released")
        .then(fmt::format("coffer runs show {}", run));
  }
  COFFER_TRY(const Digest run_digest, Digest::parse(digest));
  COFFER_TRY(const auto key, sign_key_of(site, caller));
  COFFER_TRY(const auto sealed_key, fetch_key(site, run_digest, output, key));
  COFFER_TRY(Json release, render(site, *row));
  return Json::object({{"release", std::move(release)},
                       {"run_digest", digest},
                       {"key", base64(sealed_key)},
                       {"sealed", fmt::format("/v1/runs/{}/outputs/{}/sealed", run, output)}});
}

Result<> apply(const Applied&, const keeper::Download&) { return {}; }

Result<Json> list_releases(Site& site, const Caller& caller, std::string_view run,
                           const Page& page) {
  std::string digest;
  if (!run.empty()) {
    COFFER_TRY(digest, find_run(site, caller, run));
  }
  COFFER_TRY(
      const auto rows,
      site.db.rows(
          fmt::format("{} WHERE o.release > ? AND (r.user = ? OR ?) AND (? = '' OR o.run = ?)"
                      " ORDER BY o.release LIMIT ?",
                      kRelease),
          {page.cursor, caller.user, std::int64_t{caller.is("auditor") ? 1 : 0}, digest, digest,
           static_cast<std::int64_t>(page.limit + 1)}));
  Json::Array items;
  for (const auto& row : rows) {
    COFFER_TRY(Json item, render(site, row));
    items.push_back(std::move(item));
  }
  return page_json(std::move(items), page, [&](std::size_t last) { return rows[last].text(0); });
}

Result<Json> show_release(Site& site, const Caller& caller, const std::string& id) {
  COFFER_TRY(
      const auto row,
      site.db.row(fmt::format("{} WHERE o.release = ? AND o.release <> ''", kRelease), {id}));
  if (!row) return not_found("release", id);
  COFFER_CHECK(find_run(site, caller, row->text(1)));
  return render(site, *row);
}

}  // namespace coffer::front
