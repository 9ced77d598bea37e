#include "program/declaration.h"

#include <gtest/gtest.h>

namespace coffer::program {
namespace {

TEST(Bits, AreTheCeilingOfTheLogarithm) {
  EXPECT_EQ(bits_for(1), 0U);
  EXPECT_EQ(bits_for(2), 1U);
  EXPECT_EQ(bits_for(3), 2U);
  EXPECT_EQ(bits_for(1024), 10U);
  EXPECT_EQ(bits_for(1025), 11U);
  EXPECT_EQ(bits_for(UINT64_MAX), 64U);
}

TEST(Drop, AStarStandsForAnyRun) {
  EXPECT_TRUE(drop_matches("*.num_batches_tracked", "bn.num_batches_tracked"));
  EXPECT_TRUE(drop_matches("*", ""));
  EXPECT_TRUE(drop_matches("a*b*c", "a-b-b-c"));
  EXPECT_TRUE(drop_matches("abc", "abc"));
  EXPECT_TRUE(drop_matches("a**", "a"));
  EXPECT_FALSE(drop_matches("*.num_batches_tracked", "num_batches_tracked"));
  EXPECT_FALSE(drop_matches("a*b*c", "a-c-b"));
  EXPECT_FALSE(drop_matches("abc", "abcd"));
  EXPECT_FALSE(drop_matches("a?c", "abc"));
  EXPECT_FALSE(drop_matches("", "a"));
  EXPECT_FALSE(drop_matches(std::string(100, '*') + "b", std::string(200, 'a')));
}

std::string read(std::string_view text) {
  const auto json = Json::parse(text);
  EXPECT_TRUE(json) << text;
  if (!json) return "no JSON";
  const auto outputs = parse_declaration(*json);
  return outputs ? declaration_json(*outputs).canonical() : outputs.error().message;
}

constexpr std::string_view kMetrics =
    R"([{"fields":{"a":{"clamp":false,"digits":1,"max":1,"min":"-0.5","optional":false}},)"
    R"("kind":"metrics","lane":"bounded","name":"m"}])";
constexpr std::string_view kTensors =
    R"([{"drop":["*.x"],"kind":"tensors","lane":"bounded","name":"w","tensors":{)"
    R"("a":{"dtype":"i8","scale":"0.01","shape":[2,3]},)"
    R"("b":{"dtype":"i32","max":5,"min":-5,"shape":[]}}}])";
constexpr std::string_view kTable =
    R"([{"columns":[{"key":true,"name":"z","optional":true,"values":["I","II"]},)"
    R"({"clamp":true,"digits":0,"key":false,"max":9,"min":0,"name":"a","optional":false}],)"
    R"("kind":"table","lane":"bounded","name":"t","rows_max":20}])";

TEST(DeclarationJson, TheCanonicalFormOfEachKindIsReadAndWrittenBack) {
  EXPECT_EQ(read(kMetrics), kMetrics);
  EXPECT_EQ(read(kTensors), kTensors);
  EXPECT_EQ(read(kTable), kTable);
  EXPECT_EQ(read("[]"), "[]");
}

std::string changed(std::string_view whole, std::string_view from, std::string_view to) {
  std::string text(whole);
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

struct Refusal {
  std::string_view whole;
  const char* from;
  const char* to;
  const char* says;
};

constexpr Refusal kRefusals[] = {
    {kMetrics, "\"-0.5\"", "-0.5", "canonical"},       // a decimal that is no text
    {kMetrics, "\"-0.5\"", "\"-0.50\"", "canonical"},  // not canonical
    {kMetrics, "\"-0.5\"", "\"-5e-1\"", "canonical"},
    {kMetrics, "\"max\":1", "\"max\":\"1\"", "max"},  // an integer that is a text
    {kMetrics, "\"max\":1", "\"max\":1.0", "max"},
    {kMetrics, "\"max\":1", "\"max\":1e0", "max"},
    {kMetrics, "\"clamp\":false,", "", "clamp"},  // every member is required
    {kMetrics, "\"digits\":1", "\"digits\":19", "18"},
    {kMetrics, "\"digits\":1", "\"digits\":0", "10^-0"},
    {kMetrics, "\"clamp\":false", "\"clamp\":0", "clamp"},
    {kMetrics, "\"kind\"", "\"extra\":1,\"kind\"", "extra"},  // none unknown
    {kMetrics, "\"digits\"", "\"extra\":1,\"digits\"", "extra"},
    {kMetrics, "\"lane\":\"bounded\",", "", "lane"},
    {kMetrics, "\"bounded\"", "\"proved\"", "only bounded"},
    {kMetrics, "\"metrics\"", "\"table\"", "rows_max"},
    {kMetrics, "\"name\":\"m\"", "\"name\":\"../m\"", "name"},
    {kMetrics, "\"a\":", "\"\":", "name"},
    {kTensors, ",\"scale\":\"0.01\"", "", "scale"},
    {kTensors, "\"0.01\"", "\"0\"", "scale"},
    {kTensors, "\"0.01\"", "-1", "scale"},
    {kTensors, "\"i8\"", "\"f32\"", "scale"},
    {kTensors, "[2,3]", "[2,-3]", "shape"},
    {kTensors, "[2,3]", "{}", "shape"},
    {kTensors, "\"max\":5", "\"max\":-6", "above max"},
    {kTensors, "\"max\":5", "\"max\":2147483648", "32 bits"},
    {kTensors, "\"drop\":[\"*.x\"],", "", "drop"},
    {kTensors, "*.x", "*", "leave out"},
    {kTable, "\"key\":true,", "", "key"},
    {kTable, "\"rows_max\":20", "\"rows_max\":100000001", "100000000"},
    {kTable, "\"I\",\"II\"", "\"I\",\"I\"", "twice"},
    {kTable, "\"I\",\"II\"", "", "values"},
    {kTable, "\"name\":\"a\"", "\"name\":\"z\"", "twice"},
};

TEST(DeclarationJson, WhatIsNotTheOneFormIsRefusedAndNamed) {
  for (const auto& refusal : kRefusals) {
    const std::string text = changed(refusal.whole, refusal.from, refusal.to);
    const std::string answer = read(text);
    EXPECT_FALSE(answer.starts_with("[")) << text;
    EXPECT_NE(answer.find(refusal.says), std::string::npos) << text << "\n" << answer;
  }
}

TEST(DeclarationJson, IntegersBeyondWhatJsonHoldsExactlyAreText) {
  EXPECT_EQ(decimal_json(Decimal::from_integer(9007199254740991)).canonical(), "9007199254740991");
  EXPECT_EQ(decimal_json(Decimal::from_integer(-9007199254740992)).canonical(),
            "\"-9007199254740992\"");
  EXPECT_TRUE(parse_decimal_json(Json{"9007199254740992"}));
  EXPECT_FALSE(parse_decimal_json(Json{std::int64_t{9007199254740992}}));
  EXPECT_FALSE(parse_decimal_json(Json{"9007199254740991"}));
}

Number unit() { return {.min = {}, .max = Decimal::from_integer(1), .digits = 0}; }

TEST(Outputs, FieldsAndTensorsAreSortedByBytesAndColumnsAreNot) {
  const auto outputs = check_outputs(
      {{.name = "m",
        .body =
            Metrics{.fields = {{"b", unit()}, {"B", unit()}, {"\xc3\xa9", unit()}, {"a", unit()}}}},
       {.name = "t",
        .body =
            Table{.rows_max = 1,
                  .columns = {{.name = "b", .domain = unit()}, {.name = "a", .domain = unit()}}}}});
  ASSERT_TRUE(outputs) << outputs.error().message;
  std::string order;
  for (const auto& field : std::get<Metrics>((*outputs)[0].body).fields) order += field.name;
  for (const auto& column : std::get<Table>((*outputs)[1].body).columns) order += column.name;
  EXPECT_EQ(order,
            "Bab\xc3\xa9"
            "ba");
}

TEST(Outputs, AreAtMostSixtyFour) {
  std::vector<Output> outputs;
  for (std::size_t i = 0; i < kOutputsMax; ++i) {
    outputs.push_back(
        {.name = "m" + std::to_string(i), .body = Metrics{.fields = {{"a", unit()}}}});
  }
  EXPECT_TRUE(check_outputs(outputs));
  outputs.push_back({.name = "one-more", .body = Metrics{.fields = {{"a", unit()}}}});
  EXPECT_FALSE(check_outputs(outputs));
}

TEST(Outputs, ADeclarationHasAtMostOneMebibyte) {
  const auto with_values = [](std::size_t count) {
    Choice choice;
    for (std::size_t i = 0; i < count; ++i) {
      choice.values.push_back(std::string(200, 'v') + std::to_string(i));
    }
    return check_outputs({{.name = "m", .body = Metrics{.fields = {{"a", choice}}}}});
  };
  EXPECT_TRUE(with_values(4900));
  EXPECT_FALSE(with_values(5200));
}

TEST(Outputs, TableLengthsFollowTheRows) {
  const Table table{.rows_max = 9,
                    .columns = {{.name = "a", .domain = unit()},
                                {.name = "b", .domain = Choice{{"x", "y", "z"}}}}};
  EXPECT_EQ(row_count_bits(table), 4U);
  EXPECT_EQ(row_bits(table), 3U);
  EXPECT_EQ(table_bits(table, 0), 4U);
  EXPECT_EQ(table_bits(table, 9), 31U);
}

}  // namespace
}  // namespace coffer::program
