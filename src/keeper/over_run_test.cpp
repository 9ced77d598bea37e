#include "keeper/detail/over_run.h"

#include <gtest/gtest.h>

namespace coffer::keeper {
namespace {

RunMemory judged_run() {
  RunMemory run;
  run.user = "ada";
  run.grants = {sha256("one"), sha256("other")};
  run.phase = Phase::Over;
  run.charged = {.bits = 96, .epsilon_milli = 3, .runs = 1, .cpu_ms = 4000};
  run.attempt = 2;
  run.starts = 2;
  run.attempt_started = true;
  run.started_ms = 1'772'000'000'000;
  run.reported = sha256("report");
  run.settled = Settled{4, program::Ending::Judged, {}, run.charged};
  OutputMemory output;
  output.name = "metrics";
  output.verdict = program::Verdict::HeldReleased;
  output.sealed_output_key = ByteVector(80, std::byte{7});
  output.downloaded = {"ada", "bob"};
  run.outputs.push_back(output);
  run.settled->verdicts = {output.verdict};
  return run;
}

TEST(OverRun, TellsWhatMayStillBeAsked) {
  const RunMemory run = judged_run();
  const RunMemory back = unpack_over(pack_over(run));
  EXPECT_EQ(back.phase, Phase::Over);
  EXPECT_EQ(back.user, run.user);
  EXPECT_EQ(back.grants, run.grants);
  EXPECT_EQ(back.attempt, run.attempt);
  EXPECT_EQ(back.starts, run.starts);
  EXPECT_EQ(back.attempt_started, run.attempt_started);
  EXPECT_EQ(back.attempt_lost, run.attempt_lost);
  EXPECT_EQ(back.started_ms, run.started_ms);
  EXPECT_EQ(back.reported, run.reported);
  EXPECT_EQ(back.settled, run.settled);
  EXPECT_EQ(back.charged, run.charged);
  ASSERT_EQ(back.outputs.size(), 1U);
  EXPECT_EQ(back.outputs[0].name, "metrics");
  EXPECT_EQ(back.outputs[0].verdict, run.outputs[0].verdict);
  EXPECT_EQ(back.outputs[0].sealed_output_key, run.outputs[0].sealed_output_key);
  EXPECT_EQ(back.outputs[0].downloaded, run.outputs[0].downloaded);
}

TEST(OverRun, ThatWasCancelledBeforeItStartedHasNoSettlement) {
  RunMemory run;
  run.user = "ada";
  run.attempt_lost = true;
  const RunMemory back = unpack_over(pack_over(run));
  EXPECT_FALSE(back.settled);
  EXPECT_FALSE(back.reported);
  EXPECT_TRUE(back.attempt_lost);
  EXPECT_TRUE(back.outputs.empty());
}

// A site remembers as many of them as it ever ran.
TEST(OverRun, TakesAFewHundredBytes) { EXPECT_LT(pack_over(judged_run()).size(), 300U); }

}  // namespace
}  // namespace coffer::keeper
