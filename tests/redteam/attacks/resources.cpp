// Ways to take more than was given.
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "attack.h"

namespace attacks {
namespace {

// Forks until it is refused, at most ARGUMENT times.
int fork_bomb(const char* count) {
  const int most = std::atoi(count);
  std::vector<pid_t> children;
  int answer = kOpen;
  while (answer == kOpen && static_cast<int>(children.size()) < most) {
    const pid_t pid = ::fork();
    if (pid == 0) {
      ::pause();
      ::_exit(0);
    }
    if (pid < 0) {
      answer = errno;
    } else {
      children.push_back(pid);
    }
  }
  for (const pid_t pid : children) {
    (void)::kill(pid, SIGKILL);
    (void)::waitpid(pid, nullptr, 0);
  }
  return answer;
}

// Touches ARGUMENT MiB of memory.
int take_memory(const char* mebibytes) {
  const std::size_t size = static_cast<std::size_t>(std::atoi(mebibytes)) << 20;
  void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return errno;
  std::memset(memory, 1, size);
  return kOpen;
}

int fill(int fd, std::size_t mebibytes) {
  if (fd < 0) return errno;
  const std::string block(std::size_t{1} << 20, 'x');
  for (std::size_t i = 0; i < mebibytes; ++i) {
    std::size_t at = 0;
    while (at < block.size()) {
      const auto wrote = ::write(fd, block.data() + at, block.size() - at);
      if (wrote < 0) return errno;
      at += static_cast<std::size_t>(wrote);
    }
  }
  return kOpen;
}

// The same in a file that has no name.
int hoard_in_memory_file(const char* mebibytes) {
  return fill(::memfd_create("hoard", 0), static_cast<std::size_t>(std::atoi(mebibytes)));
}

// ARGUMENT: PATH:MEBIBYTES, left there.
int fill_file(const char* what) {
  const std::string text = what;
  const auto colon = text.find(':');
  const int fd = ::open(text.substr(0, colon).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  return fill(fd, static_cast<std::size_t>(std::atoi(text.substr(colon + 1).c_str())));
}

// ARGUMENT: DIRECTORY:COUNT empty files, left there.
int flood_entries(const char* what) {
  const std::string text = what;
  const auto colon = text.find(':');
  const int most = std::atoi(text.substr(colon + 1).c_str());
  for (int i = 0; i < most; ++i) {
    const std::string path = text.substr(0, colon) + "/f" + std::to_string(i);
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return errno;
    (void)::close(fd);
  }
  return kOpen;
}

int raise_core_limit(const char*) {
  const rlimit more{1 << 20, 1 << 20};
  return result_of(::setrlimit(RLIMIT_CORE, &more));
}

int lock_memory(const char* mebibytes) {
  const std::size_t size = static_cast<std::size_t>(std::atoi(mebibytes)) << 20;
  void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return memory == MAP_FAILED ? errno : result_of(::mlock(memory, size));
}

constexpr Attack kAttacks[]{{"fork_bomb", fork_bomb},
                            {"take_memory", take_memory},
                            {"hoard_in_memory_file", hoard_in_memory_file},
                            {"fill_file", fill_file},
                            {"flood_entries", flood_entries},
                            {"raise_core_limit", raise_core_limit},
                            {"lock_memory", lock_memory}};

}  // namespace

std::span<const Attack> on_resources() { return kAttacks; }

}  // namespace attacks
