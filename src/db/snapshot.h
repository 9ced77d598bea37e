// A copy of a database that others are using: all of it, as it was at one moment.
//
// Invariants: `at_that_moment` runs while nobody can write to the source, and the copy holds
// exactly what is committed then; writers wait no longer than it takes. The copy is one file, and
// nothing of the source is changed.
// Errors: NotFound (no such database), Unavailable (another writer for 10 s, disk full, input or
// output), Corrupt (the source is damaged), and those of `at_that_moment`.
// Thread-safety: from any process beside the one that uses the source.
// Source: the online backup API of SQLite, within a read transaction of a WAL database.
#pragma once

#include <filesystem>
#include <functional>

#include "base/result.h"

namespace coffer::db {

struct Snapshot {
  std::filesystem::path source;
  std::filesystem::path target;  // not there yet
};
Result<> take_snapshot(const Snapshot& snapshot, const std::function<Result<>()>& at_that_moment);

}  // namespace coffer::db
