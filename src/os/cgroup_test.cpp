#include "os/cgroup.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "os/channel.h"
#include "os/process.h"

namespace coffer {
namespace {

constexpr GroupLimits kLimits{.memory_bytes = 32U << 20, .pids = 8, .cpus = 1};

std::string fresh_name(const char* what) {
  return std::string("test-") + what + "-" + std::to_string(::getpid());
}

class CgroupLimits : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const auto usable = cgroups_.usable(); !usable) GTEST_SKIP() << usable.error().message;
  }

  // Starts `body` in the group and answers how it ended.
  ExitStatus run_in(const Group& group, const std::function<int()>& body) {
    auto go = make_channel_pair().value();
    auto child = Process::fork([&] {
                   char byte = 0;
                   return ::read(go.first.get(), &byte, 1) == 1 ? body() : 99;
                 }).value();
    if (const auto attached = group.attach(child.pid()); !attached) {
      ADD_FAILURE() << attached.error().message;
    }
    if (group.clone_fd() < 0) {
      EXPECT_TRUE(group.holds(child.pid()).value());
    }
    EXPECT_EQ(::write(go.second.get(), "g", 1), 1);
    return child.wait(20s).value();
  }

  std::filesystem::path group_named(const std::string& name) const {
    for (const auto& entry :
         std::filesystem::directory_iterator(cgroups_.base(Controller::Memory).base)) {
      if (entry.path().string().ends_with("." + name)) return entry.path();
    }
    return {};
  }

  Cgroups cgroups_{Cgroups::detect()};
};

TEST_F(CgroupLimits, AreReadBackAndRemovedWithTheGroup) {
  std::filesystem::path made;
  {
    auto group = cgroups_.create(fresh_name("back"), kLimits).value();
    EXPECT_EQ(group.read_back().value(), kLimits);
    made = group_named(fresh_name("back"));
    EXPECT_FALSE(made.empty());
    EXPECT_EQ(cgroups_.create(fresh_name("back"), kLimits).error().code, Code::AlreadyExists);
  }
  EXPECT_FALSE(std::filesystem::exists(made));
}

TEST_F(CgroupLimits, AreSweptWhenTheirProcessWasKilled) {
  auto kept = cgroups_.create(fresh_name("kept"), kLimits).value();
  const std::string left = fresh_name("left");
  auto ready = make_channel_pair().value();
  auto child = Process::fork([&] {
                 auto group = cgroups_.create(left, kLimits).value();
                 const pid_t inner = ::fork();
                 if (inner == 0) {
                   ::pause();
                   ::_exit(0);
                 }
                 if (group.clone_fd() < 0 && !group.attach(inner)) return 1;
                 (void)!::write(ready.second.get(), "r", 1);
                 ::pause();
                 return 0;
               }).value();
  char byte = 0;
  ASSERT_EQ(::read(ready.first.get(), &byte, 1), 1);
  (void)cgroups_.sweep();  // of whatever else was left on this machine
  EXPECT_FALSE(group_named(left).empty()) << "its process lives";
  child.signal(SIGKILL);
  ASSERT_TRUE(child.wait(10s));
  ASSERT_FALSE(group_named(left).empty()) << "a killed process takes nothing away";
  (void)cgroups_.sweep();
  EXPECT_TRUE(group_named(left).empty());
  EXPECT_FALSE(group_named(fresh_name("kept")).empty());
}

TEST_F(CgroupLimits, StopForksAtThePidsLimit) {
  auto group = cgroups_.create(fresh_name("pids"), kLimits).value();
  if (group.clone_fd() >= 0) GTEST_SKIP() << "v2 groups are entered by clone";
  const auto ended = run_in(group, [] {
    int forked = 0;
    while (forked < 50) {
      const pid_t pid = ::fork();
      if (pid == 0) {
        ::pause();
        ::_exit(0);
      }
      if (pid < 0) break;
      ++forked;
    }
    return forked;
  });
  EXPECT_EQ(ended.code, 7);
  EXPECT_TRUE(group.remove(5s)) << "the sleeping children are killed";
}

TEST_F(CgroupLimits, KillAtTheMemoryLimitAndNotBelow) {
  auto group = cgroups_.create(fresh_name("memory"), kLimits).value();
  if (group.clone_fd() >= 0) GTEST_SKIP() << "v2 groups are entered by clone";
  const auto touch = [](std::size_t bytes) {
    return [bytes] {
      void* memory =
          ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (memory == MAP_FAILED) return 1;
      std::memset(memory, 1, bytes);
      return 0;
    };
  };
  EXPECT_TRUE(run_in(group, touch(16U << 20)).ok());
  EXPECT_EQ(group.memory_kills().value(), 0U);
  EXPECT_EQ(run_in(group, touch(64U << 20)).signal, SIGKILL);
  EXPECT_GE(group.memory_kills().value(), 1U);
  EXPECT_TRUE(wait_readable(group.memory_event_fd(), 1s));
}

TEST(Cgroups, SayWhatMendsAMissingController) {
  const Cgroups none;
  const auto refused = none.usable();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::FailedPrecondition);
  EXPECT_NE(refused.error().message.find("memory"), std::string::npos);
  EXPECT_FALSE(none.create("x", kLimits));
}

}  // namespace
}  // namespace coffer
