// The state machine against the obvious map, over seeded random histories.
#include <gtest/gtest.h>

#include <array>
#include <random>

#include "keeper/test_world.h"

namespace coffer::keeper::test {
namespace {

struct ModelRun {
  grant::Run request;
  Digest digest;
  std::vector<std::size_t> grants;
  enum class At { Submitted, Started, Reported, Held, Over } at{At::Submitted};
  program::Cost reserved, charged;
  program::Cost quote;
  RunReport report;
};

// Two datasets, four grants over them, and runs that do whatever may be done next.
struct History {
  explicit History(unsigned seed) : random(seed) {
    second = world.dataset(world.stew, kOtherId, 3000);
    for (std::size_t i = 0; i < 4; ++i) {
      auto terms = world.grant_object(world.stew, i % 2 == 0 ? kId : kOtherId, world.ada);
      terms.approver_keys = {world.rex.sign.public_key()};
      terms.approvals_needed = 1;
      terms.budgets.bits = 1400;
      terms.budgets.runs = 7;
      terms.auto_bits = i < 2 ? 30 : 0;
      budgets.push_back({terms.budgets.bits, 0, terms.budgets.runs, terms.budgets.cpu_ms});
      grants.push_back(world.grant(world.stew, terms));
    }
  }

  std::size_t below(std::size_t n) {
    return std::uniform_int_distribution<std::size_t>{0, n - 1}(random);
  }

  program::Cost sum(std::size_t grant, program::Cost ModelRun::*what) const {
    program::Cost out;
    for (const auto& run : runs) {
      if (std::find(run.grants.begin(), run.grants.end(), grant) != run.grants.end()) {
        out = out + run.*what;
      }
    }
    return out;
  }
  program::Cost sum_of_dataset(const std::string& id, program::Cost ModelRun::*what) const {
    program::Cost out;
    for (const auto& run : runs) {
      const std::size_t parity = id == kId ? 0 : 1;
      for (const auto grant : run.grants) {
        if (grant % 2 == parity) out = out + run.*what;
      }
    }
    return out;
  }

  bool is_suspended(const ModelRun& run) const {
    return std::any_of(run.grants.begin(), run.grants.end(),
                       [&](std::size_t grant) { return losses[grant] >= kLossesMax; });
  }

  void sign_limits() {
    ++limits;
    for (const std::string id : {kId, kOtherId}) {
      auto limit = world.limit_object(world.stew, id, id == kId ? 1'000'000 : 3000);
      limit.sequence = limits;
      limit.issued = time_of(world.now + 1000);
      world.append(SetLimit{world.seed(), render(grant::sign(limit, world.stew.sign))});
    }
    losses = {};
  }

  void submit() {
    ModelRun run;
    run.grants.push_back(below(4));
    auto request =
        world.run_object({grants[run.grants[0]]}, run.grants[0] % 2 == 0 ? world.manifest : second);
    if (below(3) == 0) {  // over both datasets
      const auto other = (run.grants[0] + 1) % 4;
      run.grants.push_back(other);
      request.grants.push_back(grants[other]);
      request.inputs.push_back({"other", other % 2 == 0 ? world.manifest : second});
    }
    request.retry = below(2);
    if (below(2) == 0) request.outputs.push_back(weights_output());
    run.request = request;
    run.digest = digest_of(request);
    run.quote = program::quote_of(request.resources, request.outputs).cost;
    bool fits = !is_suspended(run);
    for (const auto grant : run.grants) {
      const auto wanted =
          sum(grant, &ModelRun::reserved) + sum(grant, &ModelRun::charged) + run.quote;
      fits = fits && wanted.within(budgets[grant]);
      const std::string id = grant % 2 == 0 ? kId : kOtherId;
      const auto used = sum_of_dataset(id, &ModelRun::reserved) +
                        sum_of_dataset(id, &ModelRun::charged) + run.quote;
      fits = fits && used.bits <= (id == kId ? 1'000'000U : 3000U);
    }
    ASSERT_EQ(world.rule(world.submit(world.ada, request)).empty(), fits);
    if (!fits) return;
    run.reserved = run.quote;
    runs.push_back(std::move(run));
  }

  void step(ModelRun& run) {
    switch (run.at) {
      case ModelRun::At::Submitted:
        if (below(4) == 0) {
          world.append(Cancel{world.seed(), run.digest, CancelCause::Environment});
          run.reserved = {};
          run.at = ModelRun::At::Over;
          return;
        }
        if (is_suspended(run)) {
          EXPECT_EQ(world.rule(world.open(run.digest)), "suspended");
          return sign_limits();
        }
        world.start(run.digest);
        run.at = ModelRun::At::Started;
        return;
      case ModelRun::At::Started:
        report(run);
        return;
      case ModelRun::At::Reported:
        settle(run);
        return;
      case ModelRun::At::Held:
        decide(run);
        return;
      case ModelRun::At::Over:
        EXPECT_EQ(world.rule(Cancel{world.seed(), run.digest, CancelCause::Cancelled}),
                  "already_over");
        return;
    }
  }

  void report(ModelRun& run) {
    run.at = ModelRun::At::Reported;
    const auto choice = below(4);
    if (choice == 0) return;  // never: it will be lost
    if (choice == 1) {
      world.append(Cancel{world.seed(), run.digest, CancelCause::Cancelled});
      return;
    }
    run.report = world.judged(run.request, 1U << below(4));
    if (choice == 2) {
      run.report.ending = program::Ending::Exit;
      run.report.outputs.clear();
    }
    world.must<ReportReply>(Report{run.digest, 1, run.report});
  }

  void settle(ModelRun& run) {
    world.now += 700'000;
    const auto op = world.settle(run.digest);
    world.append(op);
    run.charged = op.settled.charged;
    run.reserved = {};
    run.at = ModelRun::At::Over;
    if (op.settled.ending == program::Ending::Lost) {
      for (const auto grant : run.grants) ++losses[grant];
    }
    for (std::size_t i = 0; i < op.settled.verdicts.size(); ++i) {
      if (op.settled.verdicts[i] != program::Verdict::Held) continue;
      run.reserved.bits += program::object_bits_max(run.request.outputs[i]);
      run.at = ModelRun::At::Held;
    }
  }

  void decide(ModelRun& run) {
    const auto known = world.must<RunReply>(RunQuery{run.digest});
    ASSERT_FALSE(known.held.empty());
    const auto& name = known.held[below(known.held.size())];
    const auto bits = name == "weights" ? 496U : 10U;
    const bool approved = below(2) == 0;
    const auto verdict =
        approved ? grant::ApprovalVerdict::Approve : grant::ApprovalVerdict::Refuse;
    world.append(Approve{world.seed(), world.approval(world.rex, run.digest, name, verdict)});
    world.append(Decide{world.seed(), run.digest, name,
                        approved ? Decision::Released : Decision::Withheld,
                        approved ? DecisionCause::Approved : DecisionCause::Refused});
    run.reserved.bits -= bits;
    if (approved) run.charged.bits += bits;
    if (known.held.size() == 1) run.at = ModelRun::At::Over;
  }

  void compare() {
    for (std::size_t i = 0; i < grants.size(); ++i) {
      const auto budget = world.budget(grants[i]);
      ASSERT_EQ(budget.reserved, sum(i, &ModelRun::reserved));
      ASSERT_EQ(budget.spent, sum(i, &ModelRun::charged));
      ASSERT_TRUE((budget.reserved + budget.spent).within(budgets[i]));
      ASSERT_EQ(budget.losses, losses[i]);
    }
    for (const std::string id : {kId, kOtherId}) {
      const auto budget = world.budget(id);
      ASSERT_EQ(budget.reserved.bits, sum_of_dataset(id, &ModelRun::reserved).bits);
      ASSERT_EQ(budget.spent.bits, sum_of_dataset(id, &ModelRun::charged).bits);
      ASSERT_LE(budget.reserved.bits + budget.spent.bits, budget.limit.bits);
    }
  }

  Clinic world;
  std::mt19937 random;
  Digest second;
  std::vector<Digest> grants;
  std::vector<program::Cost> budgets;
  std::vector<ModelRun> runs;
  std::array<std::uint32_t, 4> losses{};  // by grant, since the last limit
  std::uint64_t limits{1};
};

TEST(KeeperModel, SumsAreThoseOfTheRunsAndNothingIsOverspent) {
  for (unsigned seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    History history{seed};
    for (int step = 0; step < 120; ++step) {
      SCOPED_TRACE("step " + std::to_string(step));
      if (history.runs.empty() || history.below(3) == 0) {
        history.submit();
      } else {
        history.step(history.runs[history.below(history.runs.size())]);
      }
      history.compare();
      if (testing::Test::HasFailure()) return;
    }
    // Everything comes to rest, and then nothing is reserved.
    for (auto& run : history.runs) {
      while (run.at != ModelRun::At::Over) history.step(run);
    }
    history.compare();
    EXPECT_TRUE(history.world.must<RunsReply>(OpenRuns{}).runs.empty());
    for (const auto& grant : history.grants) {
      EXPECT_EQ(history.world.budget(grant).reserved, program::Cost{});
    }
  }
}

}  // namespace
}  // namespace coffer::keeper::test
