#include "cli/problem.h"

#include <gtest/gtest.h>

namespace coffer::cli {
namespace {

TEST(Problem, SurvivesTheWayThroughAnError) {
  const Problem problem{.code = "limit_exceeded",
                        .text = "grants would sum above the limit",
                        .field = "bits",
                        .limit = "64000",
                        .next = "coffer data limit a/b --bits N",
                        .exit = kExitRefused};
  EXPECT_EQ(problem_of(error_of(problem)), problem);
}

TEST(Problem, IsOneLineWithFieldLimitCodeAndNextCommand) {
  EXPECT_EQ(render_problem({.code = "limit_exceeded",
                            .text = "grants would sum above the limit",
                            .field = "bits",
                            .limit = "64000",
                            .next = "coffer data show a/b"}),
            "field 'bits': grants would sum above the limit (limit 64000) [limit_exceeded]; try: "
            "coffer data show a/b");
  EXPECT_EQ(render_problem({.code = "not_found", .text = "no such run"}),
            "no such run [not_found]");
}

TEST(Problem, DoesNotSayTwiceWhatTheTextNames) {
  EXPECT_EQ(render_problem(
                {.code = "c", .text = "field 'bits' is above 10", .field = "bits", .limit = "10"}),
            "field 'bits' is above 10 [c]");
}

TEST(Problem, OfAPlainErrorHasTheCodeOfItsKind) {
  const Problem problem = problem_of(Error{Code::Corrupt, "entry 41: hash"});
  EXPECT_EQ(problem.code, "corrupt");
  EXPECT_EQ(problem.exit, kExitRefused);
}

TEST(Problem, TellsTheThreeFailuresApart) {
  EXPECT_EQ(problem_of(usage_error("x")).exit, 2);
  EXPECT_EQ(problem_of(unreachable("http://x", Error{Code::Unavailable, "refused"})).exit, 3);
  const auto silent = unreachable("http://x", Error{Code::Unavailable, "no"}.as("silent"));
  EXPECT_EQ(problem_of(silent).exit, 3);
  EXPECT_EQ(problem_of(silent).code, "silent");
  EXPECT_EQ(problem_of(answered(403, R"({"code":"denied","detail":"no"})")).exit, 1);
  EXPECT_EQ(problem_of(answered(503, R"({"code":"draining","detail":"later"})")).exit, 1);
}

TEST(Problem, ReadsWhatTheServerSent) {
  const Error error = answered(409, R"({"type":"urn:cofferdam:no_limit","title":"t","status":409,
    "detail":"clinic/tumours has no limit","code":"no_limit","next":"coffer data limit"})");
  EXPECT_EQ(error.code, Code::FailedPrecondition);
  EXPECT_EQ(render_problem(problem_of(error)),
            "clinic/tumours has no limit [no_limit]; try: coffer data limit");
}

TEST(Problem, MakesAServersTextFitForATerminal) {
  const Error error = answered(400, R"({"code":"bad_request","detail":"a\u001b[31m\nb"})");
  EXPECT_EQ(problem_of(error).text, "a?[31m?b");
  EXPECT_EQ(problem_of(answered(502, "<html>")).text, "the server answered 502");
}

TEST(Problem, AsJsonLeavesOutWhatIsNotThere) {
  EXPECT_EQ(problem_json({.code = "c", .text = "t"}).canonical(),
            R"({"error":{"code":"c","detail":"t"}})");
}

}  // namespace
}  // namespace coffer::cli
