#include "app/data_lock.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include "os/files.h"
#include "os/process.h"

namespace coffer::app {
namespace {

struct DataLocks : testing::Test {
  void SetUp() override { ASSERT_TRUE(write_text(data.path() / "lock", "")); }
  TemporaryDirectory data = *TemporaryDirectory::make();
};

TEST_F(DataLocks, AreForOne) {
  {
    const auto first = lock_data(data.path());
    ASSERT_TRUE(first) << first.error().message;
    const auto second = lock_data(data.path());
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().rule, "server_running");
  }
  EXPECT_TRUE(lock_data(data.path()));
}

TEST_F(DataLocks, OfAnyOtherDirectoryAreRefused) {
  EXPECT_EQ(lock_data(data.path().parent_path()).error().code, Code::NotFound);
}

// What a killed supervisor leaves behind: a process that inherited one of the two.
TEST_F(DataLocks, WaitForTheProcessesOfWhoHadThemBefore) {
  auto before = lock_data(data.path());
  ASSERT_TRUE(before) << before.error().message;
  before->server.reset();
  auto left = Process::fork([]() -> int {
    for (;;) ::pause();
  });
  ASSERT_TRUE(left) << left.error().message;
  before->processes.reset();
  const auto too_early = lock_data(data.path(), 20ms);
  ASSERT_FALSE(too_early);
  EXPECT_EQ(too_early.error().rule, "server_ending");
  auto ends = Process::fork([&]() -> int {
    ::usleep(50'000);
    left->signal(SIGKILL);
    return 0;
  });
  ASSERT_TRUE(ends) << ends.error().message;
  const auto then = lock_data(data.path());
  ASSERT_TRUE(then) << then.error().message;
  EXPECT_TRUE(left->wait(0s)) << "it had the lock and lived";
}

}  // namespace
}  // namespace coffer::app
