#include "db/snapshot.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <fstream>

#include "db/db.h"

namespace coffer::db {
namespace {

constexpr std::array<std::string_view, 1> kTable{"CREATE TABLE t(n INTEGER) STRICT;"};

class SnapshotOfADatabase : public testing::Test {
 protected:
  SnapshotOfADatabase()
      : folder_(testing::TempDir() + "coffer_snapshot_test-" + std::to_string(::getpid())) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directory(folder_);
  }
  ~SnapshotOfADatabase() override { std::filesystem::remove_all(folder_); }
  static std::int64_t rows(Database& database) {
    return (*database.row("SELECT COUNT(*) FROM t"))->integer(0);
  }
  std::filesystem::path folder_;
  Snapshot order() const { return {folder_ / "a.db", folder_ / "b.db"}; }
};

TEST_F(SnapshotOfADatabase, HoldsWhatIsCommittedAtThatMomentAndNothingLater) {
  auto live = *Database::open(order().source, kTable);
  ASSERT_TRUE(live.run("INSERT INTO t VALUES(1)"));
  ASSERT_TRUE(take_snapshot(order(), [] { return Result<>{}; }));
  ASSERT_TRUE(live.run("INSERT INTO t VALUES(2)"));
  auto copy = *Database::open(order().target, kTable);
  EXPECT_EQ(rows(copy), 1);
  EXPECT_EQ(rows(live), 2);
}

TEST_F(SnapshotOfADatabase, LetsNobodyWriteAtThatMomentAndEverybodyAfter) {
  auto live = *Database::open(order().source, kTable);
  ASSERT_TRUE(live.run("PRAGMA busy_timeout=0"));
  bool wrote = true;
  ASSERT_TRUE(take_snapshot(order(), [&] {
    wrote = live.run("INSERT INTO t VALUES(1)").has_value();
    return Result<>{};
  }));
  EXPECT_FALSE(wrote);
  EXPECT_TRUE(live.run("INSERT INTO t VALUES(1)"));
}

TEST_F(SnapshotOfADatabase, IsNotTakenWhenTheMomentFails) {
  auto live = *Database::open(order().source, kTable);
  const auto taken = take_snapshot(order(), [] { return Error{Code::Internal, "no"}; });
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().message, "no");
  EXPECT_FALSE(std::filesystem::exists(order().target));
  EXPECT_TRUE(live.run("INSERT INTO t VALUES(1)"));
}

TEST_F(SnapshotOfADatabase, NeedsASourceThatIsOne) {
  EXPECT_EQ(take_snapshot(order(), [] { return Result<>{}; }).error().code, Code::NotFound);
  std::ofstream{order().source} << std::string(8192, 'x');
  EXPECT_EQ(take_snapshot(order(), [] { return Result<>{}; }).error().code, Code::Corrupt);
}

}  // namespace
}  // namespace coffer::db
