#include "front/schedule.h"

#include <fmt/format.h>

#include "base/log.h"
#include "front/append.h"
#include "front/apply.h"
#include "front/reviews.h"
#include "front/runs.h"
#include "front/settle.h"
#include "grant/objects.h"

namespace coffer::front {
namespace {

constexpr Duration kSendPatience = 5s;
constexpr std::int64_t kPutOffMs = 60'000;

struct Load {
  std::uint64_t cpus{0};
  std::uint64_t memory_bytes{0};
  std::uint64_t runs{0};
  bool exclusive{false};
};

struct Candidate {
  std::string digest;
  grant::Run object;
  bool exclusive{false};
};

Result<Candidate> candidate_of(const db::Row& row) {
  COFFER_TRY(const auto envelope, grant::parse_envelope(row.text(1)));
  COFFER_TRY(auto object, grant::open<grant::Run>(envelope));
  return Candidate{row.text(0), std::move(object), row.integer(2) != 0};
}

// Dispatched and not settled: attempt > 0 in the states queued and running.
Result<Load> present_load(Site& site) {
  COFFER_TRY(const auto rows,
             site.db.rows("SELECT digest, envelope, exclusive FROM runs INDEXED BY runs_at_work"
                          " WHERE state IN ('queued','running') AND attempt > 0"));
  Load load;
  for (const auto& row : rows) {
    COFFER_TRY(const Candidate run, candidate_of(row));
    load.cpus += run.object.resources.cpus;
    load.memory_bytes += run.object.resources.memory_bytes;
    load.exclusive = load.exclusive || run.exclusive;
    ++load.runs;
  }
  return load;
}

Result<std::vector<db::Row>> queued_runs(Site& site, std::int64_t most) {
  return site.db.rows(
      "SELECT digest, envelope, exclusive FROM runs WHERE state = 'queued' AND attempt = 0 AND"
      " wanted = '' ORDER BY submitted, digest LIMIT ?",
      {most});
}

bool fits(const Site& site, const Load& load, const Candidate& run) {
  if (load.exclusive || (run.exclusive && (load.runs > 0 || !site.quiet))) return false;
  return load.cpus + run.object.resources.cpus <= site.capacity.cpus &&
         load.memory_bytes + run.object.resources.memory_bytes <= site.capacity.memory_bytes;
}

Result<worker::Execute> execute_of(Site& site, const std::string& digest) {
  COFFER_TRY(const auto row,
             site.db.row("SELECT envelope, attempt FROM runs WHERE digest = ?", {digest}));
  COFFER_TRY(const auto envelope, grant::parse_envelope(row->text(0)));
  COFFER_TRY(const auto object, grant::open<grant::Run>(envelope));
  const ByteView payload = bytes_of(envelope.payload);
  worker::Execute out{.run = {payload.begin(), payload.end()},
                      .attempt = static_cast<std::uint32_t>(row->integer(1)),
                      .sources = {}};
  for (const auto& input : object.inputs) {
    COFFER_TRY(const auto version,
               site.db.row("SELECT v.dataset, v.list, d.card, d.public, d.name, v.n FROM versions v"
                           " JOIN datasets d ON d.id = v.dataset WHERE v.manifest = ?",
                           {input.manifest.text()}));
    if (!version) return not_found("input", input.alias);
    COFFER_TRY(const Digest list, Digest::parse(version->text(1)));
    worker::Source source{.alias = input.alias,
                          .dataset_id = version->text(0),
                          .dataset = fmt::format("{}@v{}", version->text(4), version->integer(5)),
                          .manifest = input.manifest,
                          .list = list,
                          .card = {}};
    if (!version->text(2).empty()) {
      COFFER_TRY(const auto card, grant::parse_envelope(version->text(2)));
      const ByteView card_payload = bytes_of(card.payload);
      source.card.assign(card_payload.begin(), card_payload.end());
    }
    out.sources.push_back(std::move(source));
  }
  return out;
}

Result<> send_to_worker(Site& site, const worker::Request& request) {
  Channel* channel = site.links.worker();
  if (channel == nullptr) return {};  // resume_worker() sends it when there is one
  if (auto sent = channel->send(worker::encode(request), kSendPatience); !sent) {
    site.links.drop_worker();
  }
  return {};
}

// The next attempt is one more than the last that the keeper opened; a worker that knows the run
// tells again what it told and ignores the number.
Result<> dispatch(Site& site, const std::string& digest) {
  COFFER_TRY(const Digest run, Digest::parse(digest));
  COFFER_TRY(const auto known, site.links.ask_keeper_for<keeper::RunReply>(keeper::RunQuery{run}));
  COFFER_CHECK(site.db.run("UPDATE runs SET attempt = ? WHERE digest = ?",
                           {std::int64_t{known.attempt} + 1, digest}));
  COFFER_TRY(worker::Execute execute, execute_of(site, digest));
  return send_to_worker(site, std::move(execute));
}

// Asked of the keeper: a limit may have been signed since the worker was refused.
Result<bool> awaits_limit(Site& site, const std::string& digest) {
  COFFER_TRY(const auto rows,
             site.db.rows("SELECT g.digest, g.dataset FROM grants g JOIN run_grants r ON"
                          " r.grant_digest = g.digest WHERE r.run = ?",
                          {digest}));
  for (const auto& row : rows) {
    COFFER_TRY(const Digest grant, Digest::parse(row.text(0)));
    COFFER_TRY(const auto under,
               site.links.ask_keeper_for<keeper::BudgetReply>(keeper::GrantBudget{grant}));
    COFFER_TRY(const auto over,
               site.links.ask_keeper_for<keeper::BudgetReply>(keeper::DatasetBudget{row.text(1)}));
    if (keeper::is_suspended(under.losses) || over.closed) return true;
  }
  return false;
}

// Back into the queue, where it is passed over until the owner has signed. One that had started
// before is the keeper's to end: as lost, at its last slot.
Result<> put_back(Site& site, const std::string& digest) {
  COFFER_TRY(const bool waits, awaits_limit(site, digest));
  COFFER_CHECK(
      site.db.run("UPDATE runs SET attempt = 0, wanted = ? WHERE digest = ? AND state ="
                  " 'queued'",
                  {std::string(waits ? worker::kAwaitsLimit : ""), digest}));
  return schedule(site);
}

Result<> on_not_started(Site& site, const worker::NotStarted& event) {
  const std::string digest = event.run.text();
  log_line("front", "run did not start",
           {{"run", digest}, {"cause", event.cause}, {"message", event.message}});
  COFFER_CHECK(site.db.run("UPDATE runs SET problem = ? WHERE digest = ?",
                           {printable(event.message, 500), digest}));
  if (event.cause == worker::kAwaitsLimit) return put_back(site, digest);
  const auto cause = event.cause == "cell_unproven" ? keeper::CancelCause::CellUnproven
                     : event.cause == "environment" ? keeper::CancelCause::Environment
                     : event.cause == "cancelled"   ? keeper::CancelCause::Cancelled
                                                    : keeper::CancelCause::Revoked;
  auto ended = end_run(site, digest, cause);
  // An attempt before this one had started: the run is the keeper's to end, as lost, in time.
  if (!ended && ended.error().rule == "already_started") return {};
  return ended;
}

template <class Waiting>
void answer(Waiting& waiting, const std::string& key, const Result<Json>& result) {
  const auto [first, last] = waiting.equal_range(key);
  std::vector<JsonReply> replies;
  for (auto it = first; it != last; ++it) replies.push_back(std::move(it->second));
  waiting.erase(first, last);
  for (const auto& reply : replies) reply(result);
}

struct WorkerEvents {
  Site& site;
  // Who was stopped between the keeper's word and his own never told, or never heard, that the run
  // started.
  Result<> operator()(const worker::Started& e) const { return adopt_start(site, e.run); }
  Result<> operator()(const worker::Ended& e) const {
    COFFER_CHECK(adopt_start(site, e.run));
    return settle_if_due(site, e.run.text());
  }
  Result<> operator()(const worker::NotStarted& e) const {
    COFFER_CHECK(adopt_start(site, e.run));
    return on_not_started(site, e);
  }
  Result<> operator()(const worker::Unpacked& e) const {
    if (e.problem.empty()) {
      answer(site.unpacking, e.upload,
             Json::object({{"digest", e.program.text()}, {"files", e.files}, {"bytes", e.bytes}}));
    } else {
      answer(site.unpacking, e.upload, Error{Code::InvalidArgument, e.problem}.as("program_tree"));
    }
    return {};
  }
};

// Runs that nobody started within their time in the queue.
Result<> end_overdue(Site& site) {
  COFFER_TRY(const auto rows, site.db.rows("SELECT digest FROM runs INDEXED BY runs_waiting WHERE"
                                           " state = 'queued' AND deadline <= ?",
                                           {site.now_ms()}));
  for (const auto& row : rows) {
    const auto done = end_run(site, row.text(0), keeper::CancelCause::Cancelled);
    COFFER_CHECK(or_put_off(done, "overdue run could not be ended", [&] {
      return site.db.run("UPDATE runs SET deadline = ? WHERE digest = ?",
                         {site.now_ms() + kPutOffMs, row.text(0)});
    }));
  }
  return {};
}

}  // namespace

Result<Quiet> need_of_quiet(Site& site) {
  COFFER_TRY(const Load load, present_load(site));
  if (load.exclusive) return Quiet::UnderWay;
  if (load.runs > 0 || site.links.worker() == nullptr) return Quiet::No;
  COFFER_TRY(const auto next, queued_runs(site, 1));
  if (next.empty() || next.front().integer(2) == 0) return Quiet::No;
  COFFER_TRY(const auto building, site.db.row("SELECT 1 FROM environments WHERE state IN ('queued',"
                                              " 'building') LIMIT 1"));
  return building ? Quiet::No : Quiet::BeforeStart;
}

Result<> schedule(Site& site) {
  if (site.links.worker() == nullptr) return {};
  COFFER_TRY(const auto queued, queued_runs(site, 64));
  if (queued.empty()) return {};
  COFFER_TRY(Load load, present_load(site));
  for (const auto& row : queued) {
    COFFER_TRY(const Candidate run, candidate_of(row));
    if (!fits(site, load, run)) break;  // in order: nobody overtakes
    COFFER_CHECK(dispatch(site, run.digest));
    site.quiet = false;  // the next exclusive run asks for it again
    load.cpus += run.object.resources.cpus;
    load.memory_bytes += run.object.resources.memory_bytes;
    load.exclusive = load.exclusive || run.exclusive;
    ++load.runs;
  }
  return {};
}

Result<> ask_again_after_limit(Site& site) {
  return site.db.run("UPDATE runs SET wanted = '' WHERE state = 'queued' AND wanted = ?",
                     {std::string(worker::kAwaitsLimit)});
}

Result<> adopt_start(Site& site, const Digest& run) {
  const std::string digest = run.text();
  COFFER_TRY(const auto known, site.links.ask_keeper_for<keeper::RunReply>(keeper::RunQuery{run}));
  if (known.started_ms == 0) return {};
  COFFER_TRY(auto transaction, db::Transaction::begin(site.db));
  COFFER_CHECK(site.db.run(
      "UPDATE runs SET state = 'running', started = ?, attempt = max(attempt, ?),"
      " wanted = CASE wanted WHEN ? THEN '' ELSE wanted END WHERE digest = ? AND state = 'queued'",
      {static_cast<std::int64_t>(known.started_ms), std::int64_t{known.attempt},
       std::string(worker::kAwaitsLimit), digest}));
  if (site.db.changes() > 0) {
    COFFER_CHECK(set_running_deadline(site, digest));
    COFFER_CHECK(add_event(site, digest, {.kind = "state", .output = "", .text = "running"}));
  }
  COFFER_CHECK(transaction.commit());
  site.on_event(digest);
  return {};
}

Result<> resume_worker(Site& site) {
  COFFER_CHECK(ask_again_after_limit(site));
  COFFER_TRY(const auto rows,
             site.db.rows("SELECT digest FROM runs WHERE state IN ('queued','running')"
                          " AND attempt > 0 ORDER BY submitted, digest"));
  for (const auto& row : rows) COFFER_CHECK(dispatch(site, row.text(0)));
  return schedule(site);
}

Result<> on_worker_record(Site& site, ByteView record) {
  COFFER_TRY(const auto event, worker::decode_event(record));
  auto done = std::visit(WorkerEvents{site}, event);
  if (!done) site.unfinished = true;  // a full disk: the worker is asked to tell it again
  return done;
}

Result<> end_run(Site& site, const std::string& digest, keeper::CancelCause cause) {
  COFFER_TRY(const Digest run, Digest::parse(digest));
  const bool revoked = cause == keeper::CancelCause::Revoked;
  auto done = append(site, keeper::Cancel{keeper::fresh_seed(), run, cause});
  // A run that is over already has nothing to cancel.
  if (!done && done.error().rule != "already_over") return std::move(done).error();
  COFFER_CHECK(send_to_worker(site, worker::Kill{run, revoked ? worker::KillCause::Revoked
                                                              : worker::KillCause::Cancelled}));
  site.on_event(digest);
  return schedule(site);
}

Result<> apply(const Applied& context, const keeper::Cancel& op) {
  static constexpr std::array kCauses{"cancelled", "revoked", "cell_unproven", "environment"};
  Site& site = context.site;
  const std::string digest = op.run.text();
  const std::string cause = kCauses[static_cast<std::size_t>(op.cause)];
  if (context.appended.visible_at_ms > 0) {  // it has started: its next slot shows it
    return site.db.run("UPDATE runs SET wanted = ? WHERE digest = ?", {cause, digest});
  }
  COFFER_TRY(const auto known, site.db.row("SELECT 1 FROM runs WHERE digest = ? AND state IN"
                                           " ('queued','running')",
                                           {digest}));
  if (!known) return {};  // unknown to a restored database, or over for a restored keeper
  const bool failed = cause == "cell_unproven" || cause == "environment";
  COFFER_CHECK(
      site.db.run("UPDATE runs SET state = ?, cause = ?, ended = ?, ledger_last = ? WHERE"
                  " digest = ?",
                  {std::string(failed ? "failed" : "cancelled"), cause, site.now_ms(),
                   last_index(context.appended), digest}));
  return add_event(site, digest,
                   {.kind = "state", .output = "", .text = failed ? "failed: " + cause : cause});
}

Result<> tick(Site& site) {
  if (site.unfinished && site.links.has_keeper()) {
    COFFER_CHECK(finish_pending(site));
    auto resumed = resume_worker(site);
    site.unfinished = !resumed;  // still no room: again at the next tick
    COFFER_CHECK(std::move(resumed));
  }
  COFFER_CHECK(settle_due(site));
  COFFER_CHECK(expire_held(site));
  COFFER_CHECK(end_overdue(site));
  COFFER_CHECK(schedule(site));
  return publish_ledger(site);
}

}  // namespace coffer::front
