#include "db/snapshot.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <memory>

namespace coffer::db {
namespace {

constexpr int kPatienceMs = 10'000;

struct CloseDatabase {
  void operator()(sqlite3* handle) const { (void)sqlite3_close_v2(handle); }
};
using Handle = std::unique_ptr<sqlite3, CloseDatabase>;

Error error_of(std::string_view what, int code, sqlite3* handle) {
  const std::string detail = fmt::format("{}: {}", what, sqlite3_errmsg(handle));
  switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return {Code::Corrupt, fmt::format("the {} is damaged", what), detail};
    case SQLITE_FULL:
      return {Code::Unavailable, "the disk is full: free some space, then try again", detail};
    default:
      return {Code::Unavailable, fmt::format("the {} cannot be read or written now", what), detail};
  }
}

Result<Handle> open(const std::filesystem::path& file, int flags, std::string_view what) {
  sqlite3* raw = nullptr;
  const int code = sqlite3_open_v2(file.c_str(), &raw, flags, nullptr);
  Handle handle{raw};
  if (code != SQLITE_OK) return error_of(what, code, raw);
  (void)sqlite3_busy_timeout(raw, kPatienceMs);
  return handle;
}

Result<> execute(sqlite3* handle, const char* sql) {
  const int code = sqlite3_exec(handle, sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return error_of("database", code, handle);
  return {};
}

Result<> copy_pages(sqlite3* source, sqlite3* target) {
  sqlite3_backup* const backup = sqlite3_backup_init(target, "main", source, "main");
  if (backup == nullptr) return error_of("copy", sqlite3_errcode(target), target);
  const int code = sqlite3_backup_step(backup, -1);
  (void)sqlite3_backup_finish(backup);
  if (code != SQLITE_DONE) return error_of("copy", code, target);
  return {};
}

}  // namespace

Result<> take_snapshot(const Snapshot& snapshot, const std::function<Result<>()>& at_that_moment) {
  std::error_code ignored;
  if (!std::filesystem::exists(snapshot.source, ignored)) {
    return Error{Code::NotFound, "there is no database " + snapshot.source.string()};
  }
  COFFER_TRY(const Handle reader, open(snapshot.source, SQLITE_OPEN_READWRITE, "database"));
  {
    // Nobody writes from here on; what the reader sees first, it sees to the end.
    COFFER_TRY(const Handle writer, open(snapshot.source, SQLITE_OPEN_READWRITE, "database"));
    COFFER_CHECK(execute(writer.get(), "BEGIN IMMEDIATE"));
    COFFER_CHECK(execute(reader.get(), "BEGIN; SELECT COUNT(*) FROM sqlite_schema"));
    COFFER_CHECK(at_that_moment());
  }
  COFFER_TRY(const Handle target,
             open(snapshot.target, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, "copy"));
  return copy_pages(reader.get(), target.get());
}

}  // namespace coffer::db
