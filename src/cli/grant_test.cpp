#include "cli/grant.h"

#include <gtest/gtest.h>

#include "cli/data.h"
#include "cli/problem.h"

namespace coffer::cli {
namespace {

const UnixTime kNow = *parse_time("2026-03-01T09:30:00Z");

GrantGiveOptions story() {
  GrantGiveOptions options;
  options.dataset = "clinic/tumours@v1";
  options.to = {"ada"};
  options.purpose = "stage prediction";
  options.lanes = {"bounded"};
  options.bits = "64k";
  options.runs = "20";
  options.until = "2027-01-31";
  options.auto_bits = "256";
  options.approvers = {"rex"};
  return options;
}

Json card() {
  return *Json::parse(R"({"files":[{"path":"t.csv","format":"csv","rows":569,"columns":[
    {"name":"diagnosis","kind":"sensitive","type":"text","values":["B","M"],"min":"","max":"",
     "blanks":false}]}]})");
}

TEST(Sentence, IsTheOneOfTheStory) {
  grant::Grant grant = *grant_terms(story(), Json{}, kNow);
  grant.manifest = sha256("v1");
  grant.approvals_needed = 1;
  EXPECT_EQ(grant_sentence(grant, {"clinic/tumours@v1", {"ada"}, {"rex"}}, card()),
            "ada may run any program on clinic/tumours@v1 until 2027-01-31, 20 runs, at most "
            "64,000 bits ever: enough to state `diagnosis` for all 569 persons. Above 256 bits a "
            "run, rex must approve.");
}

TEST(Sentence, SaysForHowManyWhenNotForAll) {
  auto options = story();
  options.bits = "100";
  grant::Grant grant = *grant_terms(options, Json{}, kNow);
  grant.approvals_needed = 1;
  const std::string text = grant_sentence(grant, {"clinic/tumours", {"ada"}, {"rex"}}, card());
  EXPECT_NE(text.find("for up to 100 persons"), std::string::npos) << text;
  EXPECT_NE(text.find("(every version)"), std::string::npos) << text;
}

TEST(Sentence, SaysWhoApproves) {
  auto options = story();
  options.auto_bits = "";
  grant::Grant grant = *grant_terms(options, Json{}, kNow);
  grant.approvals_needed = 2;
  const GrantNames names{"a/b", {"ada", "bob"}, {"rex", "olga", "stew"}};
  const std::string text = grant_sentence(grant, names, Json{});
  EXPECT_NE(text.find("ada and bob may run"), std::string::npos) << text;
  EXPECT_NE(text.find("Nothing goes out by itself: 2 of rex, olga and stew must approve."),
            std::string::npos)
      << text;
  grant.approvals_needed = 0;
  EXPECT_NE(grant_sentence(grant, names, Json{}).find("nothing ever goes out"), std::string::npos);
}

TEST(GrantTerms, HaveTheDefaultsOfTheManual) {
  const grant::Grant grant = *grant_terms(story(), Json{}, kNow);
  EXPECT_FALSE(grant.programs.has_value()) << "any";
  EXPECT_EQ(grant.output_kinds.size(), 3U);
  EXPECT_EQ(grant.budgets.cpu_ms, 3'600'000U);
  EXPECT_EQ(grant.budgets.epsilon_milli, 0U);
  EXPECT_EQ(grant.auto_total, 20U * 256U);
  EXPECT_EQ(render_time(grant.until), "2027-02-01T00:00:00Z");
}

TEST(GrantTerms, NameEveryFlagThatIsMissing) {
  struct Case {
    const char* needs;
    void (*leave_out)(GrantGiveOptions&);
  };
  for (const Case& one :
       {Case{"--to USER", [](GrantGiveOptions& o) { o.to.clear(); }},
        Case{"--purpose TEXT", [](GrantGiveOptions& o) { o.purpose.clear(); }},
        Case{"--lane bounded", [](GrantGiveOptions& o) { o.lanes.clear(); }},
        Case{"--bits N", [](GrantGiveOptions& o) { o.bits.clear(); }},
        Case{"--runs N", [](GrantGiveOptions& o) { o.runs.clear(); }},
        Case{"--until DATE", [](GrantGiveOptions& o) { o.until.clear(); }},
        Case{"--to USER, --purpose TEXT, --lane bounded, --bits N, --runs N and --until DATE",
             [](GrantGiveOptions& o) {
               o = GrantGiveOptions{};
               o.dataset = "clinic/tumours";
             }}}) {
    auto options = story();
    EXPECT_TRUE(grant_terms(options, Json{}, kNow).has_value());
    one.leave_out(options);
    const auto terms = grant_terms(options, Json{}, kNow);
    ASSERT_FALSE(terms.has_value()) << one.needs;
    EXPECT_EQ(terms.error().message, std::string("a grant needs ") + one.needs);
    EXPECT_EQ(problem_of(terms.error()).exit, 2);
  }
}

TEST(GrantTerms, HaveBudgetsAboveNought) {
  auto options = story();
  options.runs = "0";
  const auto terms = grant_terms(options, Json{}, kNow);
  ASSERT_FALSE(terms.has_value());
  EXPECT_EQ(terms.error().message, "--runs: must be at least 1");
}

TEST(GrantTerms, ComeFromTheRequestWhereNoOptionSaysOtherwise) {
  const Json request = *Json::parse(
      R"({"id":"req_a","user":"ada","purpose":"study","lanes":["bounded"],"bits":820,"runs":20,
          "cpu_ms":24000000,"program":null,"environment":null,"parameters":{}})");
  GrantGiveOptions options;
  options.dataset = "clinic/tumours";
  options.until = "2027-01-31";
  options.bits = "500";
  const grant::Grant grant = *grant_terms(options, request, kNow);
  EXPECT_EQ(grant.purpose, "study");
  EXPECT_EQ(grant.budgets.bits, 500U);
  EXPECT_EQ(grant.budgets.runs, 20U);
  EXPECT_EQ(grant.budgets.cpu_ms, 24'000'000U);
}

TEST(GrantTerms, PinAProgramWithEnvironmentAndParametersOfTheRequest) {
  const std::string program = sha256("p").text(), environment = sha256("e").text();
  Json request = Json::object({{"program", program},
                               {"environment", environment},
                               {"parameters", Json::object({{"folds", 5}})}});
  auto options = story();
  options.program = program;
  const auto grant = grant_terms(options, request, kNow);
  ASSERT_TRUE(grant.has_value()) << grant.error().message;
  ASSERT_TRUE(grant->programs.has_value());
  EXPECT_EQ((*grant->programs)[0].environment.text(), environment);
  EXPECT_EQ((*grant->programs)[0].parameters.at("folds"), std::vector<Json>{Json{5}});
  options.program = sha256("q").text();
  EXPECT_FALSE(grant_terms(options, request, kNow).has_value());
}

TEST(GrantTerms, RefuseADateThatIsOver) {
  auto options = story();
  options.until = "2026-02-28";
  EXPECT_FALSE(grant_terms(options, Json{}, kNow).has_value());
  options.until = "2026-03-01";
  EXPECT_TRUE(grant_terms(options, Json{}, kNow).has_value()) << "it ends at 24:00Z";
}

TEST(Numbers, OfHoursAndEpsilon) {
  EXPECT_EQ(*parse_cpu_hours("1"), 3'600'000U);
  EXPECT_EQ(*parse_cpu_hours("0.5"), 1'800'000U);
  EXPECT_FALSE(parse_cpu_hours("-1").has_value());
  EXPECT_EQ(*parse_epsilon("1.5"), 1500U);
  EXPECT_EQ(*parse_epsilon(""), 0U);
  EXPECT_FALSE(parse_epsilon("x").has_value());
}

TEST(Names, AreListedInWords) {
  EXPECT_EQ(listed({"a"}), "a");
  EXPECT_EQ(listed({"a", "b"}), "a and b");
  EXPECT_EQ(listed({"a", "b", "c"}), "a, b and c");
}

}  // namespace
}  // namespace coffer::cli
