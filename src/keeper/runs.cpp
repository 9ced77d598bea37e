#include <algorithm>
#include <array>
#include <utility>

#include "keeper/detail/common.h"

namespace coffer::keeper {
namespace {

constexpr std::uint64_t kCoreBitsMax = 256;  // a run, over core data

std::uint64_t elapsed_ms(const RunMemory& run, std::uint64_t now_ms) {
  return now_ms > run.started_ms ? now_ms - run.started_ms : 0;
}

// Who pays nothing (no protected input) is told everything at once.
bool is_counted(const RunMemory& run) { return !run.grants.empty(); }

program::Cost quote_of(const RunMemory& run) {
  auto cost = program::quote_of(run.request.resources, run.request.outputs).cost;
  if (!is_counted(run)) cost.bits = 0;
  return cost;
}

program::Cost budget_of(const grant::Grant& terms) {
  return {terms.budgets.bits, terms.budgets.epsilon_milli, terms.budgets.runs,
          terms.budgets.cpu_ms};
}

// Names the first amount that does not fit.
std::string what_is_short(const program::Cost& wanted, const program::Cost& limit) {
  if (wanted.bits > limit.bits) return fmt::format("bits: {} of {}", wanted.bits, limit.bits);
  if (wanted.runs > limit.runs) return fmt::format("runs: {} of {}", wanted.runs, limit.runs);
  if (wanted.cpu_ms > limit.cpu_ms) {
    return fmt::format("cpu_ms: {} of {}", wanted.cpu_ms, limit.cpu_ms);
  }
  return fmt::format("epsilon_milli: {} of {}", wanted.epsilon_milli, limit.epsilon_milli);
}

Result<> check_program(const grant::Grant& terms, const grant::Run& request) {
  if (!terms.programs) return {};
  for (const auto& permitted : *terms.programs) {
    if (permitted.program != request.program || permitted.environment != request.environment) {
      continue;
    }
    for (const auto& [name, value] : request.parameters) {
      const auto values = permitted.parameters.find(name);
      if (values == permitted.parameters.end() ||
          std::find(values->second.begin(), values->second.end(), value) == values->second.end()) {
        return refuse(Code::Denied, "parameter_not_permitted",
                      "parameter '" + name + "' has no permitted value");
      }
    }
    return {};
  }
  return refuse(Code::Denied, "program_not_permitted",
                "program or environment is none that the grant names");
}

}  // namespace

Result<std::shared_ptr<const RunMemory>> State::run(const Digest& digest) const {
  if (const auto open = runs_.find(digest); open != runs_.end()) {
    return std::shared_ptr<const RunMemory>{std::shared_ptr<void>{}, &open->second};
  }
  COFFER_TRY(auto over, over_.get(digest));
  if (over) return std::make_shared<const RunMemory>(*std::move(over));
  return refuse(Code::NotFound, "no_such_run", "no " + grant::run_id(digest));
}

// ---- Submitting
// -----------------------------------------------------------------------------------

// One grant for each protected input, and no grant for nothing. Answers the protected datasets.
Result<std::vector<std::string>> State::match_inputs(const grant::Run& request) const {
  std::set<std::string> datasets;
  std::set<Digest> used;
  for (const auto& digest : request.grants) {
    if (!grants_.contains(digest)) {
      return refuse(Code::NotFound, "no_such_grant", "no " + grant::grant_id(digest));
    }
  }
  for (const auto& input : request.inputs) {
    const auto version = versions_.find(input.manifest);
    if (version == versions_.end() || version->second.removed) {
      return refuse(Code::NotFound, "no_such_version",
                    "input '" + input.alias + "': no such version");
    }
    const auto& id = version->second.dataset_id;
    if (datasets_.at(id).is_public) continue;
    std::size_t covering = 0;
    for (const auto& digest : request.grants) {
      const auto& terms = grants_.at(digest).terms;
      if (terms.dataset_id != id || terms.manifest.value_or(input.manifest) != input.manifest)
        continue;
      used.insert(digest);
      ++covering;
    }
    if (covering != 1) {
      return refuse(Code::Denied, "one_grant_per_input",
                    fmt::format("input '{}': {} grants cover it, 1 must", input.alias, covering));
    }
    datasets.insert(id);
  }
  if (used.size() != request.grants.size()) {
    return refuse(Code::InvalidArgument, "unused_grant", "a grant covers none of the inputs");
  }
  return std::vector<std::string>(datasets.begin(), datasets.end());
}

Result<> State::check_terms(const grant::Grant& terms, const grant::Run& request) const {
  COFFER_CHECK(check_program(terms, request));
  for (const auto& output : request.outputs) {
    const auto lane = std::find(terms.lanes.begin(), terms.lanes.end(), output.lane);
    if (lane == terms.lanes.end()) {
      return refuse(Code::Denied, "lane_not_granted",
                    fmt::format("output '{}': the grant has no lane {}", output.name,
                                program::text_of_lane(output.lane)));
    }
    const auto& kinds = terms.output_kinds;
    if (std::find(kinds.begin(), kinds.end(), output.kind()) == kinds.end()) {
      return refuse(Code::Denied, "kind_not_granted",
                    fmt::format("output '{}': the grant has no output kind {}", output.name,
                                program::text_of_kind(output.kind())));
    }
  }
  return {};
}

// Asked again at every step: whether this run may go on now.
Result<> State::usable(const RunMemory& run, std::uint64_t now_ms) const {
  if (users_.at(run.user).removed) {
    return refuse(Code::Denied, "user_removed", "user " + run.user + " was removed");
  }
  for (const auto& input : run.request.inputs) {
    if (versions_.at(input.manifest).removed) {
      return refuse(Code::NotFound, "no_such_version",
                    "input '" + input.alias + "': the version was removed");
    }
  }
  for (const auto& digest : run.grants) {
    const GrantMemory& grant = grants_.at(digest);
    const auto id = grant::grant_id(digest);
    if (grant.revoked) return refuse(Code::Denied, "revoked", id + " was revoked");
    // What an older keeper accepted stands.
    if (is_suspended(grant.losses) && !reading_journal_) {
      return refuse(
          Code::Denied, "suspended",
          fmt::format("{}: runs were lost {} times; a limit that its owner signs after {} "
                      "lifts this",
                      id, grant.losses, render_time(unix_time(grant.lost_ms))));
    }
    if (now_ms < unix_ms(grant.terms.not_before)) {
      return refuse(Code::Denied, "not_yet", id + " begins " + render_time(grant.terms.not_before));
    }
    if (now_ms >= unix_ms(grant.terms.until)) {
      return refuse(Code::Denied, "expired", id + " ended " + render_time(grant.terms.until));
    }
    if (!users_of(grant.terms.grantee_keys).contains(run.user)) {
      return refuse(Code::Denied, "not_grantee", run.user + " is no grantee of " + id);
    }
    const Dataset& dataset = datasets_.at(grant.terms.dataset_id);
    if (dataset.frozen_ms) {
      return refuse(Code::FailedPrecondition, "frozen", dataset.name + " needs a new limit first");
    }
    if (dataset.graded->data_class != grant::DataClass::Core) continue;
    // The class may have been raised since the grant was signed.
    if (!grant.terms.exclusive) {
      return refuse(Code::FailedPrecondition, "class_exclusive",
                    "core data: needs an exclusive grant");
    }
    if (const auto bits = quote_of(run).bits; bits > kCoreBitsMax) {
      return refuse(Code::FailedPrecondition, "class_bits",
                    fmt::format("core data: {} bits a run, at most {}", bits, kCoreBitsMax));
    }
  }
  return {};
}

Result<> State::check_budgets(const RunMemory& run) const {
  const auto quote = quote_of(run);
  for (const auto& digest : run.grants) {
    const GrantMemory& grant = grants_.at(digest);
    const auto wanted = grant.spent + grant.reserved + quote;
    if (!wanted.within(budget_of(grant.terms))) {
      return refuse(
          Code::BudgetExhausted, "grant_exhausted",
          grant::grant_id(digest) + " would need " + what_is_short(wanted, budget_of(grant.terms)));
    }
  }
  for (const auto& id : run.datasets) {
    const Dataset& dataset = datasets_.at(id);
    const auto wanted = dataset.spent + dataset.reserved + quote;
    const program::Cost limit{dataset.limit->bits, dataset.limit->epsilon_milli, wanted.runs,
                              wanted.cpu_ms};
    if (!wanted.within(limit)) {
      return refuse(Code::BudgetExhausted, "limit_exhausted",
                    dataset.name + " would need " + what_is_short(wanted, limit));
    }
  }
  return {};
}

// A run reserves and is charged the same of each of its grants and datasets, in full.
void State::move_sums(RunMemory& run, const program::Cost& reserved, const program::Cost& charged) {
  const auto move = [&](program::Cost& sum_reserved, program::Cost& sum_spent) {
    sum_reserved = sum_reserved - run.reserved + reserved;
    sum_spent = sum_spent - run.charged + charged;
  };
  for (const auto& digest : run.grants) {
    GrantMemory& grant = grants_.at(digest);
    move(grant.reserved, grant.spent);
  }
  for (const auto& id : run.datasets) {
    Dataset& dataset = datasets_.at(id);
    move(dataset.reserved, dataset.spent);
  }
  run.reserved = reserved;
  run.charged = charged;
}

Result<RunMemory> State::acceptable(grant::Run request, std::string user,
                                    std::uint64_t now_ms) const {
  RunMemory run;
  run.user = std::move(user);
  COFFER_TRY(run.datasets, match_inputs(request));
  run.grants = request.grants;
  run.request = std::move(request);
  for (const auto& digest : run.grants) {
    COFFER_CHECK(check_terms(grants_.at(digest).terms, run.request));
  }
  COFFER_CHECK(usable(run, now_ms));
  COFFER_CHECK(check_budgets(run));
  return run;
}

Result<Reply> State::answer(const WouldAccept& query, std::uint64_t now_ms) const {
  COFFER_TRY(auto request, grant::parse<grant::Run>(text_of(query.run)));
  COFFER_TRY(auto user, user_of(query.user));
  COFFER_TRY([[maybe_unused]] const auto run,
             acceptable(std::move(request), std::move(user), now_ms));
  return Reply{Done{}};
}

Result<State::Effect> State::on(const SubmitRun& op, std::uint64_t now_ms) {
  COFFER_TRY(auto in, read<grant::Run>(op.envelope));
  COFFER_TRY(const auto over, over_.get(in.digest));
  if (over || runs_.contains(in.digest)) {
    return refuse(Code::AlreadyExists, "replayed",
                  grant::run_id(in.digest) + " was accepted before");
  }
  COFFER_TRY(auto user, signer(in.envelope));
  COFFER_TRY(RunMemory run, acceptable(std::move(in.object), std::move(user), now_ms));
  run.payload = std::move(in.envelope.payload);
  const auto quote = quote_of(run);
  move_sums(run, quote, {});
  Effect effect;
  append(effect, op.seed, now_ms,
         {"run", Json::object({{"run", in.digest.text()},
                               {"user", run.user},
                               {"grants", digests_json(run.grants)},
                               {"datasets", run.datasets},
                               {"reserved", program::cost_json(quote)}})});
  runs_.emplace(in.digest, std::move(run));
  return effect;
}

// ---- The worker's steps
// -----------------------------------------------------------------------------

Result<State::Effect> State::on(const Open& op, std::uint64_t now_ms) {
  COFFER_TRY(const auto known, run(op.run));
  if (known->attempt > 0 && op.attempt == known->attempt) {
    COFFER_CHECK(answer(op, now_ms));
    return Effect{false, {}};
  }
  if (op.attempt != known->attempt + 1) {
    return refuse(Code::FailedPrecondition, "wrong_attempt",
                  fmt::format("the next attempt is {}", known->attempt + 1));
  }
  if (known->phase != Phase::Submitted && known->phase != Phase::Running) {
    return refuse(Code::FailedPrecondition, "already_over", "the run is over");
  }
  if (known->cancelled || known->report) {
    return refuse(Code::FailedPrecondition, "already_over", "the run was cancelled or reported");
  }
  // After a start there is one more attempt for each retry asked for, within the first time limit.
  if (known->starts > known->request.retry ||
      (known->starts > 0 &&
       elapsed_ms(*known, now_ms) + 1000 > known->request.resources.time_s * 1000)) {
    // The refusal is answer()'s; that the attempt was lost is remembered, however the run ends.
    const bool known_before = std::exchange(runs_.at(op.run).attempt_lost, true);
    return Effect{!known_before, {}};
  }
  COFFER_CHECK(usable(*known, now_ms));
  RunMemory& changed = runs_.at(op.run);
  changed.attempt = op.attempt;
  changed.attempt_started = false;
  return Effect{};
}

Result<State::Effect> State::on(const Started& op, std::uint64_t now_ms) {
  COFFER_TRY(const auto known, run(op.run));
  if (op.attempt != known->attempt || known->attempt == 0) {
    return refuse(Code::FailedPrecondition, "wrong_attempt",
                  fmt::format("the attempt that was opened is {}", known->attempt));
  }
  if (known->attempt_started) return Effect{false, {}};
  if ((known->phase != Phase::Submitted && known->phase != Phase::Running) || known->cancelled) {
    return refuse(Code::FailedPrecondition, "already_over", "the run is over or cancelled");
  }
  COFFER_CHECK(usable(*known, now_ms));
  RunMemory& changed = runs_.at(op.run);
  changed.attempt_started = true;
  if (changed.starts++ == 0) changed.started_ms = now_ms;
  changed.phase = Phase::Running;
  return Effect{};
}

Result<> State::check_report(const RunMemory& run, const RunReport& report) const {
  const auto bad = [](std::string why) {
    return refuse(Code::InvalidArgument, "bad_report", std::move(why));
  };
  if (report.failure != 0 && report.ending != program::Ending::Exit) {
    return bad("a failure report belongs to the ending exit");
  }
  program::Outcome most{report.slot_s, report.ending, {}};
  for (std::size_t i = 0; i < report.outputs.size(); ++i) {
    const auto& output = report.outputs[i];
    if (i >= run.request.outputs.size() || output.name != run.request.outputs[i].name) {
      return bad("outputs must be the declared ones, in order");
    }
    if (output.refusal) {
      ReportedOutput nothing_else;
      nothing_else.name = output.name;
      nothing_else.refusal = output.refusal;
      if (output != nothing_else) {
        return bad("output '" + output.name + "' is refused and has fields of one that is not");
      }
      most.outputs.push_back({program::verdict_of(*output.refusal), 0});
      continue;
    }
    for (const auto* sealed : {&output.sealed_output_key, &output.sealed_evidence_key}) {
      if (reading_journal_) break;
      const auto key = identity_.seal_key.open(*sealed);
      if (!key || key->size() != 32) return bad("output '" + output.name + "' has a key not ours");
    }
    most.outputs.push_back({program::Verdict::Released, output.bits});
  }
  const auto settled = program::settle(run.request.resources, run.request.outputs, most);
  if (!settled) return bad(settled.error().message);
  return {};
}

Result<State::Effect> State::on(const Report& op, std::uint64_t) {
  COFFER_TRY(const auto known, run(op.run));
  const auto digest = sha256(encode(Request{op}));
  if (known->reported) {
    if (*known->reported == digest) return Effect{false, {}};
    return refuse(Code::AlreadyExists, "already_reported", "the first report of a run stands");
  }
  if (known->phase != Phase::Running) {
    return refuse(Code::FailedPrecondition, "not_running", "the run is not running");
  }
  if (op.attempt != known->attempt || !known->attempt_started) {
    return refuse(Code::FailedPrecondition, "wrong_attempt",
                  fmt::format("the attempt under way is {}", known->attempt));
  }
  COFFER_CHECK(check_report(*known, op.report));
  runs_.at(op.run).report = op.report;
  runs_.at(op.run).reported = digest;
  return Effect{};
}

// ---- Ends
// -------------------------------------------------------------------------------------------

std::uint64_t State::visible_at_ms(const RunMemory& run) const {
  if (run.settled) return run.started_ms + run.settled->slot_s * 1000;
  if (!is_counted(run) && (run.cancelled || run.report)) return run.started_ms;
  const auto slots = program::slots_of(run.request.resources);
  const auto slot = run.cancelled ? run.cancelled->slot_s
                    : run.report  ? run.report->slot_s
                                  : slots.last();
  return run.started_ms + slot * 1000;
}

void State::cancel_started(RunMemory& run, CancelCause cause, std::uint64_t now_ms) {
  if (run.cancelled) return;
  const auto slots = program::slots_of(run.request.resources);
  run.cancelled = RunMemory::Cancelled{cause, program::slot_at(slots, elapsed_ms(run, now_ms))};
}

void State::close(const Digest& digest) {
  const auto open = runs_.find(digest);
  over_.put(digest, open->second);
  runs_.erase(open);
}

Result<State::Effect> State::on(const Cancel& op, std::uint64_t now_ms) {
  COFFER_TRY(const auto known, run(op.run));
  if (known->phase == Phase::Running) {
    if (op.cause != CancelCause::Cancelled && op.cause != CancelCause::Revoked) {
      return refuse(Code::FailedPrecondition, "already_started", "the run has started");
    }
    if (known->cancelled) return Effect{false, {}};
    if (known->report && visible_at_ms(*known) <= now_ms) {
      return refuse(Code::FailedPrecondition, "already_over", "the run ended before: settle it");
    }
    cancel_started(runs_.at(op.run), op.cause, now_ms);
    return Effect{};
  }
  if (known->phase != Phase::Submitted) {
    return refuse(Code::FailedPrecondition, "already_over", "the run is over");
  }
  constexpr std::array<std::string_view, 4> kCauses = {"cancelled", "revoked", "cell_unproven",
                                                       "environment"};
  RunMemory& run = runs_.at(op.run);
  const auto returned = run.reserved;
  move_sums(run, {}, {});
  Effect effect;
  append(effect, op.seed, now_ms,
         {"charge", Json::object({{"run", op.run.text()},
                                  {"cause", kCauses.at(static_cast<std::size_t>(op.cause))},
                                  {"grants", digests_json(run.grants)},
                                  {"datasets", run.datasets},
                                  {"charged", program::cost_json({})},
                                  {"reserved", program::cost_json({})},
                                  {"returned", program::cost_json(returned)}})});
  close(op.run);
  return effect;
}

}  // namespace coffer::keeper
