// Front and keeper with a table of simulated processes: the worker and the supervisors of runs.
// Any of them ends at any moment, and every run comes to its end all the same.
#include <gtest/gtest.h>

#include "simulation/process_world.h"

namespace coffer::simulation {
namespace {

class ProcessSimulation : public ProcessWorld {};

TEST_F(ProcessSimulation, EveryRunComesToItsEndWhateverProcessEnds) {
  const std::uint64_t seed = seed_of_run();
  SCOPED_TRACE("replay: COFFER_SEED=" + std::to_string(seed));
  std::size_t opened = 0;
  const auto rounds = static_cast<std::uint64_t>(crashes_wanted()) / 40;
  for (std::uint64_t round = 0; round < rounds && !HasFailure(); ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    bool passes = false;  // time, between two questions of the front
    begin(seed + round, [&]() -> Duration {
      if (passes && below(20) == 0) pass(std::chrono::milliseconds{below(3000)});
      return 0s;
    });
    passes = true;
    for (int i = 0; i < 250 && !HasFailure(); ++i) step();
    come_to_rest();
    check_runs();
    opened += workers_->opened();
  }
  EXPECT_GT(opened, 20U) << "too little happened";
}

// The front was stopped after the keeper's word and before its own: it hears only of the end.
TEST_F(ProcessSimulation, RunWhoseStartWasNeverHeardIsSettledWhenItEnds) {
  begin(seed_of_run());
  const auto run = world_->run_object(grants_, manifest_);
  const Digest digest = digest_of(run);
  world_->append(world_->submit(world_->person("ada"), run));
  world_->start(digest);
  world_->must<keeper::ReportReply>(keeper::Report{digest, 1, judged(*world_, run)});
  const auto state = [&] {
    return (*site().db.row("SELECT state FROM runs WHERE digest = ?", {digest.text()}))->text(0);
  };
  EXPECT_EQ(state(), "queued");
  ASSERT_TRUE(
      front::on_worker_record(site(), worker::encode(worker::Event{worker::Ended{digest}})));
  EXPECT_EQ(state(), "running");
  machine_->advance(5s);
  ASSERT_TRUE(front::tick(site()));
  EXPECT_EQ(state(), "done");
}

TEST_F(ProcessSimulation, SecondServerOnTheDirectoryIsRefusedAndChangesNothing) {
  begin(seed_of_run());
  submit();
  Machine second{machine_->data(), simulation_->clock};
  const auto started = second.start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().message, "journal: another keeper has it");
  submit();
  come_to_rest();
  check_runs();
}

}  // namespace
}  // namespace coffer::simulation
