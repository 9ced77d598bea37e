#include "gate/capacity.h"

#include <gtest/gtest.h>

namespace coffer::gate {
namespace {

Json card_of(const std::string& columns, int rows = 569) {
  auto json = Json::parse(R"({"files":[{"path":"x.csv","format":"csv","rows":)" +
                          std::to_string(rows) + ",\"columns\":[" + columns + "]}]}");
  EXPECT_TRUE(json);
  return *json;
}
const std::string kDiagnosis =
    R"({"name":"diagnosis","kind":"sensitive","type":"text","values":["B","M"],"min":"","max":"","blanks":false})";
const std::string kStage =
    R"({"name":"stage","kind":"sensitive","type":"text","values":["I","II","III","IV"],"min":"","max":"","blanks":false})";
const std::string kFlag =
    R"({"name":"flag","kind":"other","type":"boolean","values":[],"min":"","max":"","blanks":false})";
const std::string kAge =
    R"({"name":"age","kind":"sensitive","type":"integer","values":[],"min":"18","max":"81","blanks":false})";

TEST(Capacity, NamesTheCheapestSensitiveColumnFirst) {
  EXPECT_EQ(capacity_sentence(capacity_of(64000, card_of(kStage + "," + kDiagnosis + "," + kFlag))),
            "at most 64,000 bits: enough to state `diagnosis` for all 569 persons");
  EXPECT_EQ(capacity_sentence(capacity_of(256, card_of(kDiagnosis))),
            "at most 256 bits: enough to state `diagnosis` for up to 256 persons");
  EXPECT_EQ(capacity_sentence(capacity_of(31, card_of(kStage))),
            "at most 31 bits: enough to state `stage` for up to 15 persons");
  EXPECT_EQ(capacity_of(60, card_of(kAge)).persons, 10U);  // 64 ages, six bits each
  EXPECT_EQ(capacity_of(60, card_of(kFlag + "," + kAge)).column, "age");
  EXPECT_EQ(capacity_sentence(capacity_of(1, card_of(kDiagnosis))),
            "at most 1 bits: enough to state `diagnosis` for up to 1 person");
}

TEST(Capacity, CountsABlankAsAValue) {
  std::string blanks = kDiagnosis;
  blanks.replace(blanks.find("false"), 5, "true");
  EXPECT_EQ(capacity_of(100, card_of(blanks)).persons, 63U);  // log2(3) bits each
}

TEST(Capacity, FallsBackToOneBitAPerson) {
  EXPECT_EQ(capacity_sentence(capacity_of(40, Json{})),
            "at most 40 bits: enough to state one yes or no for up to 40 persons");
}

TEST(Capacity, SaysWhatCannotBeJudgedByReading) {
  EXPECT_EQ(rows_sentence(64000, 382, 569),
            "as an illustration, about 167 rows of 569 (29 percent) at 382 bits a row");
  EXPECT_EQ(rows_sentence(569ULL * 382, 382, 569).find("trusting"), std::string::npos);
  EXPECT_NE(
      rows_sentence(10'000'000, 382, 569)
          .find("this cannot be judged by reading: you are trusting the program and its author"),
      std::string::npos);
  EXPECT_EQ(rows_sentence(64000, 0, 569), "");
}

}  // namespace
}  // namespace coffer::gate
