#include "net/loop.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <csignal>
#include <thread>
#include <vector>

#include "base/unique_fd.h"

namespace coffer::net {
namespace {

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

Pipe make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) std::abort();
  return {UniqueFd{ends[0]}, UniqueFd{ends[1]}};
}

TEST(Loop, RunsTimersInTheOrderTheyAreDue) {
  Loop loop = *Loop::open();
  std::vector<int> order;
  const Timer third = loop.after(30ms, [&] {
    order.push_back(3);
    loop.stop();
  });
  const Timer first = loop.after(1ms, [&] { order.push_back(1); });
  const Timer second = loop.after(10ms, [&] { order.push_back(2); });
  Timer never = loop.after(5ms, [&] { order.push_back(9); });
  never.cancel();
  loop.run();
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
}

TEST(Loop, APeriodicTimerMayCancelItself) {
  Loop loop = *Loop::open();
  int count = 0;
  Timer timer;
  timer = loop.every(1ms, [&] {
    if (++count == 3) timer.cancel();
  });
  const Timer end = loop.after(40ms, [&] { loop.stop(); });
  loop.run();
  EXPECT_EQ(count, 3);
}

TEST(Loop, WatchesUntilTheWatchIsGone) {
  Loop loop = *Loop::open();
  const Pipe pipe = make_pipe();
  int calls = 0;
  Watch watch;
  watch = *loop.watch(pipe.read.get(), Ready::Read, [&] {
    if (++calls == 2) watch.cancel();  // the byte is never read: it stays ready
  });
  ASSERT_EQ(::write(pipe.write.get(), "x", 1), 1);
  loop.run_for(20ms);
  EXPECT_EQ(calls, 2);
}

TEST(Loop, APausedWatchIsSilentAndAChangedOneSpeaks) {
  Loop loop = *Loop::open();
  const Pipe pipe = make_pipe();
  int calls = 0;
  Watch watch = *loop.watch(pipe.read.get(), Ready::Read, [&] {
    ++calls;
    loop.stop();
  });
  ASSERT_EQ(::write(pipe.write.get(), "x", 1), 1);
  watch.pause();
  loop.run_for(10ms);
  EXPECT_EQ(calls, 0);
  watch.change(Ready::Read);
  loop.run();
  EXPECT_EQ(calls, 1);
}

TEST(Loop, RefusesWhatCannotBeWatched) {
  Loop loop = *Loop::open();
  const Pipe pipe = make_pipe();
  EXPECT_FALSE(loop.watch(-1, Ready::Read, [] {}));
  const auto watch = loop.watch(pipe.read.get(), Ready::Read, [] {});
  EXPECT_TRUE(watch);
  EXPECT_EQ(loop.watch(pipe.read.get(), Ready::Read, [] {}).error().code, Code::InvalidArgument);
}

TEST(Loop, OtherThreadsPostAndStop) {
  Loop loop = *Loop::open();
  int sum = 0;
  std::thread other([&] {
    for (int i = 1; i <= 100; ++i) loop.post([&sum, i] { sum += i; });
    loop.post([&] { loop.stop(); });
  });
  loop.run();
  other.join();
  EXPECT_EQ(sum, 5050);
}

TEST(Loop, AStopBeforeRunIsNotLost) {
  Loop loop = *Loop::open();
  loop.stop();
  loop.run();
  SUCCEED() << "run() returned";
}

TEST(Loop, SignalsArriveOnTheLoop) {
  Loop loop = *Loop::open();
  int calls = 0;
  const auto watch = loop.on_signal(SIGUSR2, [&] {
    ++calls;
    loop.stop();
  });
  ASSERT_TRUE(watch);
  ASSERT_EQ(::raise(SIGUSR2), 0);
  loop.run();
  EXPECT_EQ(calls, 1);
}

TEST(Loop, HandlesThatOutliveTheirLoopDoNothing) {
  const Pipe pipe = make_pipe();
  Timer timer;
  Watch watch;
  {
    Loop loop = *Loop::open();
    timer = loop.after(1h, [] {});
    watch = *loop.watch(pipe.read.get(), Ready::Read, [] {});
  }
  watch.change(Ready::Write);
  timer.cancel();
  SUCCEED();
}

}  // namespace
}  // namespace coffer::net
