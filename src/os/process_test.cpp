#include "os/process.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <string>

#include "os/channel.h"
#include "os/files.h"

namespace coffer {
namespace {

TEST(Process, RunsACommandWithInputAndCollectsItsOutput) {
  const auto result = run_command({"tr", "a-z", "A-Z"}, "hello", 10s).value();
  EXPECT_TRUE(result.status.ok());
  EXPECT_EQ(result.output, "HELLO");
}

TEST(Process, TellsExitFromSignal) {
  EXPECT_EQ(run_command({"sh", "-c", "exit 3"}, "", 10s).value().status.code, 3);
  EXPECT_EQ(run_command({"sh", "-c", "kill -9 $$"}, "", 10s).value().status.signal, SIGKILL);
}

TEST(Process, NamesAProgramThatIsNotThere) {
  const auto refused = run_command({"/no/such/program"}, "", 10s);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::NotFound);
}

TEST(Process, StopsACommandAtItsTimeout) {
  EXPECT_EQ(run_command({"sleep", "60"}, "", 50ms).error().code, Code::Cancelled);
}

TEST(Process, GivesAChildTheDescriptorsItIsGivenAndNoOther) {
  auto open = make_channel_pair().value();
  ASSERT_EQ(::dup2(open.first.get(), 77), 77);  // not close-on-exec
  const auto result = run_command({"sh", "-c", "ls /proc/$$/fd"}, "", 10s).value();
  (void)::close(77);
  EXPECT_EQ(result.output, "0\n1\n2\n");
}

TEST(Process, MapsDescriptorsThatChangePlaces) {
  auto a = sealed_memory_file("a", bytes_of("A")).value();
  auto b = sealed_memory_file("b", bytes_of("B")).value();
  auto out = make_channel_pair().value();
  auto child = Process::spawn({.program = "sh",
                               .argv = {"sh", "-c", "cat <&3; cat <&4"},
                               .env = {},
                               .fds = {{a.get(), 4}, {b.get(), 3}, {out.second.get(), 1}},
                               .directory = {}})
                   .value();
  out.second.reset();
  EXPECT_TRUE(child.wait(10s).value().ok());
  EXPECT_EQ(text_of(read_all(out.first.get(), 10).value()), "BA");
}

TEST(Process, KillsAChildThatNobodyWaitedFor) {
  pid_t pid = 0;
  {
    auto child = Process::fork([] {
                   ::pause();
                   return 0;
                 }).value();
    pid = child.pid();
    ASSERT_EQ(::kill(pid, 0), 0);
  }
  EXPECT_NE(::kill(pid, 0), 0);
}

TEST(Process, KillsTheWholeSession) {
  auto ends = make_channel_pair().value();
  auto child = Process::spawn({.program = "sh",
                               .argv = {"sh", "-c", "sleep 60 & sleep 60"},
                               .env = {},
                               .fds = {{ends.second.get(), 1}},
                               .directory = {}})
                   .value();
  ends.second.reset();
  child.kill_tree();
  EXPECT_EQ(child.wait(10s).value().signal, SIGKILL);
  // The grandchild held the other end too: it is closed only when that is gone as well.
  EXPECT_EQ(read_all(ends.first.get(), 10).value().size(), 0U);
}

}  // namespace
}  // namespace coffer
