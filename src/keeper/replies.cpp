#include <algorithm>

#include "grant/permit.h"
#include "keeper/detail/common.h"

namespace coffer::keeper {

// The permit of an attempt that was opened and has not started; asked again, decided again.
Result<Reply> State::answer(const Open& op, std::uint64_t now_ms) const {
  COFFER_TRY(const auto known, run(op.run));
  if (known->attempt_lost) {
    return refuse(Code::FailedPrecondition, "no_retry",
                  "no retry was asked for, or no time is left");
  }
  if (known->attempt != op.attempt || known->attempt_started) {
    return refuse(Code::FailedPrecondition, "wrong_attempt",
                  "this attempt has started, or another");
  }
  const bool waits = known->phase == Phase::Submitted || known->phase == Phase::Running;
  if (!waits || known->cancelled || known->report) {
    return refuse(Code::FailedPrecondition, "already_over", "the run is over or cancelled");
  }
  COFFER_CHECK(usable(*known, now_ms));
  const auto limit_ms = known->request.resources.time_s * 1000;
  const auto used_ms =
      known->starts == 0 || now_ms < known->started_ms ? 0 : now_ms - known->started_ms;
  if (used_ms + 1000 > limit_ms) {
    return refuse(Code::FailedPrecondition, "no_retry", "no time is left for a retry");
  }
  grant::PermitAnswer out;
  out.run = op.run;
  out.attempt = op.attempt;
  out.time_left_s = (limit_ms - used_ms) / 1000;
  out.run_payload = known->payload;
  out.exclusive = std::any_of(known->grants.begin(), known->grants.end(),
                              [&](const Digest& one) { return grants_.at(one).terms.exclusive; });
  for (const auto& input : known->request.inputs) {
    const Version& version = versions_.at(input.manifest);
    grant::SealedPermitInput sealed{input.alias,     version.dataset_id, input.manifest,
                                    version.content, version.chunk_list, {}};
    if (!datasets_.at(version.dataset_id).is_public) {
      COFFER_TRY(const Key key,
                 grant::open_version_key(identity_.seal_key, version.sealed_key,
                                         {version.dataset_id, version.owner_key, input.manifest}));
      COFFER_TRY(sealed.sealed_key, seal_to(op.worker_key, key.expose()));
    }
    out.inputs.push_back(std::move(sealed));
  }
  return Reply{PermitReply{grant::encode_permit(out)}};
}

Result<Reply> State::answer(const Started& op, std::uint64_t) const {
  COFFER_TRY(const auto known, run(op.run));
  return Reply{StartedReply{known->started_ms}};
}

Result<Reply> State::answer(const Report& op, std::uint64_t) const {
  COFFER_TRY(const auto known, run(op.run));
  return Reply{ReportReply{visible_at_ms(*known)}};
}

Result<Reply> State::answer(const Cancel& op, std::uint64_t) const {
  COFFER_TRY(const auto known, run(op.run));
  Appended out;
  if (known->phase == Phase::Running) out.visible_at_ms = visible_at_ms(*known);
  return Reply{std::move(out)};
}

Result<Reply> State::answer(const View& op, std::uint64_t) const {
  COFFER_TRY(const auto user, viewer(op));
  COFFER_TRY(const auto known, run(op.run));
  COFFER_TRY(const OutputMemory* held, output(*known, op.output));
  Appended out;
  COFFER_TRY(out.sealed_output_key, reseal(held->sealed_output_key, user));
  COFFER_TRY(out.sealed_evidence_key, reseal(held->sealed_evidence_key, user));
  return Reply{std::move(out)};
}

Result<Reply> State::answer(const Download& op, std::uint64_t) const {
  COFFER_TRY(const auto user, fetcher(op.run, op.output, op.grantee));
  COFFER_TRY(const auto known, run(op.run));
  COFFER_TRY(const OutputMemory* found, output(*known, op.output));
  Appended out;
  COFFER_TRY(out.sealed_output_key, reseal(found->sealed_output_key, user));
  return Reply{std::move(out)};
}

Result<Reply> State::answer(const ReleaseKey& query, std::uint64_t) const {
  COFFER_TRY(const auto user, fetcher(query.run, query.output, query.grantee));
  COFFER_TRY(const auto known, run(query.run));
  COFFER_TRY(const OutputMemory* found, output(*known, query.output));
  if (!found->downloaded.contains(user)) {
    return refuse(Code::FailedPrecondition, "not_downloaded", "the first time is a Download");
  }
  KeyReply out;
  COFFER_TRY(out.sealed_key, reseal(found->sealed_output_key, user));
  return Reply{std::move(out)};
}

Result<Reply> State::answer(const GrantBudget& query, std::uint64_t) const {
  const auto found = grants_.find(query.grant);
  if (found == grants_.end()) {
    return refuse(Code::NotFound, "no_such_grant", "no " + grant::grant_id(query.grant));
  }
  const GrantMemory& grant = found->second;
  const auto& budgets = grant.terms.budgets;
  return Reply{BudgetReply{{budgets.bits, budgets.epsilon_milli, budgets.runs, budgets.cpu_ms},
                           grant.reserved,
                           grant.spent,
                           grant.auto_spent,
                           grant.revoked,
                           grant.losses,
                           grant.lost_ms}};
}

Result<Reply> State::answer(const DatasetBudget& query, std::uint64_t) const {
  COFFER_TRY(const Dataset* found, dataset(query.dataset_id));
  const auto only = [](const program::Cost& cost) {
    return program::Cost{cost.bits, cost.epsilon_milli, 0, 0};
  };
  BudgetReply out{{}, only(found->reserved), only(found->spent), 0, found->frozen_ms.has_value()};
  if (found->limit) out.limit = {found->limit->bits, found->limit->epsilon_milli, 0, 0};
  return Reply{out};
}

Result<Reply> State::answer(const RunQuery& query, std::uint64_t now_ms) const {
  COFFER_TRY(const auto known, run(query.run));
  RunReply out;
  out.phase = known->phase;
  out.attempt = known->attempt;
  out.started_ms = known->started_ms;
  if (known->settled) {
    out.settled = known->settled;  // and what was decided since
    out.settled->charged = known->charged;
    for (std::size_t i = 0; i < known->outputs.size(); ++i) {
      out.settled->verdicts[i] = known->outputs[i].verdict;
    }
  } else if (const auto computed = compute(*known, now_ms)) {
    out.settled = computed->settled;
  }
  if (out.settled && known->report && !known->cancelled) {
    out.report = known->report;
    for (std::size_t i = 0; i < out.report->outputs.size(); ++i) {
      auto& output = out.report->outputs[i];
      output.sealed_output_key.clear();
      output.sealed_evidence_key.clear();
      if (out.settled->verdicts[i] == program::Verdict::Released) continue;
      output.bits = 0;
      output.content_bytes = 0;
      output.content = {};
      output.release = {};
    }
  }
  for (const auto& output : known->outputs) {
    if (output.verdict == program::Verdict::Held) out.held.push_back(output.name);
  }
  out.held_since_ms = known->held_since_ms;
  return Reply{std::move(out)};
}

Result<Reply> State::answer(const OpenRuns& query, std::uint64_t) const {
  constexpr std::size_t kRunsMax = 1000;
  RunsReply out;
  for (auto at = runs_.upper_bound(query.after); at != runs_.end() && out.runs.size() < kRunsMax;
       ++at) {
    out.runs.push_back({at->first, at->second.phase});
  }
  return Reply{std::move(out)};
}

Result<Reply> State::answer(const Leaves& query, std::uint64_t) const {
  constexpr std::uint32_t kLeavesMax = 65'536;
  if (query.count > kLeavesMax || query.first > tree_.size() ||
      query.count > tree_.size() - query.first) {
    return refuse(Code::InvalidArgument, "malformed",
                  fmt::format("at most {} of the {} entries", kLeavesMax, tree_.size()));
  }
  LeavesReply out;
  for (std::uint64_t i = query.first; i < query.first + query.count; ++i) {
    COFFER_TRY(const Digest leaf, tree_.leaf(i));
    out.leaves.push_back(leaf);
  }
  return Reply{std::move(out)};
}

Result<Reply> State::answer(const Status&, std::uint64_t) const {
  StatusReply out;
  out.tree_size = tree_.size();
  out.root = tree_.root();
  out.ledger_vkey = identity_.ledger_vkey;
  out.seal_key = identity_.seal_key.public_key();
  if (operator_) out.operator_key = users_.at(*operator_).sign_key;
  for (const auto& [digest, envelope] : pending_) out.pending_revocations.push_back(envelope);
  return Reply{std::move(out)};
}

}  // namespace coffer::keeper
