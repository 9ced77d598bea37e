#include "os/confine.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <functional>

#include "os/files.h"
#include "os/process.h"

namespace coffer {
namespace {

// Runs `attempt` in a child that confined itself; answers the errno it met, 0 for success, and 200
// when confine() itself failed.
int inside(const Confinement& confinement, const std::function<int()>& attempt) {
  auto child = Process::fork([&] {
                 if (!confine(confinement)) return 200;
                 errno = 0;
                 return attempt() >= 0 ? 0 : errno;
               }).value();
  return child.wait(20s).value().code;
}

int make_socket(int family) { return ::socket(family, SOCK_STREAM, 0); }

TEST(Confine, ControlEverythingBelowSucceedsUnconfined) {
  EXPECT_GE(make_socket(AF_INET), 0);
  EXPECT_GE(make_socket(AF_UNIX), 0);
}

TEST(Confine, OpensOnlyTheSocketsThatWereAllowed) {
  EXPECT_EQ(inside({.sockets = Sockets::None}, [] { return make_socket(AF_UNIX); }), EPERM);
  EXPECT_EQ(inside({.sockets = Sockets::Unix}, [] { return make_socket(AF_UNIX); }), 0);
  EXPECT_EQ(inside({.sockets = Sockets::Unix}, [] { return make_socket(AF_INET); }), EPERM);
  EXPECT_EQ(inside({.sockets = Sockets::Internet}, [] { return make_socket(AF_INET6); }), 0);
  EXPECT_EQ(inside({.sockets = Sockets::Internet}, [] { return make_socket(AF_VSOCK); }), EPERM);
}

TEST(Confine, KeepsFilesToThePathsThatWereNamed) {
  auto scratch = TemporaryDirectory::make().value();
  ASSERT_TRUE(make_directories(scratch.path() / "mine"));
  ASSERT_TRUE(make_directories(scratch.path() / "shown"));
  ASSERT_TRUE(write_text(scratch.path() / "shown/f", "x"));
  ASSERT_TRUE(write_text(scratch.path() / "hidden", "x"));
  Confinement rules;
  rules.paths = {{scratch.path() / "mine", PathAccess::ReadWrite},
                 {scratch.path() / "shown", PathAccess::Read}};
  const auto open = [&](const char* name, int flags) {
    return [path = (scratch.path() / name).string(), flags] {
      return ::open(path.c_str(), flags, 0600);
    };
  };
  EXPECT_EQ(inside(rules, open("mine/new", O_CREAT | O_WRONLY)), 0);
  EXPECT_EQ(inside(rules, open("shown/f", O_RDONLY)), 0);
  EXPECT_EQ(inside(rules, open("shown/f", O_WRONLY)), EACCES);
  EXPECT_EQ(inside(rules, open("shown/new", O_CREAT | O_WRONLY)), EACCES);
  EXPECT_EQ(inside(rules, open("hidden", O_RDONLY)), EACCES);
}

TEST(Confine, ForbidsExecutionUnlessAllowed) {
  const auto run = [] { return ::execl("/bin/true", "true", nullptr); };
  EXPECT_EQ(inside({}, run), EPERM);
  EXPECT_EQ(inside({.execution = Execution::Allowed}, run), 0);
}

TEST(Confine, RefusesNamespacesAndTracing) {
  EXPECT_EQ(inside({}, [] { return ::unshare(CLONE_NEWUSER); }), EPERM);
  EXPECT_EQ(inside({.role = Role::StartsCells}, [] { return ::unshare(CLONE_NEWUSER); }), 0);
  EXPECT_EQ(inside({.role = Role::StartsCells},
                   [] { return static_cast<int>(::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr)); }),
            EPERM);
}

TEST(Confine, GivesUpUserAndCapabilitiesForGood) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  Confinement other;
  other.identity = Identity{991009, 991009};
  EXPECT_EQ(inside(other, [] { return ::getuid() == 991009 ? 0 : -1; }), 0);
  EXPECT_EQ(inside(other, [] { return ::setuid(0); }), EPERM);
  EXPECT_EQ(inside({}, [] { return ::sethostname("x", 1); }), EPERM);
  EXPECT_EQ(inside({}, [] { return ::setgid(12); }), EPERM) << "capabilities are gone for root too";
}

TEST(Confine, ClosesAllDescriptorsButThose) {
  Confinement rules;
  rules.keep_fds = {0, 1, 2, 50};
  EXPECT_EQ(inside(rules, [] { return ::fcntl(51, F_GETFD); }), EBADF);
  ASSERT_EQ(::dup2(1, 50), 50);
  ASSERT_EQ(::dup2(1, 51), 51);
  EXPECT_EQ(inside(rules, [] { return ::fcntl(50, F_GETFD); }), 0);
  EXPECT_EQ(inside(rules, [] { return ::fcntl(51, F_GETFD); }), EBADF);
  (void)::close(50);
  (void)::close(51);
}

}  // namespace
}  // namespace coffer
