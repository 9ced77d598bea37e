#include "db/db.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <fstream>

namespace coffer::db {
namespace {

constexpr std::array<std::string_view, 1> kFirst{
    "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT UNIQUE, data BLOB) STRICT;"};
constexpr std::array<std::string_view, 2> kSecond{
    "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT UNIQUE, data BLOB) STRICT;",
    "ALTER TABLE t ADD COLUMN note TEXT;"};

class DatabaseFile : public testing::Test {
 protected:
  DatabaseFile()
      : file_(testing::TempDir() + "coffer_db_test-" + std::to_string(::getpid()) + ".db") {
    remove();
  }
  ~DatabaseFile() override { remove(); }
  void remove() {
    for (const char* end : {"", "-wal", "-shm"}) std::filesystem::remove(file_.string() + end);
  }
  std::filesystem::path file_;
};

TEST_F(DatabaseFile, KeepsWhatWasCommittedAndForgetsTheRest) {
  {
    auto database = Database::open(file_, kFirst);
    ASSERT_TRUE(database) << database.error().detail;
    ASSERT_TRUE(database->run("INSERT INTO t(name, data) VALUES(?, ?)",
                              {std::string("a"), ByteVector{std::byte{0}, std::byte{1}}}));
    auto open = Transaction::begin(*database);
    ASSERT_TRUE(open);
    ASSERT_TRUE(database->run("INSERT INTO t(name) VALUES(?)", {std::string("b")}));
  }
  auto database = Database::open(file_, kFirst);
  const auto rows = database->rows("SELECT name, data FROM t");
  ASSERT_EQ(rows->size(), 1U);
  EXPECT_EQ((*rows)[0].text(0), "a");
  EXPECT_EQ((*rows)[0].blob(1).size(), 2U);
}

TEST_F(DatabaseFile, HandsOverRowAfterRowUntilTheVisitorFails) {
  auto database = Database::open(file_, kFirst);
  for (const char* name : {"a", "b", "c"}) {
    ASSERT_TRUE(database->run("INSERT INTO t(name) VALUES(?)", {std::string(name)}));
  }
  constexpr std::string_view kAll = "SELECT name FROM t ORDER BY name";
  std::string seen;
  const auto failed = database->each(kAll, {}, [&](const Row& row) -> Result<> {
    seen += row.text(0);
    if (seen == "ab") return Error{Code::Corrupt, "enough"};
    EXPECT_EQ(database->rows(kAll).error().code, Code::Internal) << "the statement is in use";
    return {};
  });
  EXPECT_EQ(failed.error().message, "enough");
  EXPECT_EQ(seen, "ab");
  EXPECT_EQ(database->rows(kAll)->size(), 3U);
}

// Landlock leaves the front no place for temporary files.
TEST_F(DatabaseFile, SortsInMemory) {
  auto database = Database::open(file_, kFirst);
  constexpr std::int64_t kMemory = 2;
  EXPECT_EQ((*database->row("PRAGMA temp_store"))->integer(0), kMemory);
}

TEST_F(DatabaseFile, MigratesForwardAndRefusesANewerSchema) {
  ASSERT_TRUE(Database::open(file_, kFirst));
  ASSERT_TRUE(Database::open(file_, kSecond)->run("INSERT INTO t(note) VALUES('x')"));
  const auto older = Database::open(file_, kFirst);
  ASSERT_FALSE(older);
  EXPECT_EQ(older.error().code, Code::FailedPrecondition);
}

TEST_F(DatabaseFile, NamesADuplicateAndADamagedFile) {
  auto database = Database::open(file_, kFirst);
  ASSERT_TRUE(database->run("INSERT INTO t(name) VALUES('a')"));
  EXPECT_EQ(database->run("INSERT INTO t(name) VALUES('a')").error().code, Code::AlreadyExists);
  const std::string other = file_.string() + ".txt";
  std::ofstream{other} << std::string(4096, 'x');
  EXPECT_EQ(Database::open(other, kFirst).error().code, Code::Corrupt);
  std::filesystem::remove(other);
}

}  // namespace
}  // namespace coffer::db
