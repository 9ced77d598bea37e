// Hostile programs against the cell: each is refused inside for the reason named here, succeeds
// outside (its control), and beside it stands what a program is allowed to do.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <fstream>
#include <thread>

#include "cell/cell_fixture.h"
#include "os/channel.h"
#include "os/process.h"

namespace coffer::cell {
namespace {

using test::Cells;
using test::Mode;
using test::Outcome;
using test::verdicts;

// What a careless machine offers: listeners, a lock, a socket and a FIFO left in an input.
class Host {
 public:
  explicit Host(const std::filesystem::path& input) : input_(input) {
    EXPECT_TRUE(make_directories(input_, 0755));
    EXPECT_TRUE(write_text(input_ / "data.txt", "row\n", 0666));
    std::filesystem::permissions(input_, std::filesystem::perms{0777});
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    tcp_ = listen_on(AF_INET, &any, sizeof any);
    socklen_t length = sizeof any;
    EXPECT_EQ(::getsockname(tcp_.get(), reinterpret_cast<sockaddr*>(&any), &length), 0);
    port_ = std::to_string(ntohs(any.sin_port));
    path_ = listen_on_name(input_ / "host.sock", 0);
    std::filesystem::permissions(input_ / "host.sock", std::filesystem::perms{0777});
    name_ = "cofferdam-test-" + std::to_string(::getpid());
    abstract_ = listen_on_name(name_, 1);
    EXPECT_EQ(::mkfifo((input_ / "host.fifo").c_str(), 0666), 0);
    std::filesystem::permissions(input_ / "host.fifo", std::filesystem::perms{0666});
    reader_ = UniqueFd{::open((input_ / "host.fifo").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC)};
    lock_ = UniqueFd{::eventfd(0, EFD_CLOEXEC)};
    EXPECT_EQ(::flock(lock_.get(), LOCK_EX | LOCK_NB), 0);
    struct flock record {};
    record.l_type = F_WRLCK;
    EXPECT_EQ(::fcntl(lock_.get(), F_OFD_SETLK, &record), 0);
  }
  const std::string& port() const { return port_; }
  const std::string& name() const { return name_; }

 private:
  static UniqueFd listen_on(int family, const void* address, socklen_t length) {
    UniqueFd fd{::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    EXPECT_EQ(::bind(fd.get(), static_cast<const sockaddr*>(address), length), 0);
    EXPECT_EQ(::listen(fd.get(), 16), 0);
    return fd;
  }
  // `at`: 0 for a path, 1 for an abstract name.
  static UniqueFd listen_on_name(const std::string& name, std::size_t at) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path + at, name.data(), name.size());
    const std::size_t length = offsetof(sockaddr_un, sun_path) + at + name.size();
    return listen_on(AF_UNIX, &address, static_cast<socklen_t>(at == 1 ? length : sizeof address));
  }
  std::filesystem::path input_;
  UniqueFd tcp_, path_, abstract_, reader_, lock_;
  std::string port_;
  std::string name_;
};

// IfPermitted: a machine may refuse the attack outside too (a control group without real time, a
// container); then there is nothing to compare with.
enum class Control : std::uint8_t { MustWork, IfPermitted };

struct Case {
  const char* attack;
  std::string inside;   // argument in the cell
  std::string outside;  // argument of the control
  const char* answer;   // in the cell
  Control control{Control::MustWork};
};

class RedTeam : public Cells {
 protected:
  // Runs all cases in one cell, and outside, and compares.
  void check(const std::vector<Case>& cases, const std::vector<Bind>& binds = {}) {
    std::vector<std::string> inside{"many"};
    std::vector<std::string> outside_words{"many"};
    for (const auto& each : cases) {
      inside.push_back(std::string(each.attack) + "=" + each.inside);
      outside_words.push_back(std::string(each.attack) + "=" + each.outside);
    }
    Spec spec = attack(inside);
    spec.binds.insert(spec.binds.end(), binds.begin(), binds.end());
    const Outcome outcome = run(spec);
    ASSERT_EQ(outcome.error, "");
    auto found = verdicts(outcome.output);
    for (const auto& each : cases) EXPECT_EQ(found[each.attack], each.answer) << each.attack;
    if (GetParam() != Mode::AsRoot) return;  // the controls need not run twice
    auto control = verdicts(outside(outside_words));
    for (const auto& each : cases) {
      if (each.control == Control::IfPermitted && control[each.attack] != "open") continue;
      EXPECT_EQ(control[each.attack], "open") << each.attack;
    }
  }
  // What a program may do, in one cell.
  void check_allowed(const std::vector<std::string>& words) {
    std::vector<std::string> inside{"many"};
    inside.insert(inside.end(), words.begin(), words.end());
    const Outcome outcome = run(attack(inside));
    ASSERT_EQ(outcome.error, "");
    for (const auto& line : split(outcome.output, '\n')) {
      EXPECT_TRUE(line.empty() || line.ends_with(" open")) << line;
    }
    EXPECT_EQ(split(outcome.output, '\n').size(), words.size() + 1);
  }
};
INSTANTIATE_TEST_SUITE_P(As, RedTeam, ::testing::Values(Mode::AsRoot, Mode::Rootless),
                         test::name_of_mode);

TEST_P(RedTeam, FindsNoSocketThatLeadsOut) {
  const auto input = scratch_->path() / "input";
  const Host host{input};
  check({{"tcp_connect", host.port(), host.port(), "refused EPERM"},
         {"udp_send", host.port(), host.port(), "refused EPERM"},
         {"loopback_listen", "", "", "refused EPERM"},
         {"inet6_socket", "", "", "refused EPERM"},
         {"netlink_socket", "", "", "refused EPERM"},
         {"vsock_socket", "", "", "refused EPERM"},
         {"abstract_connect", host.name(), host.name(), "refused ECONNREFUSED"},
         {"path_connect", "/data/in/host.sock", input / "host.sock", "refused ECONNREFUSED"},
         {"write_fifo", "/data/in/host.fifo", input / "host.fifo", "refused EACCES"}},
        {{.source = input, .target = "/data/in"}});
  check_allowed({"local_pair", "local_listen=/tmp/s"});
}

TEST_P(RedTeam, ChangesNothingOfItsInputs) {
  const auto input = scratch_->path() / "input";
  const Host host{input};
  const std::string file = input / "data.txt";
  const std::string beside = input / "new";
  check({{"create_file", "/data/in/new", beside, "refused EROFS"},
         {"open_to_write", "/data/in/data.txt", file, "refused EROFS"},
         {"change_mode", "/data/in/data.txt", file, "refused EROFS"},
         {"change_times", "/data/in/data.txt", file, "refused EROFS"},
         {"take_lease", "/data/in/data.txt", file, "refused EPERM"},
         {"hard_link", "/data/in/data.txt:/out/link", file + ":" + beside, "refused EXDEV"}},
        {{.source = input, .target = "/data/in"}});
  Spec read = attack({"many", "open_to_read=/data/in/data.txt", "list_directory=/data/in",
                      "touch_by_reading=/data/in/data.txt"});
  read.binds.push_back({.source = input, .target = "/data/in"});
  EXPECT_EQ(run(read).output,
            "open_to_read open\nlist_directory open\ntouch_by_reading refused NOTHING\n");
}

TEST_P(RedTeam, LeavesNothingButFilesInItsOutput) {
  const std::string out = scratch_->path() / "out";
  ASSERT_TRUE(make_directories(out, 0777));
  check({{"make_fifo", "/out/x", out + "/x", "refused EPERM"},
         {"make_link", "/out/x", out + "/x", "refused EACCES"},
         {"make_device", "/out/x", out + "/x", "refused EPERM"},
         {"set_uid_bit", "/out/x", out + "/x", "refused EPERM"},
         {"local_listen", "/out/x", out + "/x", "refused EACCES"},
         {"run_dropped_file", "/out/x", out + "/x", "refused EACCES"}});
  check_allowed(
      {"create_file=/out/x", "create_file=/tmp/x", "create_file=/dev/shm/x", "make_link=/tmp/x"});
  const Outcome other = run(attack({"many", "run_dropped_file=/tmp/x", "set_attribute=/out/x"}));
  EXPECT_EQ(other.output, "run_dropped_file refused EACCES\nset_attribute refused EPERM\n");
}

TEST_P(RedTeam, MovesNoMountAndNoRoot) {
  check({{"ask_file_handle", "/program", program_, "refused EPERM"},
         {"list_directory", "/", "/", "refused EACCES"},
         {"create_file", "/x", scratch_->path() / "x", "refused EROFS"},
         {"host_path_in_mounts", "coffer-", "/", "refused NOTHING"}});
  check({{"mount_tmpfs", "", "", "refused EPERM"},
         {"remount_root", "", "", "refused EPERM"},
         {"open_tree_clone", "", "", "refused EPERM"},
         {"open_file_system", "", "", "refused EPERM"},
         {"change_root", "", "", "refused EPERM"}});
  check_allowed({"list_directory=/program", "list_directory=/tmp", "list_directory=/etc"});
}

TEST_P(RedTeam, GetsNoNamespaceOfItsOwn) {
  check({{"new_user_namespace", "", "", "refused EPERM"},
         {"clone_user_namespace", "", "", "refused EPERM"},
         {"clone3_user_namespace", "", "", "refused ENOSYS"}});
}

TEST_P(RedTeam, IsKilledForCallingAnotherWay) {
  const Outcome outcome = run(attack({"many", "call_of_i386", "call_of_x32"}));
  EXPECT_EQ(outcome.output, "call_of_i386 killed SYS\ncall_of_x32 killed SYS\n");
  if (GetParam() != Mode::AsRoot) return;  // the controls need not run twice
  EXPECT_EQ(outside({"many", "call_of_i386", "call_of_x32"}),
            "call_of_i386 open\ncall_of_x32 open\n");
}

TEST_P(RedTeam, ReachesNoRareInterfaceOfTheKernel) {
  check({{"measure_others", "", "", "refused EPERM"},
         {"make_ring", "", "", "refused ENOSYS"},
         {"use_keyring", "", "", "refused EPERM"},
         {"shared_segment", "", "", "refused EPERM"},
         {"message_queue", "", "", "refused EPERM"},
         {"huge_pages", "", "", "refused EPERM"},
         {"inject_input", "", "", "refused EPERM"},
         {"change_personality", "", "", "refused EPERM"},
         {"load_bpf", "", "", "refused EPERM"},
         {"handle_faults", "", "", "refused ENOSYS"}});
  // Not every kernel merges pages: refused before that is asked.
  EXPECT_EQ(run(attack({"many", "merge_pages"})).output, "merge_pages refused EPERM\n");
}

TEST_P(RedTeam, SeesNothingOfOtherRuns) {
  const auto input = scratch_->path() / "input";
  const Host host{input};
  const std::string file = input / "data.txt";
  check({{"see_foreign_lock", "", "", "refused NOTHING"},
         {"see_foreign_record_lock", "", "", "refused NOTHING"},
         {"watch_files", "", "", "refused ENOSYS"},
         {"ask_free_space", "", "", "refused ENOSYS"},
         {"ask_page_cache", "/data/in/data.txt", file, "refused EPERM"},
         {"see_other_processes", "", "", "refused NOTHING"}},
        {{.source = input, .target = "/data/in"}});
}

TEST_P(RedTeam, DoesNotReachTheFirstProcess) {
  const std::string us = std::to_string(::getpid());
  check({{"open_root_of", "1", us, "refused ENOENT"},
         {"read_environment_of", "1", us, "refused ENOENT"},
         {"open_memory_of", "1", us, "refused ENOENT"},
         {"open_program_of", "1", us, "refused ENOENT"},
         {"trace", "1", us, "refused EPERM"},
         {"read_memory_of", "1", us, "refused EPERM"},
         {"take_descriptor_of", "1", us, "refused EPERM"}});
  check_allowed({"read_environment_of=self", "open_program_of=self"});
}

TEST_P(RedTeam, InheritsNothing) {
  const UniqueFd secret{::open("/etc/passwd", O_RDONLY)};  // not close-on-exec
  ASSERT_TRUE(secret);
  check({{"inherited_descriptor", "", "", "refused NOTHING"}});
}

TEST_P(RedTeam, GainsNothingFromASetUserIdProgram) {
  if (GetParam() != Mode::AsRoot) GTEST_SKIP() << "needs root to make one";
  std::filesystem::permissions(program_ / "attacks", std::filesystem::perms{04755});
  ASSERT_EQ(::chmod((program_ / "attacks").c_str(), 04755), 0);
  EXPECT_EQ(run(attack({"say_user"})).output, "euid 1000\nopen\n");
  auto ends = make_channel_pair().value();
  auto child = Process::fork([&] {
                 (void)::dup2(ends.second.get(), 1);
                 if (::setresuid(65534, 65534, 65534) != 0) return 1;
                 (void)::execl((program_ / "attacks").c_str(), "attacks", "say_user", nullptr);
                 return 2;
               }).value();
  ends.second.reset();
  EXPECT_EQ(text_of(read_all(ends.first.get(), 100).value()), "euid 0\nopen\n") << "the control";
  EXPECT_TRUE(child.wait(std::chrono::seconds{10}));
}

TEST_P(RedTeam, TakesNoMoreThanItWasGiven) {
  const std::string tmp = scratch_->path() / "tmp";
  ASSERT_TRUE(make_directories(tmp, 0777));
  check({{"fork_bomb", "60", "60", "refused EAGAIN"},
         {"fill_file", "/tmp/big:2", tmp + "/big:2", "refused ENOSPC"},
         {"real_time", "", "", "refused EPERM", Control::IfPermitted},
         {"raise_core_limit", "", "", "refused EPERM", Control::IfPermitted},
         {"lock_memory", "2", "2", "refused ENOMEM"}});
  check({{"fill_file", "/dev/shm/big:2", tmp + "/big2:2", "refused ENOSPC"},
         {"flood_entries", "/tmp:150", tmp + ":150", "refused ENOSPC"}});
  check({{"flood_entries", "/out:150", tmp + ":150", "refused ENOSPC"}});
  check_allowed({"fork_bomb=10", "fill_file=/tmp/a:0", "flood_entries=/tmp:20"});
}

TEST_P(RedTeam, LeavesNothingForTheNextRun) {
  for (const char* place : {"/tmp", "/dev/shm"}) {
    const Outcome first = run(attack({"many", std::string("flood_entries=") + place + ":1"}));
    EXPECT_EQ(first.output, "flood_entries open\n");
    const Outcome second = run(attack({"many", std::string("open_to_read=") + place + "/f0"}));
    EXPECT_EQ(second.output, "open_to_read refused ENOENT\n");
  }
}

// Processes of this machine whose command line holds `needle`.
int living(const std::string& needle) {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const auto text = read_text(entry.path() / "cmdline", 4096);
    if (text && text->find(needle) != std::string::npos) ++count;
  }
  return count;
}

TEST_P(RedTeam, DoesNotOutliveItsProgram) {
  const std::string mark = "/out/beat" + std::to_string(::getpid());
  const Outcome outcome = run(attack({"daemonise", mark}));
  EXPECT_EQ(outcome.ending, Ending::Finished) << outcome.error;
  EXPECT_EQ(living(mark), 0);
  if (GetParam() != Mode::AsRoot) return;
  const std::string outside_mark = scratch_->path() / "beat";
  EXPECT_EQ(outside({"daemonise", outside_mark}), "open\n");
  EXPECT_GE(living(outside_mark), 1) << "the control: outside it lives on";
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const auto text = read_text(entry.path() / "cmdline", 4096);
    if (text && text->find(outside_mark) != std::string::npos &&
        entry.path().filename() != std::to_string(::getpid())) {
      (void)::kill(std::stoi(entry.path().filename()), SIGKILL);
    }
  }
}

TEST_P(RedTeam, DiesWithItsSupervisor) {
  const std::string mark = "nap" + std::to_string(::getpid());
  auto helper = Process::fork([&] { return run(attack({"sleep_long", mark})).exit_code; }).value();
  for (int i = 0; i < 500 && living(mark) == 0; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds{10});
  }
  EXPECT_GE(living(mark), 1);
  helper.kill_tree();
  EXPECT_TRUE(helper.wait(std::chrono::seconds{10}));
  for (int i = 0; i < 500 && living(mark) > 0; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds{10});
  }
  EXPECT_EQ(living(mark), 0);
}

}  // namespace
}  // namespace coffer::cell
