#include "cli/session.h"

#include "cli/problem.h"
#include "cli/testing.h"

namespace coffer::cli {
namespace {

const std::vector<std::string> kIds{"run_abcdefghijklmnop", "run_abczzzzzzzzzzzzz",
                                    "run_qrstuvwxyz234567"};

TEST(Ids, MatchAUniquePrefixWithOrWithoutTheNoun) {
  EXPECT_EQ(*match_id(kRunNoun, "run_q", kIds), kIds[2]);
  EXPECT_EQ(*match_id(kRunNoun, "abcd", kIds), kIds[0]);
}

TEST(Ids, ThatCouldBeSeveralAreNamed) {
  const auto several = match_id(kRunNoun, "abc", kIds);
  ASSERT_FALSE(several.has_value());
  EXPECT_NE(several.error().message.find(kIds[1]), std::string::npos);
  EXPECT_EQ(problem_of(several.error()).code, "ambiguous");
  const auto none = match_id(kRunNoun, "b", kIds);
  ASSERT_FALSE(none.has_value());
  EXPECT_EQ(problem_of(none.error()).code, "run_unknown");
}

TEST(Ids, AreWholeWithSixteenCharacters) {
  EXPECT_TRUE(is_whole_id("run_", kIds[0]));
  EXPECT_FALSE(is_whole_id("run_", "run_abc"));
  EXPECT_FALSE(is_whole_id("run_", "grant_abcdefghijklmn"));
  EXPECT_FALSE(is_whole_id("run_", "run_ABCDEFGHIJKLMNOP"));
}

TEST(Ids, OfAnOutputAreSplitAtTheFirstSlash) {
  EXPECT_EQ(split_run_output("run_a/weights").output, "weights");
  EXPECT_EQ(split_run_output("@last").run, "@last");
  EXPECT_EQ(split_run_output("@last").output, "");
}

TEST(Lists, AreJoinedAndSplitWithoutRepeats) {
  EXPECT_EQ(split_list({"a,b", "b", " c "}), (std::vector<std::string>{"a", "b", "c"}));
}

TEST(Server, TargetsAreEncoded) {
  EXPECT_EQ(target({"v1", "environments", "py@sha256:ab"}), "/v1/environments/py%40sha256%3Aab");
  EXPECT_EQ(query({{"q", "a b"}, {"none", ""}, {"kind", "run"}}), "?q=a%20b&kind=run");
  EXPECT_EQ(query({}), "");
}

}  // namespace
}  // namespace coffer::cli
