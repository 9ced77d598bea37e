// Older copies of the database and of the keeper's memory are put back at any moment: the start
// says so, and after it was accepted every run comes to its end.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "simulation/process_world.h"

namespace coffer::simulation {
namespace {

class RestoreSimulation : public ProcessWorld {
 protected:
  // A copy of the folder at any moment, also between the keeper's word and the front's, is put back
  // later.
  void play(const char* folder, const char* rule) {
    const std::uint64_t seed = seed_of_run();
    SCOPED_TRACE("replay: COFFER_SEED=" + std::to_string(seed));
    std::size_t accepted = 0;
    const auto rounds = static_cast<std::uint64_t>(crashes_wanted()) / 20;
    for (std::uint64_t round = 0; round < rounds && !HasFailure(); ++round) {
      SCOPED_TRACE("round " + std::to_string(round));
      std::uint64_t answers = 0;  // until the copy
      begin(seed + round, [&]() -> Duration {
        if (answers == 0) return 0s;
        --answers;
        EXPECT_TRUE(answers > 0 || machine_->copy(folder, "copy"));
        return 0s;
      });
      answers = 1 + below(150);
      for (int i = 0; i < 200 && !HasFailure(); ++i) step();
      if (answers > 0) continue;
      const auto size = site().tree.size();
      workers_->die();
      ASSERT_TRUE(machine_->put_back("copy", folder));
      if (const auto started = machine_->start(); !started) {
        EXPECT_EQ(started.error().rule, rule) << started.error().message;
        const auto recovered = machine_->recover("copy of yesterday");
        ASSERT_TRUE(recovered) << recovered.error().message;
        ++accepted;
        if (rule == std::string_view{"keeper_older"}) {
          EXPECT_EQ(world_->rule(a_run()), "frozen");
        }
      }
      EXPECT_GE(site().tree.size(), size);
      reconnect();
      for (int i = 0; i < 50 && !HasFailure(); ++i) step();
      come_to_rest();
      end_runs_of_the_keeper();
      outlast_held();
      end_runs_of_the_keeper();
      check_submitted();
    }
    EXPECT_GT(accepted, rounds / 2) << "too little happened";
  }
};

// Runs of a restored database go on while the front asks for them: a report arrives, or their slot
// comes, between any two of its questions.
TEST_F(RestoreSimulation, RunsThatOnlyTheKeeperKnowsEndWheneverTheyMoveOn) {
  std::function<void()> move_on;
  int before = -1;  // so many answers more
  begin(seed_of_run(), [&]() -> Duration {
    if (before-- == 0) move_on();
    return 0s;
  });
  grant::Run run;
  const auto report = [&] {
    (void)machine_->ask(keeper::Report{digest_of(run), 1, judged(*world_, run)});
  };
  struct Story {
    const char* name;
    std::function<void()> first;
    std::function<void()> then;
  };
  const std::array stories{
      Story{"a report arrives", [] {}, report},
      Story{"the slot of a report comes", report, [&] { machine_->advance(5s); }},
      Story{"a report arrives after the last slot", [&] { machine_->advance(2h); }, report},
  };
  for (const auto& story : stories) {
    for (int answers = 0; answers < 4; ++answers) {
      SCOPED_TRACE(fmt::format("{}, after {} answers", story.name, answers));
      run = world_->run_object(grants_, manifest_);
      const Digest digest = digest_of(run);
      world_->append(world_->submit(world_->person("ada"), run));
      world_->start(digest);
      forget(digest);
      story.first();
      move_on = story.then;
      before = answers;
      const auto first = front::end_unknown_runs(site());
      EXPECT_TRUE(first) << first.error().message;
      before = -1;
      machine_->advance(60s);
      const auto second = front::end_unknown_runs(site());
      EXPECT_TRUE(second) << second.error().message;
      EXPECT_EQ(world_->must<keeper::RunReply>(keeper::RunQuery{digest}).phase,
                keeper::Phase::Over);
    }
  }
  EXPECT_EQ(world_->budget(grants_[0]).reserved, program::Cost{});
}

// What the keeper knows beyond it comes to its end, and the database goes on with what it has.
TEST_F(RestoreSimulation, EveryRunComesToItsEndAfterAnOldDatabase) {
  play("front", "database_older");
}

// What the keeper forgot ends as lost, and nothing is spent before the owner has signed anew.
TEST_F(RestoreSimulation, EveryRunComesToItsEndAfterAnOldKeeper) { play("keeper", "keeper_older"); }

TEST_F(RestoreSimulation, GapThatTheKeeperDidNotEnterIsStillThere) {
  begin(seed_of_run());
  ASSERT_TRUE(machine_->copy("front", "copy"));
  submit();
  ASSERT_TRUE(machine_->put_back("copy", "front"));
  ASSERT_FALSE(machine_->recover(""));
  machine_->stop();
  const auto started = machine_->start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().rule, "database_older");
  ASSERT_TRUE(machine_->recover("copy of yesterday"));
  const auto named = site().db.row("SELECT COUNT(*) FROM entries WHERE kind = ?",
                                   {std::string(ledger::kRecoveryKind)});
  ASSERT_TRUE(named);
  EXPECT_EQ((*named)->integer(0), 1);
}

// The front was killed before it stored the answer, and the keeper's memory is of a time before.
TEST_F(RestoreSimulation, OlderKeeperIsNotAskedForWhatItForgot) {
  begin(seed_of_run());
  ASSERT_TRUE(machine_->copy("keeper", "copy"));
  const keeper::Request asked = a_run();
  ASSERT_TRUE(machine_->ask(asked));
  submit();
  ASSERT_TRUE(
      site().db.run("INSERT INTO pending(op, extra) VALUES(?, '{}')", {keeper::encode(asked)}));
  const auto size = site().tree.size();
  ASSERT_TRUE(machine_->put_back("copy", "keeper"));
  const auto started = machine_->start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().rule, "keeper_older");
  const auto recovered = machine_->recover("copy of yesterday");
  ASSERT_TRUE(recovered) << recovered.error().message;
  EXPECT_GT(site().tree.size(), size);
  EXPECT_TRUE(front::check_against_keeper(site()));
}

}  // namespace
}  // namespace coffer::simulation
