#include "db/db.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <cerrno>
#include <map>

namespace coffer::db {
namespace {

struct CloseDatabase {
  void operator()(sqlite3* handle) const { (void)sqlite3_close_v2(handle); }
};
struct Finalize {
  void operator()(sqlite3_stmt* statement) const { (void)sqlite3_finalize(statement); }
};
using Statement = std::unique_ptr<sqlite3_stmt, Finalize>;

Error error_of(sqlite3* handle, std::string_view doing) {
  const int code = sqlite3_errcode(handle);
  const std::string detail = fmt::format("{}: {}", doing, sqlite3_errmsg(handle));
  // Also for the shared memory of the journal, which is a file: that is an I/O error to SQLite.
  const bool full = sqlite3_system_errno(handle) == ENOSPC ||
                    sqlite3_extended_errcode(handle) == SQLITE_IOERR_SHMSIZE;
  switch (full && (code & 0xff) == SQLITE_IOERR ? SQLITE_FULL : code & 0xff) {
    case SQLITE_FULL:
      return {Code::Unavailable, "the disk is full: free some space, then try again", detail};
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return {Code::Unavailable, "the database cannot be written now", detail};
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return {Code::Corrupt, "the database is damaged: restore it from a backup", detail};
    case SQLITE_CONSTRAINT:
      return {Code::AlreadyExists, "there is one already", detail};
    default:
      return {Code::Internal, "the database refused a statement", detail};
  }
}

int bind(sqlite3_stmt* statement, int index, const Value& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) {
    return sqlite3_bind_int64(statement, index, *number);
  }
  if (const auto* text = std::get_if<std::string>(&value)) {
    return sqlite3_bind_text64(statement, index, text->data(), text->size(), SQLITE_TRANSIENT,
                               SQLITE_UTF8);
  }
  if (const auto* blob = std::get_if<ByteVector>(&value)) {
    if (blob->empty()) return sqlite3_bind_zeroblob(statement, index, 0);
    return sqlite3_bind_blob64(statement, index, blob->data(), blob->size(), SQLITE_TRANSIENT);
  }
  return sqlite3_bind_null(statement, index);
}

Value column(sqlite3_stmt* statement, int index) {
  const auto length = static_cast<std::size_t>(sqlite3_column_bytes(statement, index));
  switch (sqlite3_column_type(statement, index)) {
    case SQLITE_INTEGER:
      return sqlite3_column_int64(statement, index);
    case SQLITE_TEXT:
      return std::string(reinterpret_cast<const char*>(sqlite3_column_text(statement, index)),
                         length);
    case SQLITE_BLOB: {
      const auto* bytes = static_cast<const std::byte*>(sqlite3_column_blob(statement, index));
      return ByteVector(bytes, bytes + length);
    }
    default:
      return nullptr;
  }
}

template <class T>
const T& value_or_empty(const Value& value) {
  static const T kEmpty{};
  const auto* found = std::get_if<T>(&value);
  return found != nullptr ? *found : kEmpty;
}

}  // namespace

struct Database::Impl {
  std::unique_ptr<sqlite3, CloseDatabase> handle;
  std::map<std::string, Statement, std::less<>> prepared;

  Result<sqlite3_stmt*> prepare(std::string_view sql) {
    const auto known = prepared.find(sql);
    if (known != prepared.end()) return known->second.get();
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v3(handle.get(), sql.data(), static_cast<int>(sql.size()),
                           SQLITE_PREPARE_PERSISTENT, &statement, nullptr) != SQLITE_OK) {
      return error_of(handle.get(), sql);
    }
    return prepared.emplace(std::string(sql), Statement{statement}).first->second.get();
  }

  Result<> script(std::string_view sql) {
    const std::string text{sql};
    if (sqlite3_exec(handle.get(), text.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK) return {};
    return error_of(handle.get(), text.substr(0, 80));
  }
};

Database::Database(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Database::Database(Database&&) noexcept = default;
Database& Database::operator=(Database&&) noexcept = default;
Database::~Database() = default;

Result<Database> Database::open(const std::filesystem::path& file,
                                std::span<const std::string_view> migrations) {
  auto impl = std::make_unique<Impl>();
  sqlite3* handle = nullptr;
  const int opened =
      sqlite3_open_v2(file.c_str(), &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
  impl->handle.reset(handle);
  if (opened != SQLITE_OK) return error_of(handle, "open");
  (void)sqlite3_extended_result_codes(handle, 0);
  (void)sqlite3_busy_timeout(handle, 10'000);
  COFFER_CHECK(impl->script(
      "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; "
      "PRAGMA foreign_keys=ON; PRAGMA secure_delete=ON; "
      "PRAGMA wal_autocheckpoint=8000; "  // 32 MiB: what is written often goes back once
      "PRAGMA temp_store=MEMORY;"));      // a confined process has no place for others
  Database database{std::move(impl)};
  COFFER_TRY(const auto version, database.row("PRAGMA user_version"));
  const auto have = static_cast<std::size_t>(version->integer(0));
  if (have > migrations.size()) {
    return Error{
        Code::FailedPrecondition,
        fmt::format("the database has schema {}, this program knows {}: use a newer coffer", have,
                    migrations.size())}
        .as("database_newer");
  }
  database.impl_->prepared.clear();
  for (std::size_t next = have; next < migrations.size(); ++next) {
    COFFER_CHECK(database.impl_->script(fmt::format(
        "BEGIN IMMEDIATE; {} PRAGMA user_version={}; COMMIT;", migrations[next], next + 1)));
  }
  return database;
}

Result<> Database::each(std::string_view sql, const std::vector<Value>& parameters,
                        const std::function<Result<>(Row)>& visit) {
  COFFER_TRY(sqlite3_stmt * statement, impl_->prepare(sql));
  if (sqlite3_stmt_busy(statement) != 0) {
    return Error{Code::Internal, "a statement within itself", std::string(sql)};
  }
  const auto go = [&]() -> Result<> {
    int index = 0;
    for (const auto& parameter : parameters) {
      if (bind(statement, ++index, parameter) != SQLITE_OK) {
        return error_of(impl_->handle.get(), sql);
      }
    }
    int step = SQLITE_ROW;
    while ((step = sqlite3_step(statement)) == SQLITE_ROW) {
      std::vector<Value> values;
      for (int i = 0; i < sqlite3_column_count(statement); ++i) {
        values.push_back(column(statement, i));
      }
      COFFER_CHECK(visit(Row{std::move(values)}));
    }
    if (step != SQLITE_DONE) return error_of(impl_->handle.get(), sql);
    return {};
  };
  auto done = go();
  (void)sqlite3_reset(statement);
  (void)sqlite3_clear_bindings(statement);
  return done;
}

Result<std::vector<Row>> Database::rows(std::string_view sql,
                                        const std::vector<Value>& parameters) {
  std::vector<Row> out;
  COFFER_CHECK(each(sql, parameters, [&](Row row) -> Result<> {
    out.push_back(std::move(row));
    return {};
  }));
  return out;
}

Result<> Database::run(std::string_view sql, const std::vector<Value>& parameters) {
  COFFER_CHECK(rows(sql, parameters));
  return {};
}

Result<std::optional<Row>> Database::row(std::string_view sql,
                                         const std::vector<Value>& parameters) {
  COFFER_TRY(auto all, rows(sql, parameters));
  if (all.empty()) return std::optional<Row>{};
  return std::optional<Row>{std::move(all.front())};
}

std::int64_t Database::changes() const { return sqlite3_changes64(impl_->handle.get()); }
std::int64_t Database::changes_ever() const { return sqlite3_total_changes64(impl_->handle.get()); }
std::int64_t Database::last_id() const { return sqlite3_last_insert_rowid(impl_->handle.get()); }

std::int64_t Row::integer(std::size_t column) const {
  return value_or_empty<std::int64_t>(values_[column]);
}
const std::string& Row::text(std::size_t column) const {
  return value_or_empty<std::string>(values_[column]);
}
const ByteVector& Row::blob(std::size_t column) const {
  return value_or_empty<ByteVector>(values_[column]);
}
bool Row::is_null(std::size_t column) const {
  return std::holds_alternative<std::nullptr_t>(values_[column]);
}

Result<Transaction> Transaction::begin(Database& database) {
  COFFER_CHECK(database.run("BEGIN IMMEDIATE"));
  return Transaction{database};
}

Transaction::~Transaction() {
  if (database_ != nullptr) (void)database_->run("ROLLBACK").has_value();
}

Result<> Transaction::commit() {
  COFFER_CHECK(database_->run("COMMIT"));
  database_ = nullptr;
  return {};
}

}  // namespace coffer::db
