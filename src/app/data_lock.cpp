#include "app/data_lock.h"

#include <fcntl.h>
#include <sys/file.h>

#include <thread>

#include "base/log.h"
#include "os/files.h"

namespace coffer::app {
namespace {

constexpr Duration kLookAgain = 10ms;

Result<UniqueFd> open_lock(const std::filesystem::path& path, int flags) {
  UniqueFd file{::open(path.c_str(), flags | O_RDONLY | O_CLOEXEC | O_NOFOLLOW, 0600)};
  if (file) return file;
  if (errno == ENOENT) {
    return Error{Code::NotFound, path.parent_path().string() + " is no data directory of a server"};
  }
  return system_error("open " + path.string(), errno);
}

// False: somebody else has it.
Result<bool> take(const UniqueFd& lock) {
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) return true;
  if (errno == EWOULDBLOCK || errno == EINTR) return false;
  return system_error("lock the data directory", errno);
}

Result<> wait_for_last_server(const UniqueFd& processes, Duration patience) {
  const SystemClock clock;
  const Instant end = clock.now() + patience;
  for (bool told = false;; told = true) {
    COFFER_TRY(const bool taken, take(processes));
    if (taken) return {};
    if (clock.now() >= end) break;
    if (!told) log_line("server", "waits for the processes of the last server to end");
    std::this_thread::sleep_for(kLookAgain);
  }
  return Error{Code::Unavailable,
               "processes of the last server still end: a disk may be slow, or stuck; try again"}
      .as("server_ending");
}

}  // namespace

Result<DataLock> lock_data(const std::filesystem::path& data, Duration patience) {
  DataLock out;
  COFFER_TRY(out.server, open_lock(data / "lock", 0));
  COFFER_TRY(const bool taken, take(out.server));
  if (!taken) {
    return Error{Code::FailedPrecondition, "a coffer server uses " + data.string() + ": stop it"}
        .as("server_running");
  }
  COFFER_TRY(out.processes, open_lock(data / "lock.processes", O_CREAT));
  COFFER_CHECK(wait_for_last_server(out.processes, patience));
  return out;
}

}  // namespace coffer::app
