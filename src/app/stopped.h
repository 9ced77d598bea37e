// A data directory on which no server runs: its keeper, its database opened beside.
//
// Errors: FailedPrecondition, and those of the keeper and the database when they are opened.
// Thread-safety: the main thread.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "app/data_lock.h"
#include "base/unique_fd.h"
#include "front/site.h"
#include "os/process.h"

namespace coffer::app {

// What a backup has as its last file, and a restore as its first: no server starts on either.
inline constexpr const char* kBackupMark = "backup.json";
inline constexpr const char* kRestoreMark = "restore.unfinished";

// Errors: FailedPrecondition (the directory is a backup, or a restore that did not finish).
Result<> check_is_whole(const std::filesystem::path& data);

struct Stopped {
  UniqueFd keeper_control;
  Process keeper;
  std::unique_ptr<front::Site> site;
};
Result<Stopped> open_stopped(const std::filesystem::path& data, const DataLock& lock,
                             const std::string& master_key_command, const Clock& clock);

// "coffer recover: …" on stderr with code and next command; the exit status 1.
int report_failure(const char* command, const Error& error);

}  // namespace coffer::app
