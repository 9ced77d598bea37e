// What a cell does for an ordinary program: its files, its ends, its proof.
#include "cell/cell.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "base/json.h"
#include "cell/cell_fixture.h"
#include "os/process.h"

namespace coffer::cell {
namespace {

using test::Cells;
using test::Mode;
using test::Outcome;

class Cell : public Cells {};
INSTANTIATE_TEST_SUITE_P(As, Cell, ::testing::Values(Mode::AsRoot, Mode::Rootless),
                         test::name_of_mode);

TEST_P(Cell, RunsAProgramAndProvesItsWalls) {
  const Outcome outcome = run(attack({"exit_with", "0"}));
  ASSERT_EQ(outcome.error, "");
  EXPECT_EQ(outcome.ending, Ending::Finished);
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_TRUE(outcome.out.empty()) << "the self-test left something in /out";
  const Json proof = Json::parse(outcome.proof).value();
  EXPECT_EQ(proof.text_or("profile", ""), "program");
  EXPECT_EQ(proof["limits"].int_or("pids", 0), 32);
  EXPECT_EQ(proof["walls"].as_array()->size(), 34U);
}

TEST_P(Cell, TellsExitStatusesAndSignalsApart) {
  EXPECT_EQ(run(attack({"exit_with", "3"})).exit_code, 3);
  EXPECT_EQ(run(attack({"raise_signal", "11"})).exit_code, 128 + 11);
  Spec absent = attack({});
  absent.argv = {"/program/none"};
  EXPECT_EQ(run(absent).exit_code, 127);
}

TEST_P(Cell, EndsAProgramAtItsTimeAndNotBefore) {
  Spec spec = attack({"sleep_long"});
  spec.resources.time = std::chrono::milliseconds{200};
  const Outcome late = run(spec);
  EXPECT_EQ(late.ending, Ending::Time) << late.error;
  EXPECT_GE(late.wall, std::chrono::milliseconds{200});
}

TEST_P(Cell, EndsWhenItIsCancelled) {
  const auto pipe = [] {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    return ends;
  }();
  ASSERT_EQ(::write(pipe[1], "x", 1), 1);
  Spec spec = attack({"sleep_long"});
  spec.cancel_fd = pipe[0];
  EXPECT_EQ(run(spec).ending, Ending::Killed);
  (void)::close(pipe[0]);
  (void)::close(pipe[1]);
}

TEST_P(Cell, EndsAtItsMemoryLimitAndNotBelow) {
  EXPECT_EQ(run(attack({"take_memory", "32"})).ending, Ending::Finished);
  EXPECT_EQ(run(attack({"take_memory", "200"})).ending, Ending::Memory);
  EXPECT_EQ(run(attack({"hoard_in_memory_file", "200"})).ending, Ending::Memory);
}

TEST_P(Cell, SaysThatTheOutputIsFull) {
  const Outcome full = run(attack({"fill_file", "/out/big:2"}));
  EXPECT_EQ(full.output, "refused ENOSPC\n");
  EXPECT_TRUE(full.out_full);
  EXPECT_EQ(full.out, std::vector<std::string>{"big"});
  const Outcome fits = run(attack({"fill_file", "/out/small:0"}));
  EXPECT_EQ(fits.output, "open\n");
  EXPECT_FALSE(fits.out_full);
}

TEST_P(Cell, KeepsOutputOnlyWhereItIsAskedTo) {
  Spec spec = attack({"flood_output"});
  spec.output_max = 1000;
  const Outcome kept = run(spec);
  EXPECT_EQ(kept.output.size(), 1000U);
  EXPECT_EQ(kept.errors.size(), 1000U);
  spec.output = Output::Drop;
  const Outcome dropped = run(spec);
  EXPECT_EQ(dropped.ending, Ending::Finished) << "a flood must not block the program";
  EXPECT_EQ(dropped.output + dropped.errors, "");
}

TEST_P(Cell, TellsTheClassOfAFailureAndNoWordMore) {
  Spec spec = attack({"complain",
                      "Traceback (most recent call last):\n  File \"/program/train.py\", line 12, "
                      "in <module>\n    secret\nmod.KeyError: 'patient 7'\n"});
  spec.output = Output::Drop;
  const Outcome outcome = run(spec);
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(outcome.failure, "KeyError train.py:12");
  EXPECT_EQ(outcome.errors, "");
}

TEST_P(Cell, ShowsPrivateAndSharedInputsReadOnly) {
  const auto shared = scratch_->path() / "shared";
  ASSERT_TRUE(make_directories(shared, 0755));
  ASSERT_TRUE(write_text(shared / "f", "s", 0644));
  const auto answer = supervise([&](Stage& stage, const Launcher& launcher) -> Result<ByteVector> {
    COFFER_CHECK(make_directories(stage.inputs() / "tumours", 0755));
    COFFER_CHECK(write_text(stage.inputs() / "tumours/rows.csv", "1\n", 0644));
    Spec spec = attack({"many", "open_to_read=/data/tumours/rows.csv", "open_to_read=/data/p/f",
                        "list_directory=/data", "list_directory=/data/tumours",
                        "create_file=/data/new", "create_file=/data/tumours/new",
                        "create_file=/data/p/new", "open_to_read=/params.json"});
    spec.binds.push_back({.source = stage.inputs() / "tumours",
                          .target = "/data/tumours",
                          .origin = BindOrigin::Private});
    spec.binds.push_back({.source = shared, .target = "/data/p"});
    spec.files.push_back({"/params.json", "{}"});
    COFFER_TRY(const Ended ended, launcher.run(stage, spec));
    const ByteView text = bytes_of(ended.standard_output);
    return ByteVector(text.begin(), text.end());
  });
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(text_of(*answer),
            "open_to_read open\nopen_to_read open\nlist_directory open\nlist_directory open\n"
            "create_file refused EROFS\ncreate_file refused EROFS\ncreate_file refused EROFS\n"
            "open_to_read open\n");
}

TEST_P(Cell, RefusesSpecsThatMakeNoSense) {
  Spec writable = attack({"exit_with", "0"});
  writable.binds[0].access = BindAccess::ReadWrite;
  EXPECT_NE(run(writable).error.find("only a builder"), std::string::npos);
  Spec elsewhere = attack({"exit_with", "0"});
  elsewhere.binds[0].target = "/program/../etc";
  EXPECT_NE(run(elsewhere).error.find("absolute and plain"), std::string::npos);
  Spec unstaged = attack({"exit_with", "0"});
  unstaged.binds[0].origin = BindOrigin::Private;
  EXPECT_NE(run(unstaged).error.find("must lie in the stage"), std::string::npos);
}

TEST_P(Cell, DoesNotStartWhenTheCallerSaysNo) {
  const auto answer = supervise([&](Stage& stage, const Launcher& launcher) -> Result<ByteVector> {
    const auto ended = launcher.run(stage, attack({"exit_with", "0"}), [](const Proof&) {
      return Result<>{Error{Code::Denied, "revoked meanwhile"}};
    });
    const std::string said = ended ? "ran" : ended.error().message;
    const ByteView text = bytes_of(said);
    return ByteVector(text.begin(), text.end());
  });
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(text_of(*answer), "revoked meanwhile");
}

TEST_P(Cell, UnpacksAnArchiveInAnEmptyCell) {
  const auto tar =
      run_command({"tar", "-C", program_.parent_path().string(), "-cf", "-", "program"}, "",
                  std::chrono::seconds{10}, 64 << 20)
          .value();
  const auto answer = supervise([&](Stage& stage, const Launcher& launcher) -> Result<ByteVector> {
    const ByteView bytes = bytes_of(tar.output);
    COFFER_TRY(const auto unpacked, launcher.ask(stage, {.kit = Kit::Unpack,
                                                         .input = {bytes.begin(), bytes.end()},
                                                         .out_bytes = std::uint64_t{64} << 20}));
    COFFER_TRY(const auto entries, walk(unpacked.out.get()));
    std::string text;
    for (const auto& entry : entries) text += entry.path + "\n";
    const auto refused =
        launcher.ask(stage, {.kit = Kit::Unpack, .input = ByteVector(512, std::byte{'x'})});
    text += refused ? "accepted" : "refused";
    return ByteVector(bytes_of(text).begin(), bytes_of(text).end());
  });
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(text_of(*answer), "program\nprogram/attacks\nrefused");
}

}  // namespace
}  // namespace coffer::cell
