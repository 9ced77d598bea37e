#include <algorithm>

#include "keeper/detail/common.h"
#include "keeper/detail/over_run.h"

namespace coffer::keeper {
namespace {

using program::Verdict;

bool is_released(Verdict verdict) {
  return verdict == Verdict::Released || verdict == Verdict::HeldReleased;
}

std::string_view ending_text(const std::optional<program::Ending>& ending) {
  return ending ? program::text_of_ending(*ending) : "cancelled";
}

Json release_json(const Digest& digest, const RunMemory& run, const OutputMemory& output) {
  Json approvals = Json::array();
  for (const auto& [user, said] : output.approvals) approvals.push(Json{said.approval.text()});
  return Json::object({{"run", digest.text()},
                       {"output", output.name},
                       {"release", output.release.text()},
                       {"content", output.content.text()},
                       {"bytes", output.content_bytes},
                       {"commitment", output.commitment.text()},
                       {"bits", run.grants.empty() ? 0 : output.bits},
                       {"grants", digests_json(run.grants)},
                       {"approvals", std::move(approvals)}});
}

Json verdict_json(const OutputMemory& output) {
  const bool refused = output.commitment == Digest{};
  return Json::object({{"name", output.name},
                       {"verdict", program::text_of_verdict(output.verdict)},
                       {"commitment", refused ? std::string() : output.commitment.text()}});
}

Json charge_json(const Digest& digest, const RunMemory& run, const program::Cost& charged,
                 const program::Cost& returned) {
  return Json::object({{"run", digest.text()},
                       {"grants", digests_json(run.grants)},
                       {"datasets", run.datasets},
                       {"charged", program::cost_json(charged)},
                       {"reserved", program::cost_json(run.reserved)},
                       {"returned", program::cost_json(returned)}});
}

}  // namespace

// ---- Settling
// ---------------------------------------------------------------------------------------

std::uint64_t State::approvals_needed(const GrantMemory& grant) const {
  const auto data_class = datasets_.at(grant.terms.dataset_id).graded->data_class;
  const std::uint64_t by_class = data_class == grant::DataClass::General     ? 0
                                 : data_class == grant::DataClass::Important ? 1
                                                                             : 2;
  return std::max(grant.terms.approvals_needed, by_class);
}

std::vector<program::AutomaticLimits> State::automatic_limits(const RunMemory& run) const {
  std::vector<program::AutomaticLimits> out;
  for (const auto& digest : run.grants) {
    const GrantMemory& grant = grants_.at(digest);
    const auto data_class = datasets_.at(grant.terms.dataset_id).graded->data_class;
    program::AutomaticLimits limits;
    limits.auto_bits = data_class == grant::DataClass::General ? grant.terms.auto_bits : 0;
    limits.auto_total = grant.terms.auto_total;
    limits.runs = grant.terms.budgets.runs;
    limits.spent_before = grant.auto_spent;
    // Approvers too few to approve are none: then nothing is held for them.
    const auto needed = approvals_needed(grant);
    const bool enough = users_of(grant.terms.approver_keys).size() >= needed;
    limits.approvals_needed = enough ? needed : 0;
    out.push_back(limits);
  }
  return out;
}

Result<State::Computed> State::compute(const RunMemory& run, std::uint64_t now_ms) const {
  if (run.phase == Phase::Submitted) {
    return refuse(Code::FailedPrecondition, "not_started", "the run has not started");
  }
  if (run.phase != Phase::Running) {
    return refuse(Code::AlreadyExists, "already_settled", "the run was settled");
  }
  if (now_ms < visible_at_ms(run)) {
    return refuse(Code::Unavailable, "not_visible", "not before the run's next slot");
  }
  const auto slots = program::slots_of(run.request.resources);
  const auto header = program::quote_of(run.request.resources, run.request.outputs).header_bits;
  program::Outcome outcome{slots.last(), program::Ending::Lost, {}};
  if (run.cancelled) {
    outcome = {run.cancelled->slot_s, {}, {}};
  } else if (run.report) {
    outcome = {run.report->slot_s, run.report->ending, {}};
  }
  Computed out;
  if (outcome.ending == program::Ending::Judged) {
    std::vector<program::JudgedOutput> judged;
    for (const auto& output : run.report->outputs) judged.push_back({output.refusal, output.bits});
    auto decided = program::decide(automatic_limits(run), header, judged);
    out.auto_spent = decided.spent;
    for (std::size_t i = 0; i < judged.size(); ++i) {
      outcome.outputs.push_back({decided.verdicts[i], judged[i].object_bits});
    }
    out.settled.verdicts = std::move(decided.verdicts);
  } else {
    // A cancelled run shows no report, like one that ran out of time.
    out.auto_spent =
        program::automatic_spend_unjudged(header, outcome.ending.value_or(program::Ending::Time));
  }
  COFFER_TRY(out.settlement, program::settle(run.request.resources, run.request.outputs, outcome));
  if (run.grants.empty()) out.settlement.charged.bits = 0;
  out.settled.slot_s = outcome.slot_s;
  out.settled.ending = outcome.ending;
  out.settled.charged = out.settlement.charged;
  return out;
}

Result<State::Effect> State::on(const Settle& op, std::uint64_t now_ms) {
  COFFER_TRY(const auto known, run(op.run));
  COFFER_TRY(Computed computed, compute(*known, now_ms));
  const auto& settled = computed.settled;
  if (settled != op.settled) {
    const auto field = settled.slot_s != op.settled.slot_s       ? "slot_s"
                       : settled.ending != op.settled.ending     ? "ending"
                       : settled.verdicts != op.settled.verdicts ? "verdicts"
                                                                 : "charged";
    return refuse(Code::InvalidArgument, "settlement_differs",
                  fmt::format("field '{}' is not what the report and the sums give", field));
  }
  RunMemory& run = runs_.at(op.run);
  const auto before = run.reserved;
  move_sums(run, computed.settlement.reserved, computed.settlement.charged);
  // A start that was tried again was lost, too, and so was one whose run was cancelled afterwards.
  const bool lost = run.attempt_lost || settled.ending == program::Ending::Lost;
  const std::uint32_t losses = run.starts - 1 + (lost ? 1 : 0);
  for (const auto& digest : run.grants) {
    GrantMemory& grant = grants_.at(digest);
    grant.auto_spent += computed.auto_spent;
    if (losses == 0) continue;
    grant.losses += losses;
    grant.lost_ms = now_ms;
  }
  for (std::size_t i = 0; i < settled.verdicts.size(); ++i) {
    const auto& reported = run.report->outputs[i];
    run.outputs.push_back({reported.name,
                           settled.verdicts[i],
                           reported.bits,
                           reported.content_bytes,
                           reported.commitment,
                           reported.content,
                           reported.release,
                           reported.sealed_output_key,
                           reported.sealed_evidence_key,
                           {},
                           {}});
  }
  Json outputs = Json::array();
  for (const auto& output : run.outputs) outputs.push(verdict_json(output));
  Json inputs = Json::array();
  for (const auto& input : run.request.inputs) inputs.push(Json{input.manifest.text()});
  const bool told = run.report && !run.cancelled;
  Effect effect;
  const auto add = [&](std::string_view kind, Json fields) {
    append(effect, op.seed, now_ms, {kind, std::move(fields)});
  };
  add("opening", Json::object({{"run", op.run.text()},
                               {"attempt", run.attempt},
                               {"started", render_time(unix_time(run.started_ms))},
                               {"inputs", std::move(inputs)}}));
  add("proof", Json::object({{"run", op.run.text()},
                             {"cell_proof", told ? run.report->cell_proof.text() : ""}}));
  add("verdict", Json::object({{"run", op.run.text()},
                               {"ending", ending_text(settled.ending)},
                               {"slot_s", settled.slot_s},
                               {"failure", told ? run.report->failure : 0},
                               {"outputs", std::move(outputs)}}));
  add("charge", charge_json(op.run, run, settled.charged, before - settled.charged - run.reserved));
  bool holds = false;
  for (const auto& output : run.outputs) {
    if (is_released(output.verdict)) add("release", release_json(op.run, run, output));
    holds = holds || output.verdict == Verdict::Held;
  }
  run.settled = settled;
  run.held_since_ms = now_ms;
  run.phase = Phase::Held;
  if (!holds) close(op.run);
  return effect;
}

// ---- What is held
// -------------------------------------------------------------------------------------

Result<const OutputMemory*> State::output(const RunMemory& run, std::string_view name) const {
  for (const auto& output : run.outputs) {
    if (output.name == name) return &output;
  }
  return refuse(Code::NotFound, "no_such_output", "no settled output " + printable(name, 80));
}

bool State::revoked(const RunMemory& run) const {
  return std::any_of(run.grants.begin(), run.grants.end(),
                     [&](const Digest& digest) { return grants_.at(digest).revoked; });
}

bool State::is_approver(const RunMemory& run, const std::string& user) const {
  return user != run.user &&
         std::any_of(run.grants.begin(), run.grants.end(), [&](const Digest& digest) {
           return users_of(grants_.at(digest).terms.approver_keys).contains(user);
         });
}

namespace {

Result<> must_be_held(const RunMemory& run, const OutputMemory& output) {
  if (run.phase == Phase::Held && output.verdict == Verdict::Held) return {};
  return refuse(
      Code::FailedPrecondition, "not_held",
      fmt::format("output {} is {}", output.name, program::text_of_verdict(output.verdict)));
}

Result<> must_be_in_time(const RunMemory& run, std::uint64_t now_ms) {
  if (now_ms < run.held_since_ms + kHeldMs) return {};
  return refuse(Code::FailedPrecondition, "expired",
                "held since " + render_time(unix_time(run.held_since_ms)) + ", more than 14 days");
}

}  // namespace

Result<State::Effect> State::on(const Approve& op, std::uint64_t now_ms) {
  COFFER_TRY(const auto in, read<grant::Approval>(op.envelope));
  const auto& approval = in.object;
  COFFER_TRY(const auto user, signer(in.envelope));
  COFFER_TRY(const auto known, run(approval.run));
  COFFER_TRY(const OutputMemory* held, output(*known, approval.output));
  if (!is_approver(*known, user)) {
    return refuse(Code::Denied, "not_approver", user + " is no approver of this run's grants");
  }
  COFFER_CHECK(must_be_held(*known, *held));
  COFFER_CHECK(must_be_in_time(*known, now_ms));
  if (revoked(*known)) return refuse(Code::Denied, "revoked", "the grant was revoked");
  if (approval.commitment != held->commitment) {
    return refuse(Code::Denied, "other_commitment", "field 'commitment' is of another content");
  }
  if (held->approvals.contains(user)) {
    return refuse(Code::AlreadyExists, "already_said", user + " has decided on this output");
  }
  auto& outputs = runs_.at(approval.run).outputs;
  const auto at = static_cast<std::size_t>(held - outputs.data());
  outputs[at].approvals[user] = {in.digest, approval.verdict};
  Effect effect;
  append(effect, op.seed, now_ms,
         {"approval", Json::object({{"run", approval.run.text()},
                                    {"output", approval.output},
                                    {"approval", in.digest.text()},
                                    {"user", user},
                                    {"verdict", grant::approval_verdict_name(approval.verdict)},
                                    {"reason", approval.reason}})});
  return effect;
}

Result<> State::check_release(const RunMemory& run, const OutputMemory& output,
                              std::uint64_t now_ms) const {
  COFFER_CHECK(must_be_in_time(run, now_ms));
  if (revoked(run)) return refuse(Code::Denied, "revoked", "the grant was revoked");
  if (users_.at(run.user).removed) {
    return refuse(Code::Denied, "user_removed", "user " + run.user + " was removed");
  }
  std::set<std::string> approved;
  for (const auto& [user, said] : output.approvals) {
    if (said.verdict != grant::ApprovalVerdict::Approve) {
      return refuse(Code::Denied, "refused", user + " did not approve " + output.name);
    }
    approved.insert(user);
  }
  for (const auto& digest : run.grants) {
    const GrantMemory& grant = grants_.at(digest);
    std::uint64_t count = 0;
    for (const auto& user : users_of(grant.terms.approver_keys)) count += approved.count(user);
    // A grant that needs nobody's approval holds nothing by itself; then another grant did.
    const auto needed = approvals_needed(grant);
    if (count < needed) {
      return refuse(Code::Denied, "approvals_missing",
                    fmt::format("{}: {} of {} approvals", grant::grant_id(digest), count, needed));
    }
  }
  if (approved.empty()) {
    return refuse(Code::Denied, "approvals_missing", "nobody approved " + output.name);
  }
  return {};
}

Result<> State::check_withholding(const RunMemory& run, const OutputMemory& output,
                                  const Decide& op, std::uint64_t now_ms) const {
  const auto wrong = [](std::string why) {
    return refuse(Code::FailedPrecondition, "wrong_cause", std::move(why));
  };
  switch (op.cause) {
    case DecisionCause::Approved:
      return wrong("what was approved is not withheld");
    case DecisionCause::Refused:
      if (std::any_of(output.approvals.begin(), output.approvals.end(), [](const auto& one) {
            return one.second.verdict != grant::ApprovalVerdict::Approve;
          })) {
        return {};
      }
      return wrong("no approver refused or returned it");
    case DecisionCause::Expired:
      if (now_ms >= run.held_since_ms + kHeldMs) return {};
      return wrong("it is held for less than 14 days");
    case DecisionCause::Revoked:
      if (revoked(run) || users_.at(run.user).removed) return {};
      return wrong("no grant was revoked and the user is there");
  }
  return wrong("no cause");
}

Result<State::Effect> State::on(const Decide& op, std::uint64_t now_ms) {
  COFFER_TRY(const auto known, run(op.run));
  COFFER_TRY(const OutputMemory* held, output(*known, op.output));
  COFFER_CHECK(must_be_held(*known, *held));
  const bool releases = op.decision == Decision::Released;
  if (releases && op.cause != DecisionCause::Approved) {
    return refuse(Code::FailedPrecondition, "wrong_cause", "a release has the cause approved");
  }
  COFFER_CHECK(releases ? check_release(*known, *held, now_ms)
                        : check_withholding(*known, *held, op, now_ms));
  RunMemory& run = runs_.at(op.run);
  OutputMemory& output = run.outputs[static_cast<std::size_t>(held - run.outputs.data())];
  const auto verdict = releases ? Verdict::HeldReleased : Verdict::HeldWithheld;
  program::Outcome outcome{run.settled->slot_s, run.settled->ending, {}};
  bool holds = false;
  for (const auto& one : run.outputs) {
    const auto decided = &one == &output ? verdict : one.verdict;
    outcome.outputs.push_back({decided, one.bits});
    holds = holds || decided == Verdict::Held;
  }
  COFFER_TRY(const auto settlement,
             program::settle(run.request.resources, run.request.outputs, outcome));
  output.verdict = verdict;
  const auto charged = settlement.charged - run.charged;
  const auto returned = run.reserved - charged - settlement.reserved;
  move_sums(run, settlement.reserved, settlement.charged);
  constexpr std::array<std::string_view, 4> kCauses = {"approved", "refused", "expired", "revoked"};
  Effect effect;
  append(effect, op.seed, now_ms,
         {"verdict", Json::object({{"run", op.run.text()},
                                   {"cause", kCauses.at(static_cast<std::size_t>(op.cause))},
                                   {"outputs", Json::array({verdict_json(output)})}})});
  append(effect, op.seed, now_ms, {"charge", charge_json(op.run, run, charged, returned)});
  if (releases) append(effect, op.seed, now_ms, {"release", release_json(op.run, run, output)});
  if (!releases) output.sealed_output_key.clear();
  if (!holds) close(op.run);
  return effect;
}

// ---- Who is shown what
// ----------------------------------------------------------------------------------

Result<std::string> State::viewer(const View& op) const {
  COFFER_TRY(const auto known, run(op.run));
  COFFER_TRY(const OutputMemory* held, output(*known, op.output));
  COFFER_TRY(auto user, user_of(op.approver));
  if (!is_approver(*known, user)) {
    return refuse(Code::Denied, "not_approver", user + " is no approver of this run's grants");
  }
  COFFER_CHECK(must_be_held(*known, *held));
  return user;
}

Result<State::Effect> State::on(const View& op, std::uint64_t now_ms) {
  COFFER_TRY(const auto user, viewer(op));
  Effect effect;
  append(effect, op.seed, now_ms,
         {"view", Json::object({{"run", op.run.text()}, {"output", op.output}, {"user", user}})});
  return effect;
}

Result<std::string> State::fetcher(const Digest& digest, std::string_view name,
                                   const SignPublic& key) const {
  COFFER_TRY(const auto known, run(digest));
  COFFER_TRY(const OutputMemory* found, output(*known, name));
  COFFER_TRY(auto user, user_of(key));
  const bool grantee =
      known->grants.empty()
          ? user == known->user
          : std::all_of(known->grants.begin(), known->grants.end(), [&](const Digest& one) {
              return users_of(grants_.at(one).terms.grantee_keys).contains(user);
            });
  if (!grantee) return refuse(Code::Denied, "not_grantee", user + " is no grantee of this run");
  if (!is_released(found->verdict)) {
    return refuse(Code::FailedPrecondition, "not_released",
                  fmt::format("output {} is {}", name, program::text_of_verdict(found->verdict)));
  }
  return user;
}

Result<State::Effect> State::on(const Download& op, std::uint64_t now_ms) {
  COFFER_TRY(const auto user, fetcher(op.run, op.output, op.grantee));
  const auto download = [&](RunMemory& run) {
    const auto at = std::find_if(run.outputs.begin(), run.outputs.end(),
                                 [&](const auto& one) { return one.name == op.output; });
    return at->downloaded.insert(user).second;
  };
  bool first = false;
  if (const auto open = runs_.find(op.run); open != runs_.end()) {
    first = download(open->second);
  } else {
    COFFER_TRY(auto over, over_.get(op.run));
    first = download(*over);
    if (first) over_.put(op.run, *over);
  }
  if (!first) {
    return refuse(Code::AlreadyExists, "already_downloaded", user + " has downloaded it before");
  }
  Effect effect;
  append(
      effect, op.seed, now_ms,
      {"download", Json::object({{"run", op.run.text()}, {"output", op.output}, {"user", user}})});
  return effect;
}

Result<ByteVector> State::reseal(const ByteVector& sealed, const std::string& user) const {
  COFFER_TRY(ByteVector key, identity_.seal_key.open(sealed));
  auto out = seal_to(users_.at(user).seal_key, key);
  sodium_memzero(key.data(), key.size());
  return out;
}

}  // namespace coffer::keeper
