#include <gtest/gtest.h>

#include "keeper/test_world.h"

namespace coffer::keeper::test {
namespace {

TEST(Runs, ReserveTheirQuoteAndAreAcceptedOnce) {
  Clinic clinic;
  const auto grant = clinic.grant(clinic.stew, clinic.terms());
  const auto run = clinic.both(grant);
  const auto done = clinic.append(clinic.submit(clinic.ada, run));
  EXPECT_EQ(World::kinds(done), std::vector<std::string>{"run"});
  const program::Cost quote{7 + 3 + 10 + 3 + 496, 0, 1, 600'000};
  EXPECT_EQ(clinic.budget(grant).reserved, quote);
  EXPECT_EQ(clinic.budget(kId).reserved, (program::Cost{quote.bits, 0, 0, 0}));
  EXPECT_EQ(clinic.rule(clinic.submit(clinic.ada, run)), "replayed");
  EXPECT_EQ(clinic.budget(grant).reserved, quote);
}

TEST(Runs, AreTheGrantees) {
  Clinic clinic;
  auto& mal = clinic.person("mal");
  const auto grant = clinic.grant(clinic.stew, clinic.terms());
  const auto run = clinic.run_object({grant}, clinic.manifest);
  EXPECT_EQ(clinic.rule(clinic.submit(mal, run)), "not_grantee");
  EXPECT_EQ(clinic.rule(clinic.submit(clinic.rex, run)), "not_grantee");
  // ada's key id over mal's signature is a hint that does not hold.
  auto envelope = grant::sign(run, mal.sign);
  envelope.signatures[0].key_id = grant::key_id(clinic.ada.sign.public_key());
  EXPECT_EQ(clinic.rule(SubmitRun{clinic.seed(), render(envelope)}), "not_signed");
  EXPECT_EQ(clinic.rule(clinic.submit(clinic.ada, run)), "");
}

TEST(Runs, NeedOneGrantForEachProtectedInput) {
  Clinic clinic;
  const auto other = clinic.dataset(clinic.stew, kOtherId, 1'000'000);
  const auto grant = clinic.grant(clinic.stew, clinic.terms());
  const auto second = clinic.grant(clinic.stew, clinic.terms());
  const auto other_grant =
      clinic.grant(clinic.stew, clinic.grant_object(clinic.stew, kOtherId, clinic.ada));
  auto run = clinic.run_object({}, clinic.manifest);
  EXPECT_EQ(clinic.rule(clinic.submit(clinic.ada, run)), "one_grant_per_input");
  run.grants = {grant, second};
  EXPECT_EQ(clinic.rule(clinic.submit(clinic.ada, run)), "one_grant_per_input");
  run.grants = {grant, other_grant};
  EXPECT_EQ(clinic.rule(clinic.submit(clinic.ada, run)), "unused_grant");
  run.grants = {sha256("no grant")};
  EXPECT_EQ(clinic.rule(clinic.submit(clinic.ada, run)), "no_such_grant");
  run.grants = {grant};
  run.inputs.push_back({"other", other});
  EXPECT_EQ(clinic.rule(clinic.submit(clinic.ada, run)), "one_grant_per_input");
  run.grants = {grant, other_grant};
  EXPECT_EQ(clinic.rule(clinic.submit(clinic.ada, run)), "");
  // Charged in full to each.
  EXPECT_EQ(clinic.budget(grant).reserved, clinic.budget(other_grant).reserved);
  EXPECT_EQ(clinic.budget(kId).reserved, clinic.budget(kOtherId).reserved);
  EXPECT_EQ(clinic.budget(kId).reserved.bits, 39U);
}

TEST(Runs, ReadOnlyTheVersionThatIsGranted) {
  Clinic clinic;
  auto next = clinic.manifest_object(clinic.stew, kId);
  next.version = 2;
  next.parent = clinic.manifest;
  clinic.append(clinic.add_manifest(clinic.stew, next));
  auto terms = clinic.terms();
  terms.manifest = clinic.manifest;
  const auto grant = clinic.grant(clinic.stew, terms);
  EXPECT_EQ(clinic.rule(clinic.submit(clinic.ada, clinic.run_object({grant}, digest_of(next)))),
            "one_grant_per_input");
  EXPECT_EQ(clinic.rule(clinic.submit(clinic.ada, clinic.run_object({grant}, clinic.manifest))),
            "");
  const auto any = clinic.grant(clinic.stew, clinic.terms());
  EXPECT_EQ(clinic.rule(clinic.submit(clinic.ada, clinic.run_object({any}, digest_of(next)))), "");
}

TEST(Runs, KeepToPermittedProgramsAndParameters) {
  Clinic clinic;
  auto terms = clinic.terms();
  grant::PermittedProgram permitted{sha256("program"), sha256("environment"), {}};
  permitted.parameters["folds"] = {Json{5}, Json{10}};
  terms.programs = {permitted};
  const auto grant = clinic.grant(clinic.stew, terms);
  auto run = clinic.run_object({grant}, clinic.manifest);
  run.program = sha256("another");
  EXPECT_EQ(clinic.rule(clinic.submit(clinic.ada, run)), "program_not_permitted");
  run.program = sha256("program");
  run.environment = sha256("another");
  EXPECT_EQ(clinic.rule(clinic.submit(clinic.ada, run)), "program_not_permitted");
  run.environment = sha256("environment");
  run.parameters["folds"] = Json{6};
  EXPECT_EQ(clinic.rule(clinic.submit(clinic.ada, run)), "parameter_not_permitted");
  run.parameters["folds"] = Json{"5"};
  EXPECT_EQ(clinic.rule(clinic.submit(clinic.ada, run)), "parameter_not_permitted");
  run.parameters["folds"] = Json{10};
  run.parameters["depth"] = Json{1};
  EXPECT_EQ(clinic.rule(clinic.submit(clinic.ada, run)), "parameter_not_permitted");
  run.parameters.erase("depth");
  EXPECT_EQ(clinic.rule(clinic.submit(clinic.ada, run)), "");
}

TEST(Runs, KeepToGrantedLanesAndKinds) {
  Clinic clinic;
  auto terms = clinic.terms();
  terms.output_kinds = {program::Kind::Metrics};
  const auto grant = clinic.grant(clinic.stew, terms);
  auto run = clinic.both(grant);
  EXPECT_EQ(clinic.rule(clinic.submit(clinic.ada, run)), "kind_not_granted");
  run.outputs.pop_back();
  EXPECT_EQ(clinic.rule(clinic.submit(clinic.ada, run)), "");
  terms = clinic.terms();
  terms.lanes = {program::Lane::Statistics};
  // Known, and not served yet: refused, never taken for something else.
  EXPECT_EQ(clinic.rule(clinic.add_grant(clinic.stew, terms)), "lane_unavailable");
  run.outputs[0].lane = program::Lane::Statistics;
  EXPECT_EQ(clinic.rule(clinic.submit(clinic.ada, run)), "malformed");
}

TEST(Runs, BeginAndEndWithTheirGrant) {
  Clinic clinic;
  auto terms = clinic.terms();
  terms.not_before = time_of(kStart + 1000);
  terms.until = time_of(kStart + 5000);
  const auto grant = clinic.grant(clinic.stew, terms);
  const auto run = clinic.run_object({grant}, clinic.manifest);
  clinic.now = kStart + 999;
  EXPECT_EQ(clinic.rule(clinic.submit(clinic.ada, run)), "not_yet");
  clinic.now = kStart + 1000;
  EXPECT_EQ(clinic.rule(clinic.submit(clinic.ada, run)), "");
  clinic.now = kStart + 4999;
  EXPECT_EQ(clinic.rule(clinic.open(digest_of(run))), "");
  clinic.now = kStart + 5000;
  EXPECT_EQ(clinic.rule(Started{digest_of(run), 1}), "expired");
  EXPECT_EQ(clinic.rule(clinic.open(digest_of(run))), "expired");
  EXPECT_EQ(clinic.rule(clinic.submit(clinic.ada, clinic.run_object({grant}, clinic.manifest))),
            "expired");
}

// Each budget is met exactly, and missed by one.
TEST(Runs, FitTheirBudgetsToTheLastUnit) {
  const auto accepted = [](const std::function<void(grant::Budgets&)>& change) {
    Clinic clinic;
    auto terms = clinic.terms();
    terms.budgets = {78, 0, 6, 2, 1'200'000};  // two runs of 39 bits
    change(terms.budgets);
    const auto grant = clinic.grant(clinic.stew, terms);
    std::string rule;
    int count = 0;
    while (rule.empty() && count < 5) {
      rule = clinic.rule(clinic.submit(clinic.ada, clinic.run_object({grant}, clinic.manifest)));
      if (rule.empty()) ++count;
    }
    EXPECT_EQ(rule, "grant_exhausted");
    return count;
  };
  EXPECT_EQ(accepted([](grant::Budgets&) {}), 2);
  EXPECT_EQ(accepted([](grant::Budgets& b) { b.bits = 77; }), 1);
  EXPECT_EQ(accepted([](grant::Budgets& b) { b.runs = 1; }), 1);
  EXPECT_EQ(accepted([](grant::Budgets& b) { b.cpu_ms = 1'199'999; }), 1);
}

TEST(Runs, FitTheLimitOfTheDatasetOverAllGrants) {
  Clinic clinic;
  auto limit = clinic.limit_object(clinic.stew, kId, 78);
  limit.sequence = 2;
  limit.overcommit = true;
  clinic.append(SetLimit{clinic.seed(), render(grant::sign(limit, clinic.stew.sign))});
  const auto first = clinic.grant(clinic.stew, clinic.terms());
  const auto second = clinic.grant(clinic.stew, clinic.terms());
  clinic.append(clinic.submit(clinic.ada, clinic.run_object({first}, clinic.manifest)));
  clinic.append(clinic.submit(clinic.ada, clinic.run_object({second}, clinic.manifest)));
  EXPECT_EQ(clinic.rule(clinic.submit(clinic.ada, clinic.run_object({second}, clinic.manifest))),
            "limit_exhausted");
}

TEST(Runs, OpenWithTheVersionsKeySealedToThatWorker) {
  Clinic clinic;
  auto terms = clinic.terms();
  terms.exclusive = true;
  const auto grant = clinic.grant(clinic.stew, terms);
  const auto run = clinic.run_object({grant}, clinic.manifest);
  clinic.append(clinic.submit(clinic.ada, run));
  const auto reply = clinic.must<PermitReply>(clinic.open(digest_of(run)));
  const auto permit = grant::Permit::decode(reply.permit, seal_key_of("worker"));
  ASSERT_TRUE(permit);
  EXPECT_EQ(permit->run(), digest_of(run));
  EXPECT_EQ(permit->run_payload(), payload_of(run));
  EXPECT_EQ(permit->time_left_s(), 600U);
  EXPECT_TRUE(permit->exclusive());
  ASSERT_NE(permit->input("tumours"), nullptr);
  EXPECT_TRUE(*permit->input("tumours")->version_key == clinic.version_key(clinic.manifest));
  EXPECT_FALSE(grant::Permit::decode(reply.permit, seal_key_of("mal")));
  EXPECT_EQ(clinic.rule(clinic.open(sha256("another run"))), "no_such_run");
}

TEST(Runs, RevokedWhileWaitingDoNotOpen) {
  Clinic clinic;
  const auto grant = clinic.grant(clinic.stew, clinic.terms());
  const auto waits = clinic.run_object({grant}, clinic.manifest);
  const auto opened = clinic.run_object({grant}, clinic.manifest);
  clinic.append(clinic.submit(clinic.ada, waits));
  clinic.append(clinic.submit(clinic.ada, opened));
  clinic.must<PermitReply>(clinic.open(digest_of(opened)));
  clinic.append(Revoke{clinic.seed(), clinic.revocation(clinic.stew, grant)});
  EXPECT_EQ(clinic.rule(clinic.open(digest_of(waits))), "revoked");
  EXPECT_EQ(clinic.rule(Started{digest_of(opened), 1}), "revoked");
  EXPECT_EQ(clinic.rule(clinic.submit(clinic.ada, clinic.run_object({grant}, clinic.manifest))),
            "revoked");
  for (const auto* run : {&waits, &opened}) {
    const auto done = clinic.append(Cancel{clinic.seed(), digest_of(*run), CancelCause::Revoked});
    EXPECT_EQ(World::kinds(done), std::vector<std::string>{"charge"});
  }
  EXPECT_EQ(clinic.budget(grant).reserved, program::Cost{});
  EXPECT_EQ(clinic.budget(grant).spent, program::Cost{});
}

TEST(Runs, AttemptsBeforeTheStartAreFree) {
  Clinic clinic;
  const auto grant = clinic.grant(clinic.stew, clinic.terms());
  const auto run = clinic.run_object({grant}, clinic.manifest);
  const auto digest = digest_of(run);
  clinic.append(clinic.submit(clinic.ada, run));
  EXPECT_EQ(clinic.rule(Started{digest, 1}), "wrong_attempt");
  EXPECT_EQ(clinic.rule(clinic.open(digest, 2)), "wrong_attempt");
  EXPECT_EQ(clinic.rule(clinic.open(digest, 1)), "");
  EXPECT_EQ(clinic.rule(clinic.open(digest, 1)), "");  // asked again
  EXPECT_EQ(clinic.rule(clinic.open(digest, 2)), "");  // the machine was lost before it started
  EXPECT_EQ(clinic.rule(Started{digest, 1}), "wrong_attempt");
  EXPECT_EQ(clinic.rule(Started{digest, 2}), "");
  EXPECT_EQ(clinic.rule(Started{digest, 2}), "");
  EXPECT_EQ(clinic.rule(clinic.open(digest, 2)), "wrong_attempt");
  EXPECT_EQ(clinic.rule(clinic.open(digest, 3)), "no_retry");
}

TEST(Runs, AreRetriedOnceIfAskedAndWithinTheFirstTimeLimit) {
  Clinic clinic;
  const auto grant = clinic.grant(clinic.stew, clinic.terms());
  auto run = clinic.run_object({grant}, clinic.manifest);
  run.retry = 1;
  const auto digest = digest_of(run);
  clinic.append(clinic.submit(clinic.ada, run));
  clinic.start(digest, 1);
  clinic.now += 100'500;
  const auto reply = clinic.must<PermitReply>(clinic.open(digest, 2));
  EXPECT_EQ(grant::Permit::decode(reply.permit, seal_key_of("worker"))->time_left_s(), 499U);
  clinic.must<StartedReply>(Started{digest, 2});
  EXPECT_EQ(clinic.must<RunReply>(RunQuery{digest}).started_ms, kStart);
  EXPECT_EQ(clinic.rule(clinic.open(digest, 3)), "no_retry");
  EXPECT_EQ(clinic.rule(Report{digest, 1, clinic.judged(run)}), "wrong_attempt");

  auto late = clinic.run_object({grant}, clinic.manifest);
  late.retry = 1;
  clinic.append(clinic.submit(clinic.ada, late));
  clinic.start(digest_of(late), 1);
  clinic.now += 599'001;
  EXPECT_EQ(clinic.rule(clinic.open(digest_of(late), 2)), "no_retry");
}

TEST(Runs, CancelledBeforeTheStartCostNothing) {
  Clinic clinic;
  const auto grant = clinic.grant(clinic.stew, clinic.terms());
  const auto run = clinic.run_object({grant}, clinic.manifest);
  const auto digest = digest_of(run);
  clinic.append(clinic.submit(clinic.ada, run));
  const auto done = clinic.append(Cancel{clinic.seed(), digest, CancelCause::CellUnproven});
  EXPECT_EQ(World::kinds(done), std::vector<std::string>{"charge"});
  EXPECT_EQ(World::private_of(done.entries[0]).text_or("cause", ""), "cell_unproven");
  EXPECT_EQ(clinic.budget(grant).reserved, program::Cost{});
  EXPECT_EQ(clinic.rule(Cancel{clinic.seed(), digest, CancelCause::Cancelled}), "already_over");
  EXPECT_EQ(clinic.rule(clinic.open(digest)), "already_over");
  EXPECT_EQ(clinic.rule(clinic.submit(clinic.ada, run)), "replayed");
}

struct Reporting : Clinic {
  Digest grant_digest = grant(stew, terms());
  grant::Run run = both(grant_digest);
  Digest digest = digest_of(run);
  RunReport report;

  Reporting() {
    append(submit(ada, run));
    start(digest);
    report = judged(run);
  }
  std::string with(const std::function<void(RunReport&)>& change) {
    auto changed = report;
    change(changed);
    return rule(Report{digest, 1, changed});
  }
};

TEST(Reports, MustFitTheDeclaration) {
  Reporting world;
  const auto bad = "bad_report";
  EXPECT_EQ(world.with([](RunReport& r) { r.slot_s = 5; }), bad);
  EXPECT_EQ(world.with([](RunReport& r) { r.outputs.pop_back(); }), bad);
  EXPECT_EQ(world.with([](RunReport& r) { std::swap(r.outputs[0], r.outputs[1]); }), bad);
  EXPECT_EQ(world.with([](RunReport& r) { r.outputs[0].bits = 11; }), bad);
  EXPECT_EQ(world.with([](RunReport& r) { r.outputs[0].bits = 9; }), bad);
  EXPECT_EQ(world.with([](RunReport& r) { r.failure = 1; }), bad);
  EXPECT_EQ(world.with([](RunReport& r) { r.ending = program::Ending::Exit; }), bad);
  EXPECT_EQ(world.with([](RunReport& r) { r.outputs[0].sealed_output_key.clear(); }), bad);
  EXPECT_EQ(world.with([](RunReport& r) { r.outputs[0].sealed_evidence_key.pop_back(); }), bad);
  EXPECT_EQ(world.with([](RunReport& r) { r.outputs[0].refusal = program::Refusal::Malformed; }),
            bad);
  EXPECT_EQ(world.with([](RunReport& r) {
    r.outputs[0] = ReportedOutput{};
    r.outputs[0].name = "metrics";
    r.outputs[0].refusal = program::Refusal::Malformed;
  }),
            "");
}

TEST(Reports, FirstOneStands) {
  Reporting world;
  EXPECT_EQ(world.rule(Report{world.digest, 2, world.report}), "wrong_attempt");
  const auto reply = world.must<ReportReply>(Report{world.digest, 1, world.report});
  EXPECT_EQ(reply.visible_at_ms, kStart + 4000);
  EXPECT_EQ(world.rule(Report{world.digest, 1, world.report}), "");
  EXPECT_EQ(world.with([](RunReport& r) { r.slot_s = 8; }), "already_reported");
  EXPECT_EQ(world.rule(world.open(world.digest, 2)), "already_over");
  world.now += 4000;
  world.append(world.settle(world.digest));
  EXPECT_EQ(world.rule(Report{world.digest, 1, world.report}), "");  // sent again, late
}

TEST(Reports, OfARunThatNeverStartedAreRefused) {
  Clinic clinic;
  const auto grant = clinic.grant(clinic.stew, clinic.terms());
  const auto run = clinic.run_object({grant}, clinic.manifest);
  clinic.append(clinic.submit(clinic.ada, run));
  EXPECT_EQ(clinic.rule(Report{digest_of(run), 1, clinic.judged(run)}), "not_running");
  clinic.must<PermitReply>(clinic.open(digest_of(run)));
  EXPECT_EQ(clinic.rule(Report{digest_of(run), 1, clinic.judged(run)}), "not_running");
}

}  // namespace
}  // namespace coffer::keeper::test
