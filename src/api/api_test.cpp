#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include "api/contract.h"
#include "api/problems.h"
#include "api/rate_limit.h"
#include "api/routes.h"
#include "base/clock.h"

namespace coffer::api {
namespace {

Contract contract() { return Contract::parse(openapi_text()).value(); }

// ---- The document and the table of routes say the same
// --------------------------------------------

TEST(Contract, HasARouteForEachOperationAndAnOperationForEachRoute) {
  const auto document = contract();
  std::set<std::string> described;
  std::set<std::string> served;
  for (const auto& operation : document.operations()) {
    described.insert(operation.method + " " + operation.path + " " + operation.id);
  }
  for (const auto* route : all_routes()) {
    std::string path{route->pattern};
    if (const auto star = path.find("*}"); star != std::string::npos) path.erase(star, 1);
    served.insert(std::string(route->method) + " " + path + " " + std::string(route->operation));
  }
  EXPECT_EQ(described, served);
}

TEST(Contract, IsOpenWhereTheRouteAsksForNoToken) {
  const auto document = contract();
  for (const auto* route : all_routes()) {
    EXPECT_EQ(document.find(route->operation)->open, route->access != Access::Token)
        << route->operation;
  }
}

TEST(Contract, KnowsEveryErrorCodeThatIsSentAndNoOther) {
  const auto words = contract().error_codes();
  const auto known = known_codes();
  EXPECT_EQ(std::set<std::string>(words.begin(), words.end()),
            std::set<std::string>(known.begin(), known.end()));
}

// Every rule by which keeper or front refuses has a word for clients.
TEST(Problems, HaveACodeForEveryRuleOfTheSources) {
  const auto rules = known_rules();
  const std::set<std::string> known(rules.begin(), rules.end());
  const std::regex named{R"re((?:refuse\(\s*Code::\w+,\s*|\.as\(\s*)"([a-z_]+)")re"};
  for (const char* part : {"keeper", "front", "api"}) {
    for (const auto& entry :
         std::filesystem::directory_iterator(std::string(COFFER_SOURCES) + part)) {
      const std::string name = entry.path().filename().string();
      if (entry.path().extension() != ".cpp" || name.ends_with("_test.cpp")) continue;
      std::stringstream text;
      text << std::ifstream(entry.path()).rdbuf();
      const std::string source = text.str();
      for (std::sregex_iterator at{source.begin(), source.end(), named}, end; at != end; ++at) {
        EXPECT_TRUE(known.contains((*at)[1])) << name << " refuses with " << (*at)[1];
      }
    }
  }
}

TEST(Problems, KeepTheInsideOfADefectInside) {
  const Error defect{Code::Internal, "table users has no column", "select secret"};
  EXPECT_EQ(problem_json(defect).text_or("detail", ""), "a defect of the server; its log has more");
  const Error limit =
      Error{Code::InvalidArgument, "too much"}.as("too_large").at("length").above("64");
  const Json problem = problem_json(limit);
  EXPECT_EQ(problem.canonical(),
            R"({"code":"too_large","detail":"too much","field":"length","limit":"64",)"
            R"("status":413,"title":"Content Too Large","type":"urn:cofferdam:too_large"})");
}

// ---- Requests against the document
// -----------------------------------------------------------------

Result<> check(const std::string& operation, const std::string& body) {
  const auto document = contract();
  return document.check_body(*document.find(operation), Json::parse(body).value());
}

TEST(Contract, NamesTheUnknownFieldAndTheNearestKnownOne) {
  const auto refused = check("userAdd", R"({"name":"ada","roles":["owner"],"rolls":1})");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().rule, "unknown_field");
  EXPECT_NE(refused.error().message.find("rolls"), std::string::npos) << refused.error().message;
  EXPECT_NE(refused.error().message.find("roles"), std::string::npos) << refused.error().message;
  EXPECT_TRUE(check("userAdd", R"({"name":"ada","roles":["owner"]})"));
}

TEST(Contract, RefusesWhatIsMissingOfAnotherTypeOrNoneOfTheChoices) {
  for (const char* body :
       {R"({"name":"ada"})", R"({"name":1,"roles":["owner"]})", R"([])", R"(null)",
        R"({"name":"ada","roles":["king"]})", R"({"name":"","roles":["owner"]})"}) {
    const auto refused = check("userAdd", body);
    ASSERT_FALSE(refused) << body;
    EXPECT_EQ(refused.error().rule, "bad_request") << body;
  }
}

TEST(Contract, ReadsNumbersOfParametersExactly) {
  const auto document = contract();
  for (const auto& parameter : document.find("runs")->parameters) {
    if (parameter.name != "limit") continue;
    EXPECT_TRUE(document.check_parameter(parameter, "50"));
    for (const char* text : {"", "-1", "050", "5x", "1e3", "99999999999999999999"}) {
      EXPECT_FALSE(document.check_parameter(parameter, text)) << text;
    }
  }
}

TEST(Contract, IsNoneWithAWordThatNobodyChecks) {
  const auto broken = Contract::parse(
      R"({"paths":{},"components":{"schemas":{"A":{"type":"object","minProperties":1}}}})");
  ASSERT_FALSE(broken);
  EXPECT_EQ(broken.error().code, Code::Internal);
}

// ---- Paths
// ------------------------------------------------------------------------------------------

TEST(Routes, MatchWholeSegmentsAndARestAtTheEnd) {
  EXPECT_TRUE(match("/", {}));
  EXPECT_FALSE(match("/", {"v1"}));
  EXPECT_EQ(match("/v1/runs/{run}", {"v1", "runs", "run_a"})->at("run"), "run_a");
  EXPECT_FALSE(match("/v1/runs/{run}", {"v1", "runs"}));
  EXPECT_FALSE(match("/v1/runs/{run}", {"v1", "runs", "a", "b"}));
  EXPECT_EQ(
      match("/ledger/tile/{level}/{tile*}", {"ledger", "tile", "0", "x001", "067"})->at("tile"),
      "x001/067");
}

// ---- Failures of one address
// -------------------------------------------------------------------------

TEST(RateLimit, StopsAnAddressThatKeepsFailingAndLetsItComeBack) {
  ManualClock clock;
  RateLimit limit{clock, {.tokens = 3, .per_second = 0.5}};
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(limit.permits("a"));
    limit.failed("a");
  }
  EXPECT_FALSE(limit.permits("a"));
  EXPECT_TRUE(limit.permits("b")) << "another address";
  clock.advance(2s);
  EXPECT_TRUE(limit.permits("a"));
}

TEST(RateLimit, RemembersABoundedNumberOfAddresses) {
  ManualClock clock;
  RateLimit limit{clock};
  for (std::size_t i = 0; i < kAddressesMax + 100; ++i) limit.failed(std::to_string(i));
  EXPECT_LE(limit.addresses(), kAddressesMax);
}

}  // namespace
}  // namespace coffer::api
