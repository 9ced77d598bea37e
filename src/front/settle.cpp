#include "front/settle.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "front/append.h"
#include "front/apply.h"
#include "front/runs.h"
#include "front/schedule.h"
#include "grant/objects.h"
#include "program/charge.h"
#include "program/report.h"
#include "program/tree.h"

namespace coffer::front {
namespace {

constexpr std::int64_t kHeldMs = static_cast<std::int64_t>(keeper::kHeldMs);
constexpr std::int64_t kOverdueMs = 60'000;
constexpr std::int64_t kPutOffMs = 10'000;

Result<program::Slots> slots_of_run(Site& site, const std::string& digest) {
  COFFER_TRY(const auto row, site.db.row("SELECT envelope FROM runs WHERE digest = ?", {digest}));
  if (!row) return not_found("run", digest);
  COFFER_TRY(const auto envelope, grant::parse_envelope(row->text(0)));
  COFFER_TRY(const auto run, grant::open<grant::Run>(envelope));
  return program::make_slots(run.resources.time_s,
                             program::judging_allowance_s(run.resources.output_bytes));
}

// The first slot instant after `now`, else a second later.
std::int64_t next_check(const program::Slots& slots, std::int64_t started_ms, std::int64_t now_ms) {
  for (const std::uint64_t slot : slots.instants_s) {
    const std::int64_t at = started_ms + static_cast<std::int64_t>(slot) * 1000;
    if (at > now_ms) return at;
  }
  return now_ms + 1000;
}

// What apply() needs of the report, kept with the pending operation.
Result<Json> extra_of(Site& site, const std::string& digest, const keeper::RunReply& run) {
  Json extra = Json::object({{"time", site.now_ms()}});
  if (!run.report) return extra;
  extra.set("proof", run.report->cell_proof.text());
  Json outputs = Json::array();
  for (const auto& output : run.report->outputs) {
    outputs.push(Json::object({{"name", output.name}, {"commitment", output.commitment.text()}}));
  }
  extra.set("outputs", std::move(outputs));
  if (run.report->ending != program::Ending::Exit) return extra;
  COFFER_TRY(const auto row, site.db.row("SELECT envelope FROM runs WHERE digest = ?", {digest}));
  COFFER_TRY(const auto envelope, grant::parse_envelope(row->text(0)));
  COFFER_TRY(const auto object, grant::open<grant::Run>(envelope));
  // The program is the requester's own: its lines are no secret.
  const auto tree = program::read_tree(site.data / "programs" / hex(object.program.bytes));
  const auto report = program::FailureReport::decode(run.report->failure);
  const auto index = tree ? program::SourceIndex{*tree} : program::SourceIndex{};
  const auto place = index.at(report.place);
  extra.set(
      "report",
      Json::object({{"exception", report.exception < program::kExceptionClasses.size()
                                      ? std::string(program::kExceptionClasses[report.exception])
                                      : std::string("other")},
                    {"file", place ? place->path : std::string{}},
                    {"line", place ? place->line : std::uint64_t{0}}}));
  return extra;
}

Result<> write_output(const Applied& context, const std::string& digest, std::size_t position,
                      program::Verdict verdict) {
  Site& site = context.site;
  const Json& reported = (*context.extra["outputs"].as_array())[position];
  const std::string name = reported.text_or("name", "");
  const ShownVerdict now = shown(verdict);
  const bool released = now.verdict == "released";
  const bool held = now.verdict == "held";
  COFFER_TRY(const Told told, told_of(context.appended, name));
  COFFER_CHECK(
      site.db.run("UPDATE outputs SET verdict = ?, refusal = ?, bits = ?, commitment = ?, digest = "
                  "?, release = ?,"
                  " content_bytes = ?, released = ?, held_until = ? WHERE run = ? AND name = ?",
                  {now.verdict, now.refusal, told.bits, reported.text_or("commitment", ""),
                   told.content, told.id, told.bytes,
                   released ? db::Value{context.extra.int_or("time", 0)} : db::Value{nullptr},
                   held ? db::Value{context.extra.int_or("time", 0) + kHeldMs} : db::Value{nullptr},
                   digest, name}));
  return add_event(site, digest,
                   {.kind = "output",
                    .output = name,
                    .text = now.refusal.empty() ? now.verdict : now.verdict + ": " + now.refusal});
}

}  // namespace

ShownVerdict shown(program::Verdict verdict) {
  switch (verdict) {
    case program::Verdict::Released:
    case program::Verdict::HeldReleased:
      return {"released", ""};
    case program::Verdict::Held:
      return {"held", ""};
    case program::Verdict::HeldWithheld:
      return {"refused", "withheld"};
    default:
      return {"refused", std::string(program::text_of_verdict(verdict))};
  }
}

Ended ended_as(const keeper::Settled& settled, const std::string& wanted) {
  if (!settled.ending) return {"cancelled", wanted.empty() ? "cancelled" : wanted};
  if (*settled.ending != program::Ending::Judged) {
    return {"failed", std::string(program::text_of_ending(*settled.ending))};
  }
  const auto any = [&](std::string_view verdict) {
    return std::any_of(settled.verdicts.begin(), settled.verdicts.end(),
                       [&](program::Verdict v) { return shown(v).verdict == verdict; });
  };
  return {any("held") ? "held" : any("released") ? "done" : "refused", ""};
}

Result<Told> told_of(const keeper::Appended& appended, std::string_view output) {
  Told out;
  for (const auto& entry : appended.entries) {
    COFFER_TRY(const auto parsed, ledger::Entry::parse(entry.public_bytes));
    if (parsed.kind != "release" && parsed.kind != "charge") continue;
    COFFER_TRY(const Json fields, Json::parse(text_of(entry.private_bytes)));
    if (parsed.kind == "charge") {
      COFFER_TRY(out.charged, program::parse_cost(fields["charged"]));
    } else if (fields.text_or("output", "") == output) {
      COFFER_TRY(const Digest release, Digest::parse(fields.text_or("release", "")));
      out.id = release.id("rel_");
      out.content = fields.text_or("content", "");
      out.bits = fields.int_or("bits", 0);
      out.bytes = fields.int_or("bytes", 0);
    }
  }
  return out;
}

std::int64_t last_index(const keeper::Appended& appended) {
  return appended.entries.empty() ? 0 : static_cast<std::int64_t>(appended.entries.back().index);
}

Result<> set_running_deadline(Site& site, const std::string& digest) {
  COFFER_TRY(const auto slots, slots_of_run(site, digest));
  COFFER_TRY(const auto row, site.db.row("SELECT started FROM runs WHERE digest = ?", {digest}));
  const std::int64_t started = row->integer(0);
  return site.db.run("UPDATE runs SET deadline = ?, check_at = ? WHERE digest = ?",
                     {started + static_cast<std::int64_t>(slots.last()) * 1000 + kOverdueMs,
                      next_check(slots, started, site.now_ms()), digest});
}

Result<> settle_if_due(Site& site, const std::string& digest) {
  COFFER_TRY(const auto row,
             site.db.row("SELECT started, deadline FROM runs WHERE digest = ? AND state ="
                         " 'running'",
                         {digest}));
  if (!row) return {};
  COFFER_TRY(const Digest run, Digest::parse(digest));
  COFFER_TRY(const auto known, site.links.ask_keeper_for<keeper::RunReply>(keeper::RunQuery{run}));
  if (known.settled) {
    COFFER_TRY(const Json extra, extra_of(site, digest, known));
    COFFER_CHECK(append(site, keeper::Settle{keeper::fresh_seed(), run, *known.settled}, extra));
    site.on_event(digest);
    return schedule(site);
  }
  COFFER_TRY(const auto slots, slots_of_run(site, digest));
  COFFER_CHECK(site.db.run("UPDATE runs SET check_at = ? WHERE digest = ?",
                           {next_check(slots, row->integer(0), site.now_ms()), digest}));
  // The worker is gone for good and nobody reports: the run ends as cancelled.
  if (site.now_ms() < row->integer(1)) return {};
  return end_run(site, digest, keeper::CancelCause::Cancelled);
}

Result<> settle_due(Site& site) {
  COFFER_TRY(const auto rows, site.db.rows("SELECT digest FROM runs WHERE check_at <= ? ORDER BY"
                                           " check_at LIMIT 64",
                                           {site.now_ms()}));
  for (const auto& row : rows) {
    const auto done = settle_if_due(site, row.text(0));
    COFFER_CHECK(or_put_off(done, "run could not be settled", [&] {
      return site.db.run("UPDATE runs SET check_at = ? WHERE digest = ?",
                         {site.now_ms() + kPutOffMs, row.text(0)});
    }));
  }
  return {};
}

Result<> apply(const Applied& context, const keeper::Settle& op) {
  Site& site = context.site;
  const std::string digest = op.run.text();
  COFFER_TRY(const auto row,
             site.db.row("SELECT started, wanted FROM runs WHERE digest = ? AND state IN"
                         " ('queued','running')",
                         {digest}));
  if (!row) return {};  // unknown to a restored database, or over for a restored keeper
  const Ended ended = ended_as(op.settled, row->text(1));
  const Json& report = context.extra["report"];
  COFFER_CHECK(site.db.run(
      "UPDATE runs SET state = ?, cause = ?, ended = ?, charged = ?, cell_proof = ?, report = ?,"
      " check_at = NULL, deadline = ?, ledger_last = ? WHERE digest = ?",
      {ended.state, ended.cause,
       row->integer(0) + static_cast<std::int64_t>(op.settled.slot_s) * 1000,
       amounts_json(op.settled.charged).canonical(), context.extra.text_or("proof", ""),
       report.is_null() ? std::string{} : report.canonical(),
       context.extra.int_or("time", 0) + kHeldMs, last_index(context.appended), digest}));
  for (std::size_t i = 0; i < op.settled.verdicts.size(); ++i) {
    COFFER_CHECK(write_output(context, digest, i, op.settled.verdicts[i]));
  }
  return add_event(site, digest,
                   {.kind = "state",
                    .output = "",
                    .text = ended.cause.empty() ? ended.state : ended.state + ": " + ended.cause});
}

}  // namespace coffer::front
