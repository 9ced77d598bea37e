#include "base/io.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/mman.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <string>
#include <thread>

#include "base/unique_fd.h"

namespace coffer {
namespace {

UniqueFd empty_file() { return UniqueFd{::memfd_create("io_test", MFD_CLOEXEC)}; }

std::span<std::byte> room_of(std::string& text) { return std::as_writable_bytes(std::span{text}); }

struct Pipe {
  Pipe() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    from = UniqueFd{ends[0]};
    to = UniqueFd{ends[1]};
  }
  UniqueFd from, to;
};

// Interrupts this thread, whatever it waits in, until it goes.
class Interrupting {
 public:
  Interrupting() {
    struct sigaction action {};
    action.sa_handler = [](int) { ++count; };  // and no SA_RESTART
    EXPECT_EQ(::sigaction(SIGUSR1, &action, nullptr), 0);
    thread_ = std::thread{[this, whom = ::pthread_self()] {
      while (!over_) {
        ::pthread_kill(whom, SIGUSR1);
        std::this_thread::sleep_for(std::chrono::milliseconds{1});
      }
    }};
  }
  ~Interrupting() {
    over_ = true;
    thread_.join();
  }
  static inline std::atomic<int> count{0};

 private:
  std::atomic<bool> over_{false};
  std::thread thread_;
};

TEST(Io, ReadsWhatWasWrittenAndLessOnlyAtTheEnd) {
  const UniqueFd file = empty_file();
  ASSERT_TRUE(write_fully(file.get(), bytes_of("data stays")));
  ASSERT_EQ(::lseek(file.get(), 5, SEEK_SET), 5);
  std::string room(20, '.');
  EXPECT_EQ(read_fully(file.get(), room_of(room)), 5);
  EXPECT_EQ(room.substr(0, 6), "stays.");
  EXPECT_EQ(read_fully(file.get(), room_of(room)), 0);
}

TEST(Io, AtAnOffsetTheDescriptorStaysWhereItIs) {
  const UniqueFd file = empty_file();
  ASSERT_TRUE(write_fully_at(file.get(), bytes_of("move"), 9));
  ASSERT_TRUE(write_fully_at(file.get(), bytes_of("programs "), 0));
  EXPECT_EQ(::lseek(file.get(), 0, SEEK_CUR), 0);
  std::string room(6, '.');
  EXPECT_EQ(read_fully_at(file.get(), room_of(room), 7), 6);
  EXPECT_EQ(room, "s move");
  EXPECT_EQ(read_fully_at(file.get(), room_of(room), 10), 3);
  EXPECT_EQ(read_fully_at(file.get(), room_of(room), 99), 0);
}

TEST(Io, GoesOnAfterPartsAndSignals) {
  const Pipe pipe;
  const std::string sent(std::size_t{1} << 20, 'x');  // sixteen times what the pipe holds
  std::thread writer{[&] {
    while (Interrupting::count < 5) std::this_thread::yield();  // the reader waits
    EXPECT_TRUE(write_fully(pipe.to.get(), bytes_of(sent)));
  }};
  std::string got(sent.size(), '.');
  {
    const Interrupting signals;
    EXPECT_EQ(read_fully(pipe.from.get(), room_of(got)), sent.size());
  }
  writer.join();
  EXPECT_TRUE(got == sent);
}

TEST(Io, WhatFailsSaysWhy) {
  std::string room(1, '.');
  errno = 0;
  EXPECT_FALSE(write_fully(-1, bytes_of("x")));
  EXPECT_EQ(errno, EBADF);
  errno = 0;
  EXPECT_EQ(read_fully(-1, room_of(room)), std::nullopt);
  EXPECT_EQ(errno, EBADF);
  const UniqueFd full{::open("/dev/full", O_WRONLY | O_CLOEXEC)};
  EXPECT_FALSE(write_fully_at(full.get(), bytes_of("x"), 0));
  EXPECT_EQ(errno, ENOSPC);
}

}  // namespace
}  // namespace coffer
