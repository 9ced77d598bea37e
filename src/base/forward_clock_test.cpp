#include "base/forward_clock.h"

#include <gtest/gtest.h>

namespace coffer {
namespace {

class ForwardClockTest : public testing::Test {
 protected:
  std::int64_t seconds() const {
    return std::chrono::floor<std::chrono::seconds>(clock_.unix_time()).time_since_epoch().count();
  }
  void set_wall(std::int64_t seconds) {  // as it stands when the monotonic clock is at its start
    wall_.set_unix_start(UnixTime{std::chrono::seconds{seconds}});
  }
  ManualClock wall_;
  ForwardClock clock_{wall_};
};

TEST_F(ForwardClockTest, FollowsTheWallForward) {
  set_wall(1000);
  EXPECT_EQ(seconds(), 1000);
  wall_.advance(5s);
  EXPECT_EQ(seconds(), 1005);
  set_wall(90'000);
  EXPECT_EQ(seconds(), 90'005);
}

TEST_F(ForwardClockTest, GoesOnWhereTheWallJumpsBackAndMeetsItAgain) {
  set_wall(1000);
  EXPECT_EQ(seconds(), 1000);
  set_wall(900);
  EXPECT_EQ(seconds(), 1000);
  for (int i = 0; i < 10; ++i) {
    wall_.advance(100ms);
    (void)seconds();  // looking often loses nothing
  }
  EXPECT_EQ(seconds(), 1001);
  set_wall(1100);
  EXPECT_EQ(seconds(), 1101);
}

TEST_F(ForwardClockTest, DoesNotStandBeforeWhatWasSeen) {
  set_wall(1000);
  clock_.not_before(UnixTime{2000s});
  wall_.advance(3s);
  EXPECT_EQ(seconds(), 2003);
  clock_.not_before(UnixTime{1500s});
  EXPECT_EQ(seconds(), 2003);
}

}  // namespace
}  // namespace coffer
