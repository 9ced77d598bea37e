#include <gtest/gtest.h>

#include "keeper/test_world.h"

namespace coffer::keeper::test {
namespace {

using grant::ApprovalVerdict;
using program::Ending;
using program::Verdict;

struct Started1 : Clinic {
  Digest grant_digest = grant(stew, terms());
  grant::Run run = both(grant_digest);
  Digest digest = digest_of(run);
  Started1() {
    append(submit(ada, run));
    start(digest);
  }
  void report(const RunReport& what) { must<ReportReply>(Report{digest, 1, what}); }
  RunReport ended(Ending ending, std::uint64_t slot_s) {
    RunReport out;
    out.ending = ending;
    out.slot_s = slot_s;
    out.cell_proof = sha256("proof");
    return out;
  }
  Approve approve(const Person& who, ApprovalVerdict verdict = ApprovalVerdict::Approve) {
    return {seed(), approval(who, digest, "weights", verdict)};
  }
  Decide decide(Decision decision, DecisionCause cause) {
    return {seed(), digest, "weights", decision, cause};
  }
  Decide release() { return decide(Decision::Released, DecisionCause::Approved); }
};

TEST(Settling, WaitsForTheSlot) {
  Started1 world;
  world.now += 2500;
  world.report(world.judged(world.run));
  EXPECT_FALSE(world.must<RunReply>(RunQuery{world.digest}).settled);
  const Settled what{4, Ending::Judged, {Verdict::Released, Verdict::Held}, {23, 0, 1, 4000}};
  world.now = kStart + 3999;
  EXPECT_EQ(world.rule(Settle{world.seed(), world.digest, what}), "not_visible");
  EXPECT_EQ(world.budget(world.grant_digest).spent, program::Cost{});
  EXPECT_EQ(world.budget(world.grant_digest).reserved.bits, 519U);
  EXPECT_EQ(world.must<RunReply>(RunQuery{world.digest}).phase, Phase::Running);
  world.now = kStart + 4000;
  EXPECT_EQ(world.rule(Settle{world.seed(), world.digest, what}), "");
  EXPECT_EQ(world.rule(Settle{world.seed(), world.digest, what}), "already_settled");
}

TEST(Settling, IsWhatTheReportAndTheSumsGive) {
  Started1 world;
  world.report(world.judged(world.run));
  world.now += 4000;
  const auto good = world.settle(world.digest);
  EXPECT_EQ(good.settled.verdicts, (std::vector<Verdict>{Verdict::Released, Verdict::Held}));
  EXPECT_EQ(good.settled.charged, (program::Cost{7 + 3 + 3 + 10, 0, 1, 4000}));
  const auto with = [&](const std::function<void(Settled&)>& change) {
    auto op = good;
    change(op.settled);
    return world.rule(op);
  };
  EXPECT_EQ(with([](Settled& s) { s.charged.bits -= 1; }), "settlement_differs");
  EXPECT_EQ(with([](Settled& s) { s.charged.cpu_ms += 1; }), "settlement_differs");
  EXPECT_EQ(with([](Settled& s) { s.verdicts[1] = Verdict::Released; }), "settlement_differs");
  EXPECT_EQ(with([](Settled& s) { s.slot_s = 8; }), "settlement_differs");
  EXPECT_EQ(with([](Settled& s) { s.ending = Ending::Exit; }), "settlement_differs");
  const auto done = world.append(good);
  EXPECT_EQ(World::kinds(done),
            (std::vector<std::string>{"opening", "proof", "verdict", "charge", "release"}));
  EXPECT_EQ(World::private_of(done.entries[4]).text_or("release", ""),
            sha256("release metrics").text());
}

TEST(Settling, KeepsBackTheDeclaredMaximumOfWhatIsHeld) {
  Started1 world;
  world.report(world.judged(world.run));
  world.now += 4000;
  world.append(world.settle(world.digest));
  const auto budget = world.budget(world.grant_digest);
  EXPECT_EQ(budget.reserved, (program::Cost{496, 0, 0, 0}));
  EXPECT_EQ(budget.spent, (program::Cost{23, 0, 1, 4000}));
  EXPECT_EQ(budget.auto_spent, 23U);
  EXPECT_EQ(world.budget(kId).reserved.bits, 496U);
  EXPECT_EQ(world.budget(kId).spent.bits, 23U);
}

TEST(Settling, TellsNothingOfWhatIsHeld) {
  Started1 world;
  world.report(world.judged(world.run));
  world.now += 4000;
  world.append(world.settle(world.digest));
  const auto known = world.must<RunReply>(RunQuery{world.digest});
  ASSERT_TRUE(known.report);
  EXPECT_EQ(known.report->outputs[0].bits, 10U);
  EXPECT_EQ(known.report->outputs[0].content, sha256("content metrics"));
  EXPECT_EQ(known.report->outputs[1].bits, 0U);
  EXPECT_EQ(known.report->outputs[1].content, Digest{});
  EXPECT_EQ(known.report->outputs[1].commitment, sha256("commitment weights"));
  EXPECT_TRUE(known.report->outputs[1].sealed_output_key.empty());
  EXPECT_EQ(known.held, std::vector<std::string>{"weights"});
}

TEST(Settling, ChargesEachEndingItsOwn) {
  const auto charged = [](Ending ending, std::uint64_t slot_s) {
    Started1 world;
    world.report(world.ended(ending, slot_s));
    world.now += slot_s * 1000;
    const auto done = world.append(world.settle(world.digest));
    EXPECT_EQ(World::kinds(done),
              (std::vector<std::string>{"opening", "proof", "verdict", "charge"}));
    const auto budget = world.budget(world.grant_digest);
    EXPECT_EQ(budget.reserved, program::Cost{});
    EXPECT_EQ(world.must<RunReply>(RunQuery{world.digest}).phase, Phase::Over);
    return budget.spent;
  };
  EXPECT_EQ(charged(Ending::Exit, 1), (program::Cost{7 + 32, 0, 1, 1000}));
  EXPECT_EQ(charged(Ending::Memory, 2), (program::Cost{7, 0, 1, 2000}));
  EXPECT_EQ(charged(Ending::OutputSize, 8), (program::Cost{7, 0, 1, 8000}));
  EXPECT_EQ(charged(Ending::Time, 606), (program::Cost{7, 0, 1, 600'000}));
  EXPECT_EQ(charged(Ending::Lost, 606), (program::Cost{7, 0, 1, 600'000}));
}

TEST(Settling, RunThatNobodyReportsIsLostAtItsLastSlot) {
  Started1 world;
  world.now = kStart + 605'999;
  EXPECT_FALSE(world.must<RunReply>(RunQuery{world.digest}).settled);
  world.now = kStart + 606'000;
  const auto op = world.settle(world.digest);
  EXPECT_EQ(op.settled.ending, Ending::Lost);
  world.append(op);
  EXPECT_EQ(world.rule(Report{world.digest, 1, world.judged(world.run)}), "not_running");
}

// Three losses: one run lost twice over (it was tried again), one once.
struct Suspended : Clinic {
  Digest grant_digest = grant(stew, terms());
  grant::Run queued = run_object({grant_digest}, manifest);

  void lose(std::uint32_t starts) {
    auto run = run_object({grant_digest}, manifest);
    run.retry = starts - 1;
    append(submit(ada, run));
    for (std::uint32_t i = 1; i <= starts; ++i) start(digest_of(run), i);
    now += 606'000;
    append(settle(digest_of(run)));
  }
  std::string limit(std::uint64_t sequence, std::uint64_t issued_ms) {
    auto anew = limit_object(stew, kId, 1'000'000);
    anew.sequence = sequence;
    anew.issued = time_of(issued_ms);
    return rule(SetLimit{seed(), render(grant::sign(anew, stew.sign))});
  }
  std::string submit_one() { return rule(submit(ada, run_object({grant_digest}, manifest))); }

  Suspended() {
    append(submit(ada, queued));
    lose(2);
    EXPECT_EQ(budget(grant_digest).losses, 2U);
    EXPECT_EQ(submit_one(), "");
    lose(1);
  }
};

TEST(Settling, RepeatedLossSuspendsTheGrantAndNoOther) {
  Suspended clinic;
  EXPECT_EQ(clinic.budget(clinic.grant_digest).losses, 3U);
  EXPECT_EQ(clinic.submit_one(), "suspended");
  EXPECT_EQ(clinic.rule(clinic.open(digest_of(clinic.queued))), "suspended");
  const auto other = clinic.grant(clinic.stew, clinic.terms());
  clinic.whole_run(clinic.ada, clinic.run_object({other}, clinic.manifest));
  EXPECT_EQ(clinic.budget(other).losses, 0U);
}

TEST(Settling, RunThatIsCancelledAfterItsMachineWasLostCountsAsLost) {
  for (const bool lost : {false, true}) {
    Started1 world;
    if (lost) {
      EXPECT_EQ(world.rule(world.open(world.digest, 2)), "no_retry");
      EXPECT_EQ(world.rule(world.open(world.digest, 2)), "no_retry");  // asked again
    }
    world.append(Cancel{world.seed(), world.digest, CancelCause::Cancelled});
    world.now += 606'000;
    world.append(world.settle(world.digest));
    EXPECT_EQ(world.budget(world.grant_digest).losses, lost ? 1U : 0U);
  }
}

TEST(Settling, SuspensionEndsWithALimitThatTheOwnerSignedAfterIt) {
  Suspended clinic;
  const auto lost_ms = clinic.now;
  clinic.now += 10'000;
  EXPECT_EQ(clinic.limit(2, lost_ms - 1000), "");  // one that was held back lifts nothing
  const auto budget = clinic.budget(clinic.grant_digest);
  EXPECT_EQ(budget.lost_ms, lost_ms);
  const auto refused = clinic.ask(
      clinic.submit(clinic.ada, clinic.run_object({clinic.grant_digest}, clinic.manifest)));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().rule, "suspended");
  EXPECT_NE(refused.error().message.find(render_time(time_of(lost_ms))), std::string::npos);
  EXPECT_EQ(clinic.limit(3, clinic.now), "");
  EXPECT_EQ(clinic.budget(clinic.grant_digest).losses, 0U);
  EXPECT_EQ(clinic.submit_one(), "");
  EXPECT_EQ(clinic.rule(clinic.open(digest_of(clinic.queued))), "");
}

TEST(Settling, RefusedOutputsCostTheirVerdict) {
  Started1 world;
  auto report = world.judged(world.run);
  for (auto& output : report.outputs) {
    const auto name = output.name;
    output = ReportedOutput{};
    output.name = name;
    output.refusal = program::Refusal::Undeclared;
  }
  world.report(report);
  world.now += 4000;
  const auto op = world.settle(world.digest);
  EXPECT_EQ(op.settled.verdicts, (std::vector<Verdict>{Verdict::Undeclared, Verdict::Undeclared}));
  world.append(op);
  EXPECT_EQ(world.budget(world.grant_digest).spent.bits, 7U + 6U);
  EXPECT_EQ(world.budget(world.grant_digest).reserved, program::Cost{});
}

TEST(Settling, StopsReleasingWhenTheAutomaticTotalIsUsedUp) {
  Clinic clinic;
  auto terms = clinic.terms();
  terms.auto_total = 45;  // two runs of 20 bits, and no third
  const auto grant = clinic.grant(clinic.stew, terms);
  std::vector<Verdict> seen;
  for (int i = 0; i < 3; ++i) {
    const auto request = clinic.run_object({grant}, clinic.manifest);
    const auto run = clinic.whole_run(clinic.ada, request);
    seen.push_back(clinic.must<RunReply>(RunQuery{run}).settled->verdicts[0]);
  }
  EXPECT_EQ(seen, (std::vector<Verdict>{Verdict::Released, Verdict::Released, Verdict::Held}));
}

TEST(Settling, WithholdsAtOnceWhereNobodyCanApprove) {
  Clinic clinic;
  auto terms = clinic.grant_object(clinic.stew, kId, clinic.ada);  // no approvers
  const auto grant = clinic.grant(clinic.stew, terms);
  const auto run = clinic.whole_run(clinic.ada, clinic.both(grant));
  const auto known = clinic.must<RunReply>(RunQuery{run});
  EXPECT_EQ(known.phase, Phase::Over);
  EXPECT_EQ(known.settled->verdicts[1], Verdict::HeldWithheld);
  EXPECT_EQ(clinic.budget(grant).reserved, program::Cost{});
  EXPECT_EQ(clinic.rule(Download{clinic.seed(), run, "weights", clinic.ada.sign.public_key()}),
            "not_released");
}

TEST(Settling, ClassRaisedMeanwhileHoldsEverything) {
  Started1 world;
  auto card = world.card_object(world.stew, kId, world.manifest);
  card.data_class = grant::DataClass::Important;
  card.sequence = 2;
  world.append(SetCard{world.seed(), render(grant::sign(card, world.stew.sign))});
  world.report(world.judged(world.run));
  world.now += 4000;
  EXPECT_EQ(world.settle(world.digest).settled.verdicts,
            (std::vector<Verdict>{Verdict::Held, Verdict::Held}));
}

TEST(Settling, RunWithoutProtectedInputHasNoSlotsAndCostsNoBits) {
  World world;
  auto& stew = world.person("stew");
  auto& ada = world.person("ada");
  auto manifest = world.manifest_object(stew, kId);
  manifest.is_public = true;
  world.append(world.add_manifest(stew, manifest));
  const auto run = world.run_object({}, digest_of(manifest));
  world.append(world.submit(ada, run));
  const auto permit = world.must<PermitReply>(world.open(digest_of(run)));
  EXPECT_FALSE(
      grant::Permit::decode(permit.permit, seal_key_of("worker"))->input("tumours")->version_key);
  world.must<StartedReply>(Started{digest_of(run), 1});
  world.must<ReportReply>(Report{digest_of(run), 1, world.judged(run)});
  const auto op = world.settle(digest_of(run));  // at once
  EXPECT_EQ(op.settled.charged.bits, 0U);
  EXPECT_EQ(op.settled.verdicts, std::vector<Verdict>{Verdict::Released});
  world.append(op);
  EXPECT_EQ(world.rule(Download{world.seed(), digest_of(run), "metrics", stew.sign.public_key()}),
            "not_grantee");
  EXPECT_EQ(world.rule(Download{world.seed(), digest_of(run), "metrics", ada.sign.public_key()}),
            "");
}

TEST(Cancelling, StartedRunShowsCancelledAtItsNextSlotWhateverItDid) {
  Started1 world;
  world.now += 2500;
  world.report(world.judged(world.run));
  const auto reply = world.append(Cancel{world.seed(), world.digest, CancelCause::Cancelled});
  EXPECT_TRUE(reply.entries.empty());
  EXPECT_EQ(reply.visible_at_ms, kStart + 4000);
  EXPECT_EQ(world.rule(world.open(world.digest, 2)), "already_over");
  world.now = kStart + 4000;
  const auto op = world.settle(world.digest);
  EXPECT_EQ(op.settled.ending, std::nullopt);
  EXPECT_TRUE(op.settled.verdicts.empty());
  const auto done = world.append(op);
  EXPECT_EQ(World::kinds(done),
            (std::vector<std::string>{"opening", "proof", "verdict", "charge"}));
  EXPECT_EQ(World::private_of(done.entries[2]).text_or("ending", ""), "cancelled");
  EXPECT_EQ(world.budget(world.grant_digest).spent, (program::Cost{7, 0, 1, 4000}));
  EXPECT_EQ(world.budget(world.grant_digest).reserved, program::Cost{});
  EXPECT_FALSE(world.must<RunReply>(RunQuery{world.digest}).report);
}

TEST(Cancelling, ComesTooLateAfterTheSlot) {
  Started1 world;
  world.report(world.judged(world.run));
  world.now = kStart + 4000;
  EXPECT_EQ(world.rule(Cancel{world.seed(), world.digest, CancelCause::Cancelled}), "already_over");
  EXPECT_EQ(world.rule(Cancel{world.seed(), world.digest, CancelCause::Environment}),
            "already_started");
  EXPECT_EQ(world.rule(world.settle(world.digest)), "");
}

TEST(Revoking, StartedRunEndsAsCancelled) {
  Started1 world;
  world.report(world.judged(world.run));
  world.now += 1500;
  world.append(Revoke{world.seed(), world.revocation(world.stew, world.grant_digest)});
  EXPECT_FALSE(world.must<RunReply>(RunQuery{world.digest}).settled);
  world.now = kStart + 2000;
  EXPECT_EQ(world.settle(world.digest).settled.ending, std::nullopt);
}

TEST(Revoking, WithholdsWhatIsHeldAndLeavesWhatWasReleased) {
  Started1 world;
  world.report(world.judged(world.run));
  world.now += 4000;
  world.append(world.settle(world.digest));
  EXPECT_EQ(world.rule(world.decide(Decision::Withheld, DecisionCause::Revoked)), "wrong_cause");
  world.append(world.approve(world.rex));
  world.append(Revoke{world.seed(), world.revocation(world.stew, world.grant_digest)});
  EXPECT_EQ(world.rule(world.release()), "revoked");
  EXPECT_EQ(world.rule(world.decide(Decision::Withheld, DecisionCause::Revoked)), "");
  EXPECT_EQ(world.budget(world.grant_digest).reserved, program::Cost{});
  EXPECT_EQ(
      world.rule(Download{world.seed(), world.digest, "metrics", world.ada.sign.public_key()}), "");
}

struct HeldRun : Started1 {
  HeldRun() {
    report(judged(run));
    now += 4000;
    append(settle(digest));
  }
};

TEST(Held, IsReleasedWhenApproved) {
  HeldRun world;
  EXPECT_EQ(world.rule(world.release()), "approvals_missing");
  const auto approved = world.append(world.approve(world.rex));
  EXPECT_EQ(World::kinds(approved), std::vector<std::string>{"approval"});
  EXPECT_EQ(world.rule(world.approve(world.rex)), "already_said");
  EXPECT_EQ(world.rule(world.decide(Decision::Released, DecisionCause::Expired)), "wrong_cause");
  EXPECT_EQ(world.rule(world.decide(Decision::Withheld, DecisionCause::Refused)), "wrong_cause");
  const auto done = world.append(world.release());
  EXPECT_EQ(World::kinds(done), (std::vector<std::string>{"verdict", "charge", "release"}));
  EXPECT_EQ(World::private_of(done.entries[1])["charged"].int_or("bits", 0), 496);
  EXPECT_EQ(World::private_of(done.entries[2]).int_or("bits", 0), 496);
  const auto budget = world.budget(world.grant_digest);
  EXPECT_EQ(budget.spent.bits, 23U + 496U);
  EXPECT_EQ(budget.reserved, program::Cost{});
  EXPECT_EQ(budget.auto_spent, 23U);  // an approver stands for the rest
  EXPECT_EQ(world.rule(world.release()), "not_held");
}

TEST(Held, IsWithheldWhenRefusedOrReturned) {
  for (const auto verdict : {ApprovalVerdict::Refuse, ApprovalVerdict::Return}) {
    HeldRun world;
    world.append(world.approve(world.rex, verdict));
    EXPECT_EQ(world.rule(world.release()), "refused");
    const auto done = world.append(world.decide(Decision::Withheld, DecisionCause::Refused));
    EXPECT_EQ(World::kinds(done), (std::vector<std::string>{"verdict", "charge"}));
    EXPECT_EQ(world.budget(world.grant_digest).spent.bits, 23U);
    EXPECT_EQ(world.budget(world.grant_digest).reserved, program::Cost{});
  }
}

TEST(Held, ExpiresAfterFourteenDays) {
  HeldRun world;
  world.append(world.approve(world.rex));
  world.now += kHeldMs - 1;
  EXPECT_EQ(world.rule(world.decide(Decision::Withheld, DecisionCause::Expired)), "wrong_cause");
  world.now += 1;
  EXPECT_EQ(world.rule(world.release()), "expired");
  EXPECT_EQ(world.rule(world.decide(Decision::Withheld, DecisionCause::Expired)), "");
  HeldRun in_time;
  in_time.append(in_time.approve(in_time.rex));
  in_time.now += kHeldMs - 1;
  EXPECT_EQ(in_time.rule(in_time.release()), "");
}

TEST(Held, IsApprovedByApproversForThatVeryContent) {
  HeldRun world;
  auto& mal = world.person("mal");
  EXPECT_EQ(world.rule(world.approve(mal)), "not_approver");
  EXPECT_EQ(world.rule(world.approve(world.ada)), "not_approver");
  const grant::Approval other{world.digest, "weights", sha256("other"), ApprovalVerdict::Approve,
                              "ok"};
  EXPECT_EQ(world.rule(Approve{world.seed(), render(grant::sign(other, world.rex.sign))}),
            "other_commitment");
  const auto released = world.approval(world.rex, world.digest, "metrics");
  EXPECT_EQ(world.rule(Approve{world.seed(), released}), "not_held");
  EXPECT_EQ(world.rule(world.approve(world.rex)), "");
}

TEST(Held, NeedsAsManyDifferentApproversAsTheGrantSays) {
  Clinic clinic;
  auto& rob = clinic.person("rob");
  auto terms = clinic.terms();
  terms.approver_keys.push_back(rob.sign.public_key());
  terms.approver_keys.push_back(clinic.stew.sign.public_key());
  terms.approvals_needed = 2;
  const auto grant = clinic.grant(clinic.stew, terms);
  const auto run = clinic.whole_run(clinic.ada, clinic.both(grant));
  const Decide release{clinic.seed(), run, "weights", Decision::Released, DecisionCause::Approved};
  clinic.append(Approve{clinic.seed(), clinic.approval(clinic.rex, run, "weights")});
  EXPECT_EQ(clinic.rule(release), "approvals_missing");
  clinic.append(Approve{clinic.seed(), clinic.approval(rob, run, "weights")});
  EXPECT_EQ(clinic.rule(release), "");
}

TEST(Held, NeedsTheApproversOfEveryGrant) {
  Clinic clinic;
  auto& rob = clinic.person("rob");
  const auto other = clinic.dataset(clinic.stew, kOtherId, 1'000'000);
  const auto first = clinic.grant(clinic.stew, clinic.terms());
  auto terms = clinic.grant_object(clinic.stew, kOtherId, clinic.ada);
  terms.approver_keys = {rob.sign.public_key()};
  terms.approvals_needed = 1;
  const auto second = clinic.grant(clinic.stew, terms);
  auto request = clinic.both(first);
  request.inputs.push_back({"other", other});
  request.grants.push_back(second);
  const auto run = clinic.whole_run(clinic.ada, request);
  const Decide release{clinic.seed(), run, "weights", Decision::Released, DecisionCause::Approved};
  clinic.append(Approve{clinic.seed(), clinic.approval(clinic.rex, run, "weights")});
  EXPECT_EQ(clinic.rule(release), "approvals_missing");
  clinic.append(Approve{clinic.seed(), clinic.approval(rob, run, "weights")});
  EXPECT_EQ(clinic.rule(release), "");
  EXPECT_EQ(clinic.budget(first).spent, clinic.budget(second).spent);
}

TEST(Held, IsShownToItsApproversOnly) {
  HeldRun world;
  EXPECT_EQ(world.rule(View{world.seed(), world.digest, "weights", world.ada.sign.public_key()}),
            "not_approver");
  EXPECT_EQ(world.rule(View{world.seed(), world.digest, "metrics", world.rex.sign.public_key()}),
            "not_held");
  const auto done =
      world.append(View{world.seed(), world.digest, "weights", world.rex.sign.public_key()});
  EXPECT_EQ(World::kinds(done), std::vector<std::string>{"view"});
  const auto output = world.rex.seal.open(done.sealed_output_key);
  const auto evidence = world.rex.seal.open(done.sealed_evidence_key);
  ASSERT_TRUE(output && evidence);
  EXPECT_EQ(*Digest::from_bytes(*output), sha256("key output weights"));
  EXPECT_EQ(*Digest::from_bytes(*evidence), sha256("key evidence weights"));
}

TEST(Releases, AreOpenedByTheirGranteesOnly) {
  HeldRun world;
  const auto ada = world.ada.sign.public_key();
  EXPECT_EQ(world.rule(Download{world.seed(), world.digest, "weights", ada}), "not_released");
  EXPECT_EQ(
      world.rule(Download{world.seed(), world.digest, "metrics", world.rex.sign.public_key()}),
      "not_grantee");
  EXPECT_EQ(world.rule(ReleaseKey{world.digest, "metrics", ada}), "not_downloaded");
  const auto done = world.append(Download{world.seed(), world.digest, "metrics", ada});
  EXPECT_EQ(World::kinds(done), std::vector<std::string>{"download"});
  EXPECT_EQ(*Digest::from_bytes(*world.ada.seal.open(done.sealed_output_key)),
            sha256("key output metrics"));
  EXPECT_EQ(world.rule(Download{world.seed(), world.digest, "metrics", ada}), "already_downloaded");
  const auto again = world.must<KeyReply>(ReleaseKey{world.digest, "metrics", ada});
  EXPECT_TRUE(world.ada.seal.open(again.sealed_key));
}

}  // namespace
}  // namespace coffer::keeper::test
