#include "front/users.h"

#include <gtest/gtest.h>

#include "os/files.h"

namespace coffer::front {
namespace {

struct Tokens : testing::Test {
  TemporaryDirectory directory = TemporaryDirectory::make().value();
  SystemClock clock;
  std::unique_ptr<Site> site = open_site(directory.path(), clock).value();
  std::string token = first_operator(*site).value().value();

  std::string rule() { return authenticate(*site, token).error().rule; }
};

TEST_F(Tokens, SayTheSameAsOftenAsTheyAreAsked) {
  for (int i = 0; i < 3; ++i) {
    const auto caller = authenticate(*site, token);
    ASSERT_TRUE(caller) << caller.error().message;
    EXPECT_EQ(caller->user, "operator");
    EXPECT_EQ(authenticate(*site, token + "x").error().rule, "unauthenticated");
  }
  EXPECT_EQ(site->known_callers.by_token.size(), 1U);
}

TEST_F(Tokens, SayTheRolesOfThisMoment) {
  EXPECT_TRUE(authenticate(*site, token)->is("operator"));
  ASSERT_TRUE(site->db.run("UPDATE users SET roles = 'owner'"));
  EXPECT_FALSE(authenticate(*site, token)->is("operator"));
}

TEST_F(Tokens, EndWithTheUser) {
  ASSERT_TRUE(authenticate(*site, token));
  ASSERT_TRUE(site->db.run("UPDATE users SET removed = 1"));
  EXPECT_EQ(rule(), "unauthenticated");
}

TEST_F(Tokens, EndWhenTheyAreRenewed) {
  ASSERT_TRUE(authenticate(*site, token));
  const auto renewed = renew_first_operator(*site);
  ASSERT_TRUE(renewed && *renewed);
  EXPECT_EQ(rule(), "unauthenticated");
  EXPECT_TRUE(authenticate(*site, **renewed));
}

TEST_F(Tokens, TakeNoMoreMemoryThanTheyMay) {
  constexpr std::size_t kUsers = KnownCallers::kMax + 1;
  auto together = db::Transaction::begin(site->db).value();
  for (std::size_t i = 0; i < kUsers; ++i) {
    const auto hash = sha256(std::to_string(i));
    ASSERT_TRUE(site->db.run(
        "INSERT INTO users(name, roles, token_hash, created) VALUES(?, 'researcher', ?, 0)",
        {"u" + std::to_string(i), ByteVector{hash.bytes.begin(), hash.bytes.end()}}));
  }
  ASSERT_TRUE(together.commit());
  for (std::size_t i = 0; i < kUsers; ++i) {
    ASSERT_TRUE(authenticate(*site, std::to_string(i)));
    ASSERT_LE(site->known_callers.by_token.size(), KnownCallers::kMax);
  }
}

}  // namespace
}  // namespace coffer::front
