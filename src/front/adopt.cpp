#include "front/adopt.h"

#include "base/log.h"
#include "front/append.h"
#include "front/runs.h"
#include "front/schedule.h"
#include "front/settle.h"

namespace coffer::front {
namespace {

Result<> adopt_outputs(Site& site, const std::string& digest, const keeper::RunReply& known,
                       const keeper::Settled& settled) {
  const auto held_until = static_cast<std::int64_t>(known.held_since_ms + keeper::kHeldMs);
  for (std::size_t i = 0; i < settled.verdicts.size(); ++i) {
    const ShownVerdict now = shown(settled.verdicts[i]);
    COFFER_CHECK(site.db.run(
        "UPDATE outputs SET verdict = ?1, refusal = ?2, held_until = ?3,"
        " commitment = coalesce(?4, commitment) WHERE run = ?5 AND position = ?6"
        " AND (verdict, held_until) IS NOT (?1, ?3)",
        {now.verdict, now.refusal,
         now.verdict == "held" ? db::Value{held_until} : db::Value{nullptr},
         known.report ? db::Value{known.report->outputs[i].commitment.text()} : db::Value{nullptr},
         digest, static_cast<std::int64_t>(i)}));
  }
  // What the keeper has forgotten nobody can approve any more.
  if (!settled.verdicts.empty()) return {};
  return site.db.run(
      "UPDATE outputs SET verdict = 'refused', refusal = 'withheld', held_until = NULL"
      " WHERE run = ? AND verdict = 'held'",
      {digest});
}

// A run that was cancelled before it started was never settled, and cost nothing.
Result<> adopt_ending(Site& site, const std::string& digest, const keeper::RunReply& known) {
  const keeper::Settled settled = known.settled.value_or(keeper::Settled{});
  const Ended ended = ended_as(settled, "");
  const auto at = static_cast<std::int64_t>(known.started_ms + settled.slot_s * 1000);
  COFFER_TRY(auto transaction, db::Transaction::begin(site.db));
  COFFER_CHECK(
      site.db.run("UPDATE runs SET state = ?, cause = ?, ended = ?, charged = ?, check_at = NULL,"
                  " started = coalesce(started, ?) WHERE digest = ?",
                  {ended.state, ended.cause, known.started_ms > 0 ? at : site.now_ms(),
                   amounts_json(settled.charged).canonical(),
                   known.started_ms > 0 ? db::Value{static_cast<std::int64_t>(known.started_ms)}
                                        : db::Value{nullptr},
                   digest}));
  COFFER_CHECK(adopt_outputs(site, digest, known, settled));
  COFFER_CHECK(add_event(site, digest, {.kind = "state", .output = "", .text = ended.state}));
  COFFER_CHECK(transaction.commit());
  log_line("front", "ending adopted from the keeper", {{"run", digest}, {"state", ended.state}});
  return {};
}

// A keeper whose own memory was restored knows nothing of a run, or less than the database does.
keeper::RunReply lost() {
  keeper::RunReply out;
  out.phase = keeper::Phase::Over;
  out.settled = keeper::Settled{};
  out.settled->ending = program::Ending::Lost;
  return out;
}

// What the keeper refuses of a run whose slot came, or whose report arrived, after it was asked.
bool has_moved_on(const Error& error) {
  return error.rule == "already_over" || error.rule == "already_settled" ||
         error.rule == "settlement_differs";
}

// Nobody sees them: they are withheld when their time is over.
Result<> end_held(Site& site, const Digest& run, const keeper::RunReply& known) {
  if (site.now_ms() < static_cast<std::int64_t>(known.held_since_ms + keeper::kHeldMs)) return {};
  for (const auto& output : known.held) {
    COFFER_CHECK(
        append(site, keeper::Decide{keeper::fresh_seed(), run, output, keeper::Decision::Withheld,
                                    keeper::DecisionCause::Expired}));
  }
  return {};
}

Result<> end_unknown(Site& site, const Digest& run) {
  COFFER_TRY(const auto known, site.links.ask_keeper_for<keeper::RunReply>(keeper::RunQuery{run}));
  if (known.phase == keeper::Phase::Held) return end_held(site, run, known);
  const keeper::Request step =
      known.settled ? keeper::Request{keeper::Settle{keeper::fresh_seed(), run, *known.settled}}
                    : keeper::Cancel{keeper::fresh_seed(), run, keeper::CancelCause::Cancelled};
  COFFER_TRY(const auto done, append(site, step));
  if (!done.entries.empty()) log_line("front", "run unknown here ended", {{"run", run.text()}});
  return {};
}

}  // namespace

Result<> adopt_known_runs(Site& site) {
  COFFER_TRY(const auto rows, site.db.rows("SELECT digest, state FROM runs WHERE state IN"
                                           " ('queued','running','held')"));
  for (const auto& row : rows) {
    COFFER_TRY(const Digest run, Digest::parse(row.text(0)));
    auto known = site.links.ask_keeper_for<keeper::RunReply>(keeper::RunQuery{run});
    if (!known && known.error().rule == "no_such_run") known = lost();
    if (!known) return std::move(known).error();
    const bool held = row.text(1) == "held";
    if (held && known->phase < keeper::Phase::Held) known = lost();
    if (held && known->phase == keeper::Phase::Held) {
      COFFER_CHECK(adopt_outputs(site, row.text(0), *known, *known->settled));  // decided since
    } else if (known->phase >= keeper::Phase::Held) {
      COFFER_CHECK(adopt_ending(site, row.text(0), *known));
    } else if (known->phase == keeper::Phase::Running && row.text(1) == "queued") {
      COFFER_CHECK(adopt_start(site, run));
    }
  }
  return {};
}

Result<> end_unknown_runs(Site& site) {
  COFFER_TRY(const auto pending, site.db.row("SELECT 1 FROM pending LIMIT 1"));
  if (pending) return {};  // it may be that run
  keeper::OpenRuns query;
  for (;;) {
    COFFER_TRY(const auto open, site.links.ask_keeper_for<keeper::RunsReply>(query));
    if (open.runs.empty()) return {};
    for (const auto& [run, _] : open.runs) {
      COFFER_TRY(const auto here, site.db.row("SELECT 1 FROM runs WHERE digest = ? AND state IN"
                                              " ('queued','running','held')",
                                              {run.text()}));
      if (here) continue;
      // One that has moved on is asked again the next time.
      auto ended = end_unknown(site, run);
      if (!ended && !has_moved_on(ended.error())) return ended;
    }
    query.after = open.runs.back().run;
  }
}

}  // namespace coffer::front
