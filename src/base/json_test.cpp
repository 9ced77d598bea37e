#include "base/json.h"

#include <gtest/gtest.h>

namespace coffer {
namespace {

std::string why_refused(std::string_view text) {
  const auto json = Json::parse(text);
  return json ? "accepted: " + json->canonical() : json.error().message;
}

TEST(Json, KeepsNumbersAsTheyCame) {
  const auto json = Json::parse(R"({"b":0.10,"a":[1,-2,1e300,18446744073709551616]})");
  ASSERT_TRUE(json);
  EXPECT_EQ(json->canonical(), R"({"a":[1,-2,1e300,18446744073709551616],"b":0.10})");
}

TEST(Json, RefusesARepeatedKey) {
  EXPECT_EQ(why_refused(R"({"a":1,"a":2})"), "a key stands twice");
  EXPECT_EQ(why_refused(R"({"a":{"a":1}})"), R"(accepted: {"a":{"a":1}})");
}

TEST(Json, RefusesWhatIsNoJson) {
  EXPECT_EQ(why_refused("{\"a\":1} x"), "no valid JSON at byte 8");
  EXPECT_EQ(why_refused("\"\xff\""), "not UTF-8");
  EXPECT_EQ(why_refused("{\"\xff\":1}"), "not UTF-8");
  EXPECT_EQ(why_refused("\xff"), "no valid JSON at byte 0");
  EXPECT_EQ(why_refused(std::string(10'000, '[')), "nested more than 64 deep");
  EXPECT_EQ(why_refused(""), "no valid JSON at byte 0");
  EXPECT_EQ(why_refused("[NaN]"), "no valid JSON at byte 1");
  for (const std::string lone : {R"("\udc00")", R"("\ud800")", R"("\ud800\u0041")"}) {
    EXPECT_FALSE(Json::parse(lone)) << "half a surrogate pair is no character: " << lone;
    EXPECT_FALSE(Json::parse("{" + lone + ":1}"));
  }
  EXPECT_EQ(Json::parse(R"("\ud83c\udf0a")")->canonical(), "\"\xf0\x9f\x8c\x8a\"");
  EXPECT_EQ(why_refused("[01]"), "no valid JSON at byte 2");
  EXPECT_EQ(Json::parse("[NaN,-Infinity]", JsonNumbers::AsPythonWrites)->canonical(),
            "[NaN,-Infinity]");
}

TEST(Json, SortsNamesByUtf16CodeUnits) {
  // U+1F30A has the surrogate d83c, which sorts before U+FB33.
  const auto json = Json::parse("{\"\xef\xac\xb3\":1,\"\xf0\x9f\x8c\x8a\":2,\"z\":3}");
  ASSERT_TRUE(json);
  EXPECT_EQ(json->canonical(), "{\"z\":3,\"\xf0\x9f\x8c\x8a\":2,\"\xef\xac\xb3\":1}");
}

TEST(StrictReader, NamesTheFirstDefect) {
  const auto read = [](std::string_view text) {
    const auto json = Json::parse(text);
    StrictReader in{*json, "limit"};
    (void)in.uint("bits");
    (void)in.text("name");
    const auto done = in.finish();
    return done ? "ok" : done.error().message;
  };
  EXPECT_EQ(read(R"({"bits":1,"name":"x"})"), "ok");
  EXPECT_EQ(read(R"({"bits":1})"), "limit: field 'name' is missing");
  EXPECT_EQ(read(R"({"bits":1.5,"name":"x"})"),
            "limit: field 'bits' must be an integer of at least 0");
  EXPECT_EQ(read(R"({"bits":1,"name":"x","more":0})"), "limit: field 'more' is unknown");
  EXPECT_EQ(read("[]"), "limit: must be an object");
}

}  // namespace
}  // namespace coffer
