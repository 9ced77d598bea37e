#include "front/notices.h"

#include <gtest/gtest.h>

#include "os/files.h"

namespace coffer::front {
namespace {

constexpr std::int64_t kDayMs = 24LL * 3600 * 1000;

struct NoticesTest : testing::Test {
  void SetUp() override {
    clock.set_unix_start(UnixTime{std::chrono::milliseconds{100 * kDayMs}});
    run("INSERT INTO datasets(id, name, public, owner, owner_key, created)"
        " VALUES('ds', 'clinic/x', 0, 'stew', '', 0)");
    start();
  }
  void run(const std::string& sql) { ASSERT_TRUE(site->db.run(sql)) << sql; }

  // As a server does that starts on this directory.
  void start(bool with_command = true) {
    site->on_notice = {};
    if (with_command) site->on_notice = [&](const Json& one) { told.push_back(one.canonical()); };
    notices.emplace(*site);
    EXPECT_TRUE(notices->follow());
  }
  std::vector<std::string> follow() {
    clock.advance(61s);
    const auto done = notices->follow();
    EXPECT_TRUE(done) << done.error().message;
    return std::exchange(told, {});
  }

  void request(const std::string& id) {
    run("INSERT INTO requests(id, user, dataset, body, created) VALUES('" + id +
        "', 'ada', 'ds', '{}', 0)");
  }
  void output(const std::string& run_id, const std::string& verdict) {
    run("INSERT OR IGNORE INTO runs(digest, id, user, envelope, name, state, submitted, deadline,"
        " quote, charged) VALUES('" +
        run_id + "', '" + run_id + "', 'ada', '', 'p', 'done', 0, 0, '', '')");
    run("INSERT INTO events(run, n, time, body) SELECT '" + run_id +
        "', COALESCE(MAX(n), 0) + 1, 0, '{\"output\":\"model\",\"verdict\":\"" + verdict +
        "\"}' FROM events");
  }
  void grant(const std::string& id, std::int64_t days, const std::string& revoked = "NULL") {
    run("INSERT INTO grants(digest, id, dataset, envelope, owner, created, until, revoked) "
        "VALUES('" +
        id + "', '" + id + "', 'ds', '', 'stew', " + std::to_string(100 * kDayMs) + ", " +
        std::to_string((100 + days) * kDayMs) + ", " + revoked + ")");
  }

  TemporaryDirectory directory = TemporaryDirectory::make().value();
  ManualClock clock;
  std::unique_ptr<Site> site = open_site(directory.path(), clock).value();
  std::optional<Notices> notices;
  std::vector<std::string> told;
};

using Lines = std::vector<std::string>;

TEST_F(NoticesTest, TellEachThingOnceInItsOrder) {
  request("req_a");
  output("run_a", "held");
  output("run_b", "refused");
  EXPECT_EQ(follow(), (Lines{R"({"dataset":"clinic/x","event":"request","request":"req_a"})",
                             R"({"event":"held","output":"model","run":"run_a"})",
                             R"({"event":"refused","output":"model","run":"run_b"})"}));
  EXPECT_EQ(follow(), Lines{});
  output("run_a", "released");
  EXPECT_EQ(follow(), (Lines{R"({"event":"released","output":"model","run":"run_a"})"}));
}

TEST_F(NoticesTest, TellAfterAStartWhatHappenedBefore) {
  request("req_a");
  EXPECT_EQ(follow().size(), 1U);
  output("run_a", "released");
  told.clear();
  start();
  EXPECT_EQ(told, (Lines{R"({"event":"released","output":"model","run":"run_a"})"}));
}

TEST_F(NoticesTest, SayNothingOfTheTimeWithoutACommand) {
  request("req_a");
  EXPECT_EQ(follow().size(), 1U);
  start(false);
  output("run_a", "released");
  EXPECT_TRUE(follow().empty());
  start();
  EXPECT_TRUE(told.empty());
  request("req_b");
  EXPECT_EQ(follow(), (Lines{R"({"dataset":"clinic/x","event":"request","request":"req_b"})"}));
}

TEST_F(NoticesTest, TellOfAGrantFourteenDaysBeforeItEnds) {
  grant("g_long", 30);
  grant("g_short", 3);
  grant("g_revoked", 3, "1");
  EXPECT_EQ(follow(),
            (Lines{R"({"dataset":"clinic/x","event":"grant_expiring","grant":"g_short"})"}));
  EXPECT_TRUE(follow().empty());
  clock.advance(std::chrono::hours{24 * 16});
  EXPECT_EQ(follow(),
            (Lines{R"({"dataset":"clinic/x","event":"grant_expiring","grant":"g_long"})"}));
  start();
  EXPECT_TRUE(follow().empty());
  clock.advance(std::chrono::hours{24 * 30});
  EXPECT_TRUE(follow().empty()) << "it has ended";
}

TEST_F(NoticesTest, TellNothingTwiceWhileNothingCanBeWritten) {
  run("ALTER TABLE noticed RENAME COLUMN value TO full");  // as a full disk: only the write fails
  run("ALTER TABLE noticed ADD COLUMN value INTEGER AS (full) VIRTUAL");
  request("req_a");
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(notices->follow());
  EXPECT_EQ(std::exchange(told, {}).size(), 1U);
  run("ALTER TABLE noticed DROP COLUMN value");
  run("ALTER TABLE noticed RENAME COLUMN full TO value");
  EXPECT_TRUE(follow().empty());
  start();
  EXPECT_TRUE(told.empty());
}

}  // namespace
}  // namespace coffer::front
