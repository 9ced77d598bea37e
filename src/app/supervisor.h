// The supervisor: starts keeper, worker, builder and front, connects them, starts again what died.
//
// It opens the listening socket and makes the directories before it starts anything, speaks to
// nobody, and holds no key. A process that dies is started again and gets fresh connections to its
// peers, who send their unanswered requests again. One that exits with kRefuses, or dies
// more than kDeathsMax times within kDeathsWindow, ends the server.
// Invariants: one server per data directory, and nothing left of the one before (data_lock.h); no
// process outlives the supervisor.
// Errors: those of the lock, AlreadyExists (the address is in use), Unavailable (socket, directory,
// process), FailedPrecondition (a process refused to start; it said why on stderr).
// Thread-safety: one thread. Source: protocol.md section 2.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace coffer::app {

// Descriptors that each process is started with.
inline constexpr int kControlFd = 3;  // where connections to its peers arrive
inline constexpr int kLockFd = 4;     // DataLock::processes: open as long as the process lives

inline constexpr int kRefuses = 78;  // exit status: starting again would not help

struct ServerOptions {
  std::filesystem::path data;
  std::string listen{"127.0.0.1:7070"};
  std::string tls_cert;
  std::string tls_key;
  bool behind_proxy{false};
  std::string notify_command;
  std::string master_key_command;
  std::string quota_user;  // sizes; empty: no limit
  std::string quota_total;
};

// Runs until SIGTERM or SIGINT (then drains) or until a process refuses.
Result<> supervise(const ServerOptions& options);

// One of the four, in a process of its own.
// The exit status of the process.
int run_process(const std::string& name, const ServerOptions& options);

// The options as arguments of a process, and back.
std::vector<std::string> to_arguments(const ServerOptions& options);

}  // namespace coffer::app
