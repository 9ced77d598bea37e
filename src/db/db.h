// SQLite: a connection, prepared statements, transactions and migrations.
//
// Invariants: WAL, synchronous FULL, foreign keys on: what commit() answered is on the disk.
// A Transaction that is not committed rolls back when it dies.
// Errors: Unavailable (disk full, I/O error, locked for 10 s), Corrupt (no database, damaged),
// FailedPrecondition (made by a newer program), Internal (bad SQL). Messages hold no row values.
// Thread-safety: none; a connection belongs to one thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "base/text.h"

struct sqlite3;
struct sqlite3_stmt;

namespace coffer::db {

using Value = std::variant<std::nullptr_t, std::int64_t, std::string, ByteVector>;

// One row of an answer. A column read as a type it does not have answers zero or empty.
class Row {
 public:
  explicit Row(std::vector<Value> values) : values_(std::move(values)) {}
  std::int64_t integer(std::size_t column) const;
  const std::string& text(std::size_t column) const;
  const ByteVector& blob(std::size_t column) const;
  bool is_null(std::size_t column) const;

 private:
  std::vector<Value> values_;
};

class Database {
 public:
  // Opens or makes the file and brings it to the newest of `migrations` (SQL scripts, applied in
  // order, each in its own transaction, counted in user_version).
  static Result<Database> open(const std::filesystem::path& file,
                               std::span<const std::string_view> migrations);
  Database(Database&&) noexcept;
  Database& operator=(Database&&) noexcept;
  ~Database();

  // Runs one statement with its parameters bound in order.
  Result<> run(std::string_view sql, const std::vector<Value>& parameters = {});
  // Hands over row after row, however many there are. `visit` does not run the same statement.
  Result<> each(std::string_view sql, const std::vector<Value>& parameters,
                const std::function<Result<>(Row)>& visit);
  Result<std::vector<Row>> rows(std::string_view sql, const std::vector<Value>& parameters = {});
  Result<std::optional<Row>> row(std::string_view sql, const std::vector<Value>& parameters = {});
  // Rows changed by the last statement.
  std::int64_t changes() const;
  std::int64_t last_id() const;
  // Rows that this connection has changed since it was opened, those rolled back among them: as
  // long as it stays, and nobody else writes, an answer outside a transaction stays true.
  std::int64_t changes_ever() const;

 private:
  friend class Transaction;
  struct Impl;
  explicit Database(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

class Transaction {
 public:
  static Result<Transaction> begin(Database& database);
  Transaction(Transaction&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();
  Result<> commit();

 private:
  explicit Transaction(Database& database) : database_(&database) {}
  Database* database_;
};

}  // namespace coffer::db
