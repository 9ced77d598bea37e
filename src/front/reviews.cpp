#include "front/reviews.h"

#include <fmt/format.h>

#include "base/log.h"
#include "front/append.h"
#include "front/apply.h"
#include "front/schedule.h"
#include "front/settle.h"
#include "front/users.h"
#include "grant/objects.h"

namespace coffer::front {
namespace {

constexpr std::int64_t kPutOffMs = 3'600'000;
constexpr std::int64_t kNotedLaterMs = 1000;  // the keeper's note of the beginning, at most

// Held outputs on whose grants the caller (second parameter) is an approver.
constexpr std::string_view kHeld =
    "SELECT o.run, o.name, o.held_until FROM outputs o WHERE o.held_until IS NOT NULL AND "
    "o.verdict ="
    " 'held' AND EXISTS(SELECT 1 FROM run_grants g JOIN grant_users u ON u.grant_digest ="
    " g.grant_digest WHERE g.run = o.run AND u.role = 'approver' AND u.user = ?)";

Result<Json> approvals_json(Site& site, const std::string& run, const std::string& output) {
  COFFER_TRY(const auto rows,
             site.db.rows("SELECT approver, verdict, reason, created FROM approvals"
                          " WHERE run = ? AND output = ? ORDER BY created",
                          {run, output}));
  Json out = Json::array();
  for (const auto& row : rows) {
    out.push(Json::object({{"approver", row.text(0)},
                           {"verdict", row.text(1)},
                           {"reason", row.text(2)},
                           {"time", time_text(row.integer(3))}}));
  }
  return out;
}

struct Terms {
  Json purposes = Json::array();
  std::uint64_t approvals_needed{0};
};

// The most that any grant of the run asks for.
Result<Terms> terms_of(Site& site, const std::string& run) {
  COFFER_TRY(const auto rows,
             site.db.rows("SELECT t.envelope FROM run_grants g JOIN grants t ON t.digest"
                          " = g.grant_digest WHERE g.run = ?",
                          {run}));
  Terms out;
  for (const auto& row : rows) {
    COFFER_TRY(const auto envelope, grant::parse_envelope(row.text(0)));
    COFFER_TRY(const auto terms, grant::open<grant::Grant>(envelope));
    out.purposes.push(terms.purpose);
    out.approvals_needed = std::max(out.approvals_needed, terms.approvals_needed);
  }
  return out;
}

Result<Json> review_json(Site& site, const std::string& run, const std::string& output) {
  COFFER_TRY(const Json doc, run_json(site, run));
  COFFER_TRY(const auto row,
             site.db.row("SELECT kind, lane, bits_max, commitment, held_until FROM outputs"
                         " WHERE run = ? AND name = ?",
                         {run, output}));
  if (!row) return not_found("output", output);
  COFFER_TRY(Terms terms, terms_of(site, run));
  COFFER_TRY(Json approvals, approvals_json(site, run, output));
  Json datasets = Json::array();
  for (const auto& input : *doc["inputs"].as_array()) datasets.push(input["dataset"]);
  return Json::object({{"run", doc["id"]},
                       {"run_digest", run},
                       {"output", output},
                       {"kind", row->text(0)},
                       {"lane", row->text(1)},
                       {"user", doc["user"]},
                       {"datasets", std::move(datasets)},
                       {"purposes", std::move(terms.purposes)},
                       {"grants", doc["grants"]},
                       {"program", doc["program"]},
                       {"output_bits", row->integer(2)},
                       {"commitment", row->text(3)},
                       {"deadline", time_text(row->integer(4))},
                       {"approvals_needed", terms.approvals_needed},
                       {"approvals", std::move(approvals)},
                       {"submitted", doc["submitted"]}});
}

Result<Json> declaration_of(Site& site, const std::string& run, const std::string& output) {
  COFFER_TRY(const auto row, site.db.row("SELECT envelope FROM runs WHERE digest = ?", {run}));
  COFFER_TRY(const auto envelope, grant::parse_envelope(row->text(0)));
  COFFER_TRY(const auto object, grant::open<grant::Run>(envelope));
  const Json outputs = program::declaration_json(object.outputs);
  for (const auto& declared : *outputs.as_array()) {
    if (declared.text_or("name", "") == output) return declared;
  }
  return not_found("output", output);
}

Result<Json> cards_of(Site& site, const std::string& run) {
  COFFER_TRY(const Json doc, run_json(site, run));
  Json out = Json::array();
  for (const auto& input : *doc["inputs"].as_array()) {
    COFFER_TRY(const auto row, site.db.row("SELECT d.card FROM versions v JOIN datasets d ON d.id ="
                                           " v.dataset WHERE v.manifest = ?",
                                           {input.text_or("digest", "")}));
    if (!row || row->text(0).empty()) continue;
    COFFER_TRY(const auto envelope, grant::parse_envelope(row->text(0)));
    COFFER_TRY(const Json card, Json::parse(envelope.payload));
    out.push(Json::object({{"alias", input["alias"]},
                           {"dataset", input["dataset"]},
                           {"card", Json::object({{"class", card["class"]},
                                                  {"grade", card["grade"]},
                                                  {"sequence", card["sequence"]},
                                                  {"files", card["files"]}})}}));
  }
  return out;
}

Json range_json(const keeper::Appended& appended) {
  return Json::object({{"first", appended.entries.empty() ? 0 : appended.entries.front().index},
                       {"last", last_index(appended)}});
}

// The held output that the caller may decide.
Result<std::string> find_held(Site& site, const Caller& caller, std::string_view run,
                              const std::string& output) {
  COFFER_TRY(const auto digest, find_run(site, caller, run));
  COFFER_TRY(const auto row, site.db.row(std::string(kHeld) + " AND o.run = ? AND o.name = ?",
                                         {caller.user, digest, output}));
  if (row) return digest;
  return Error{Code::NotFound,
               fmt::format("{}/{} is not held, or not for you to decide", run, output)}
      .as("not_held")
      .then("coffer review ls");
}

// After a decision: the output's row, the run's state, the events.
Result<> settle_output(const Applied& context, const keeper::Decide& op) {
  Site& site = context.site;
  const std::string run = op.run.text();
  const bool released = op.decision == keeper::Decision::Released;
  COFFER_TRY(const Told told, told_of(context.appended, op.output));
  COFFER_CHECK(site.db.run(
      "UPDATE outputs SET verdict = ?, refusal = ?, bits = ?, digest = ?, release = ?, "
      "content_bytes = ?,"
      " released = ?, held_until = NULL WHERE run = ? AND name = ?",
      {std::string(released ? "released" : "refused"), std::string(released ? "" : "withheld"),
       told.bits, told.content, told.id, told.bytes,
       released ? db::Value{context.extra.int_or("time", 0)} : db::Value{nullptr}, run,
       op.output}));
  COFFER_TRY(const auto before, site.db.row("SELECT charged FROM runs WHERE digest = ?", {run}));
  if (!before) return not_found("run", run);
  COFFER_TRY(const Json sum_json, Json::parse(before->text(0)));
  COFFER_TRY(const program::Cost sum, program::parse_cost(sum_json));
  COFFER_CHECK(site.db.run(
      "UPDATE runs SET charged = ?, ledger_last = ? WHERE digest = ?",
      {amounts_json(sum + told.charged).canonical(), last_index(context.appended), run}));
  COFFER_CHECK(add_event(site, run,
                         {.kind = "output",
                          .output = op.output,
                          .text = released ? "released" : "refused: withheld"}));
  COFFER_TRY(const auto held, site.db.row("SELECT COUNT(*) FROM outputs WHERE run = ? AND verdict ="
                                          " 'held'",
                                          {run}));
  if (held->integer(0) > 0) return {};
  COFFER_CHECK(site.db.run(
      "UPDATE runs SET state = CASE WHEN EXISTS(SELECT 1 FROM outputs WHERE run = ? AND verdict ="
      " 'released') THEN 'done' ELSE 'refused' END WHERE digest = ?",
      {run, run}));
  return add_event(site, run, {.kind = "state", .output = "", .text = "decided"});
}

// Asks the keeper to decide; what the outside learns by it is in the entries that it answers.
Result<> decide(Site& site, const Digest& run, const std::string& output, keeper::Decision decision,
                keeper::DecisionCause cause) {
  const Json extra = Json::object({{"time", site.now_ms()}});
  COFFER_CHECK(
      append(site, keeper::Decide{keeper::fresh_seed(), run, output, decision, cause}, extra));
  site.on_event(run.text());
  return {};
}

Result<> decide_if_enough(Site& site, const grant::Approval& approval) {
  if (approval.verdict != grant::ApprovalVerdict::Approve) {
    return decide(site, approval.run, approval.output, keeper::Decision::Withheld,
                  keeper::DecisionCause::Refused);
  }
  auto done = decide(site, approval.run, approval.output, keeper::Decision::Released,
                     keeper::DecisionCause::Approved);
  // Others must agree first: the approval stands, the output stays held.
  if (!done && done.error().rule == "approvals_missing") return {};
  return done;
}

}  // namespace

Result<Json> list_reviews(Site& site, const Caller& caller, const Page& page) {
  COFFER_TRY(const auto rows,
             site.db.rows(std::string(kHeld) + " ORDER BY o.held_until, o.run LIMIT ?",
                          {caller.user, static_cast<std::int64_t>(page.limit)}));
  Json items = Json::array();
  for (const auto& row : rows) {
    COFFER_TRY(Json item, review_json(site, row.text(0), row.text(1)));
    items.push(std::move(item));
  }
  return Json::object({{"items", std::move(items)}, {"next_cursor", Json{}}});
}

Result<Json> open_evidence(Site& site, const Caller& caller, std::string_view run,
                           const std::string& output) {
  COFFER_TRY(const auto digest, find_held(site, caller, run, output));
  COFFER_TRY(const auto key, sign_key_of(site, caller));
  COFFER_TRY(const Digest run_digest, Digest::parse(digest));
  COFFER_TRY(const auto known,
             site.links.ask_keeper_for<keeper::RunReply>(keeper::RunQuery{run_digest}));
  COFFER_TRY(const auto viewed,
             append(site, keeper::View{keeper::fresh_seed(), run_digest, output, key}));
  COFFER_TRY(Json review, review_json(site, digest, output));
  COFFER_TRY(Json declaration, declaration_of(site, digest, output));
  COFFER_TRY(Json cards, cards_of(site, digest));
  Digest evidence;
  if (known.report) {
    for (const auto& reported : known.report->outputs) {
      if (reported.name == output) evidence = reported.evidence;
    }
  }
  const std::string base = fmt::format("/v1/runs/{}/outputs/{}/", run, output);
  return Json::object({{"review", std::move(review)},
                       {"declaration", std::move(declaration)},
                       {"cards", std::move(cards)},
                       {"output_key", base64(viewed.sealed_output_key)},
                       {"evidence_key", base64(viewed.sealed_evidence_key)},
                       {"evidence_digest", evidence.text()},
                       {"sealed_output", base + "sealed"},
                       {"sealed_evidence", base + "sealed-evidence"},
                       {"ledger", range_json(viewed)}});
}

Result<Json> post_approval(Site& site, const Caller& caller, std::string_view text) {
  COFFER_TRY(const auto envelope, grant::parse_envelope(text));
  COFFER_TRY(const auto approval, grant::open<grant::Approval>(envelope));
  const std::string run = approval.run.text();
  COFFER_CHECK(find_held(site, caller, run, approval.output));
  COFFER_CHECK(require_own_signature(site, caller, envelope));
  COFFER_TRY(const auto done,
             append(site, keeper::Approve{keeper::fresh_seed(), std::string(text)},
                    Json::object({{"user", caller.user}, {"time", site.now_ms()}})));
  COFFER_CHECK(decide_if_enough(site, approval));
  COFFER_TRY(const auto row, site.db.row("SELECT verdict FROM outputs WHERE run = ? AND name = ?",
                                         {run, approval.output}));
  COFFER_TRY(Terms terms, terms_of(site, run));
  COFFER_TRY(Json approvals, approvals_json(site, run, approval.output));
  const std::string& verdict = row->text(0);
  return Json::object({{"run", grant::run_id(approval.run)},
                       {"output", approval.output},
                       {"state", verdict == "refused" ? std::string("withheld") : verdict},
                       {"approvals_needed", terms.approvals_needed},
                       {"approvals", std::move(approvals)},
                       {"ledger", range_json(done)}});
}

Result<> apply(const Applied& context, const keeper::Approve& op) {
  COFFER_TRY(const auto envelope, grant::parse_envelope(op.envelope));
  COFFER_TRY(const auto approval, grant::open<grant::Approval>(envelope));
  return context.site.db.run(
      "INSERT OR REPLACE INTO approvals(run, output, approver, verdict, reason, envelope, created)"
      " VALUES(?,?,?,?,?,?,?)",
      {approval.run.text(), approval.output, context.extra.text_or("user", ""),
       std::string(grant::approval_verdict_name(approval.verdict)), approval.reason, op.envelope,
       context.extra.int_or("time", 0)});
}

Result<> apply(const Applied& context, const keeper::Decide& op) {
  COFFER_TRY(const auto held,
             context.site.db.row("SELECT 1 FROM outputs WHERE run = ? AND name = ? AND verdict ="
                                 " 'held'",
                                 {op.run.text(), op.output}));
  if (!held) return {};  // unknown to a restored database, or over for a restored keeper
  return settle_output(context, op);
}
Result<> apply(const Applied&, const keeper::View&) { return {}; }

Result<std::filesystem::path> sealed_file(Site& site, const Caller& caller, std::string_view run,
                                          const std::string& output, SealedFile which) {
  COFFER_TRY(const auto digest, find_run(site, caller, run));
  COFFER_TRY(const auto row,
             site.db.row("SELECT o.verdict, r.user FROM outputs o JOIN runs r ON r.digest"
                         " = o.run WHERE o.run = ? AND o.name = ?",
                         {digest, output}));
  if (!row) return not_found("output", output);
  const bool released = row->text(0) == "released";
  const bool grantee = released && row->text(1) == caller.user && which == SealedFile::Output;
  if (!grantee) {
    COFFER_CHECK(find_held(site, caller, run, output));
  }
  COFFER_TRY(const Digest parsed, Digest::parse(digest));
  const auto folder = site.data / "runs" / hex(parsed.bytes);
  return which == SealedFile::Output ? folder / (output + ".sealed")
                                     : folder / "evidence" / (output + ".sealed");
}

Result<> expire_held(Site& site) {
  COFFER_TRY(const auto rows,
             site.db.rows("SELECT run, name FROM outputs WHERE held_until <= ? LIMIT 64",
                          {site.now_ms() - kNotedLaterMs}));
  for (const auto& row : rows) {
    COFFER_TRY(const Digest run, Digest::parse(row.text(0)));
    const auto done =
        decide(site, run, row.text(1), keeper::Decision::Withheld, keeper::DecisionCause::Expired);
    COFFER_CHECK(or_put_off(done, "held output could not be withheld", [&] {
      return site.db.run("UPDATE outputs SET held_until = ? WHERE run = ? AND name = ?",
                         {site.now_ms() + kPutOffMs, row.text(0), row.text(1)});
    }));
  }
  return {};
}

Result<> withhold_revoked(Site& site, const std::string& grant_digest) {
  COFFER_TRY(
      const auto rows,
      site.db.rows("SELECT o.run, o.name FROM outputs o JOIN run_grants g ON g.run = o.run WHERE"
                   " g.grant_digest = ? AND o.verdict = 'held'",
                   {grant_digest}));
  for (const auto& row : rows) {
    COFFER_TRY(const Digest run, Digest::parse(row.text(0)));
    COFFER_CHECK(
        decide(site, run, row.text(1), keeper::Decision::Withheld, keeper::DecisionCause::Revoked));
  }
  return {};
}

}  // namespace coffer::front
