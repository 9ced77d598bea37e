#include "keeper/over_runs.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>

#include "keeper/detail/over_run.h"
#include "os/files.h"

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

TEST(OverRun, TakesAFewHundredBytes) { EXPECT_LT(pack_over(judged_run()).size(), 300U); }

class OverRunsOf : public testing::TestWithParam<bool> {
 protected:
  OverRuns make() { return GetParam() ? OverRuns::below(scratch_.path()) : OverRuns{}; }
  static std::string user_of(const OverRuns& runs, const Digest& digest) {
    const auto run = runs.get(digest);
    EXPECT_TRUE(run) << run.error().message;
    return run && *run ? (*run)->user : "";
  }
  TemporaryDirectory scratch_ = *TemporaryDirectory::make();
};

TEST_P(OverRunsOf, AnswerWhatWasPutLast) {
  OverRuns runs = make();
  EXPECT_EQ(runs.fd().has_value(), GetParam());
  for (int i = 0; i < 500; ++i) runs.put(sha256(std::to_string(i)), judged_run());
  RunMemory other = judged_run();
  other.user = "bob";
  runs.put(sha256("7"), other);
  runs.put(sha256("400"), other);
  EXPECT_EQ(user_of(runs, sha256("7")), "bob");
  EXPECT_EQ(user_of(runs, sha256("400")), "bob");
  EXPECT_EQ(user_of(runs, sha256("8")), "ada");
  EXPECT_EQ(user_of(runs, sha256("no run")), "");
  EXPECT_TRUE(std::filesystem::is_empty(scratch_.path())) << "the file has no name";
}

INSTANTIATE_TEST_SUITE_P(Places, OverRunsOf, testing::Bool(),
                         [](const auto& tested) { return tested.param ? "File" : "Memory"; });

TEST(OverRuns, AnswerFromMemoryWhatTheDiskDidNotTake) {
  const auto scratch = *TemporaryDirectory::make();
  OverRuns runs = OverRuns::below(scratch.path());
  runs.put(sha256("written"), judged_run());
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit full = before;
  full.rlim_cur = 1;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &full), 0);
  RunMemory other = judged_run();
  other.user = "bob";
  runs.put(sha256("unwritten"), judged_run());
  runs.put(sha256("written"), other);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  (void)std::signal(SIGXFSZ, handler);
  runs.put(sha256("unwritten"), other);
  EXPECT_EQ((*runs.get(sha256("written")))->user, "bob");
  EXPECT_EQ((*runs.get(sha256("unwritten")))->user, "bob");
}

TEST(OverRuns, FindEveryChangedByte) {
  const auto scratch = *TemporaryDirectory::make();
  OverRuns runs = OverRuns::below(scratch.path());
  const Digest digest = sha256("run");
  runs.put(digest, judged_run());
  struct stat file {};
  ASSERT_EQ(::fstat(*runs.fd(), &file), 0);
  for (off_t at = 1 + 32; at < file.st_size; ++at) {
    char byte = 0;
    ASSERT_EQ(::pread(*runs.fd(), &byte, 1, at), 1);
    const char changed = static_cast<char>(byte ^ 4);
    ASSERT_EQ(::pwrite(*runs.fd(), &changed, 1, at), 1);
    EXPECT_FALSE(runs.get(digest)) << at;
    ASSERT_EQ(::pwrite(*runs.fd(), &byte, 1, at), 1);
  }
  EXPECT_TRUE(runs.get(digest));
}

}  // namespace
}  // namespace coffer::keeper
