#include "scan/detail/classify.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

namespace coffer::scan {
namespace {

using Make = std::function<std::string(int)>;

Column column(const std::string& name, const Make& value, int rows = 200,
              Place place = Place::Inner) {
  ColumnStats stats;
  for (int i = 0; i < rows; ++i) stats.add(value(i));
  return classify(name, stats, place);
}

std::string pick(int i, std::initializer_list<const char*> values) {
  return *(values.begin() + i * 7919 % static_cast<int>(values.size()));
}

TEST(Classify, IdentifiersByFormNameOrUniqueness) {
  const auto kind = [](const std::string& name, const Make& value) {
    return column(name, value).kind;
  };
  EXPECT_EQ(kind("contact", [](int i) { return fmt::format("p{}@example.org", i % 9); }),
            Kind::Identifier);
  EXPECT_EQ(kind("patient_id", [](int i) { return fmt::format("{}", i % 9); }), Kind::Identifier);
  EXPECT_EQ(kind("code", [](int i) { return fmt::format("X{:05}", i * 37); }), Kind::Identifier);
  EXPECT_EQ(kind("n", [](int i) { return fmt::format("{}", i + 1); }), Kind::Identifier);
  EXPECT_EQ(kind("number", [](int i) { return fmt::format("{}", 842302 + i * 531); }),
            Kind::Identifier);
  const auto name_of = [](int i) {
    const int n = i % 120;
    return fmt::format("Ada {}{}ce", static_cast<char>('A' + n % 26),
                       static_cast<char>('a' + n / 26));
  };
  EXPECT_EQ(kind("owner", name_of), Kind::Identifier);
  EXPECT_EQ(kind("species",
                 [](int i) {
                   return pick(i, {"Homo Sapiens", "Mus Musculus"});
                 }),
            Kind::Other);
}

TEST(Classify, MeasuresAreNoIdentifiersThoughTheyDiffer) {
  const Column radius =
      column("mean radius", [](int i) { return fmt::format("{:.4f}", 6.981 + i * 0.1037); });
  EXPECT_EQ(radius.kind, Kind::Numeric);
  EXPECT_EQ(radius.type, Type::Decimal);
  EXPECT_EQ(radius.min, "6.981");
  EXPECT_EQ(radius.max, "27.6173");
  const Column cells = column("cells", [](int i) { return fmt::format("{}", 1000 + i * i); });
  EXPECT_EQ(cells.kind, Kind::Numeric);
  EXPECT_EQ(cells.max, "40601");
}

TEST(Classify, IdentifiersAndProseProposeNoValues) {
  const Column id = column("patient_id", [](int i) { return fmt::format("{}", i % 3); });
  EXPECT_TRUE(id.values.empty());
  EXPECT_EQ(id.min, "");
  const Column note = column("c7", [](int i) {
    return fmt::format("seen again in week {}, no change of the finding", i);
  });
  EXPECT_EQ(note.kind, Kind::FreeText);
  EXPECT_TRUE(note.values.empty());
}

TEST(Classify, QuasiIdentifiersAndSensitiveByName) {
  const Column age = column("age_at_visit", [](int i) { return fmt::format("{}", 30 + i % 50); });
  EXPECT_EQ(age.kind, Kind::QuasiIdentifier);
  EXPECT_EQ(age.min, "30");
  EXPECT_EQ(age.max, "79");
  const Column sex = column("Sex", [](int i) { return pick(i, {"m", "f"}); });
  EXPECT_EQ(sex.kind, Kind::QuasiIdentifier);
  EXPECT_EQ(sex.values, (std::vector<std::string>{"f", "m"}));
  EXPECT_EQ(column("zip", [](int i) { return fmt::format("{:05}", i % 60); }).type, Type::Text);
  EXPECT_EQ(column("religion",
                   [](int i) {
                     return pick(i, {"a", "b", "c"});
                   })
                .kind,
            Kind::Sensitive);
  EXPECT_EQ(
      column("birth_date", [](int i) { return fmt::format("19{:02}-01-02", i % 90 + 10); }).kind,
      Kind::QuasiIdentifier);
}

TEST(Classify, DiagnosisIsSensitiveWithItsValues) {
  const Column letters = column(
      "diagnosis",
      [](int i) {
        return pick(i, {"M", "B", "B"});
      },
      200, Place::Last);
  EXPECT_EQ(letters.kind, Kind::Sensitive);
  EXPECT_EQ(letters.values, (std::vector<std::string>{"B", "M"}));
  EXPECT_NE(letters.reason.find("label"), std::string::npos);
  const Column digits = column("diagnosis", [](int i) { return pick(i, {"0", "1"}); });
  EXPECT_EQ(digits.kind, Kind::Sensitive);
  EXPECT_EQ(digits.type, Type::Integer);
  EXPECT_EQ(digits.values, (std::vector<std::string>{"0", "1"}));
  EXPECT_EQ(digits.min, "");
}

TEST(Classify, LabelsByNameOrPlace) {
  EXPECT_EQ(column("target", [](int i) { return pick(i, {"0", "1", "2"}); }).kind, Kind::Label);
  const Make grade = [](int i) { return pick(i, {"10", "9"}); };
  EXPECT_EQ(column("g", grade, 200, Place::Last).kind, Kind::Label);
  EXPECT_EQ(column("g", grade, 200, Place::Last).values, (std::vector<std::string>{"9", "10"}));
  EXPECT_EQ(column("g", grade, 200, Place::Inner).kind, Kind::Numeric);
}

TEST(Classify, TypesAreThoseOfEveryFilledValue) {
  const auto type = [](const Make& value) { return column("x", value).type; };
  EXPECT_EQ(type([](int i) { return fmt::format("{}", i * 3 % 17); }), Type::Integer);
  EXPECT_EQ(type([](int i) { return i == 7 ? "0.5" : "3"; }), Type::Decimal);
  EXPECT_EQ(type([](int i) { return i == 7 ? "x" : "3"; }), Type::Text);
  EXPECT_EQ(type([](int i) { return pick(i, {"yes", "no"}); }), Type::Boolean);
  EXPECT_EQ(type([](int i) { return fmt::format("2024-01-{:02}", i % 28 + 1); }), Type::Date);
  EXPECT_EQ(type([](int i) { return pick(i, {"007", "8"}); }), Type::Text);
}

TEST(Classify, BlanksAreCountedAndAllowedOnlyWhereTheyWereSeen) {
  const Column some =
      column("x", [](int i) { return i % 10 == 0 ? "NA" : std::to_string(i * i % 31); });
  EXPECT_EQ(some.blanks, Blanks::Allowed);
  EXPECT_EQ(some.type, Type::Integer);
  EXPECT_NE(some.reason.find("20 blanks (some written NA)"), std::string::npos) << some.reason;
  EXPECT_EQ(column("x", [](int i) { return std::to_string(i * i % 31); }).blanks, Blanks::Required);
  EXPECT_EQ(column("x", [](int) { return ""; }).kind, Kind::Other);
}

TEST(Classify, ValuesAreListedOnlyWhereTheyRepeat) {
  EXPECT_EQ(column(
                "w", [](int i) { return fmt::format("v{}", i % 5); }, 10)
                .values.size(),
            5U);
  EXPECT_TRUE(column(
                  "w", [](int i) { return fmt::format("v{}", i % 6); }, 10)
                  .values.empty());
  const Column rare = column("w", [](int i) { return i == 0 ? "odd" : "even"; });
  EXPECT_NE(rare.reason.find("1 of the values stand in fewer than 5 rows"), std::string::npos);
}

TEST(Classify, DistinctCountsAreNearBeyondTheExactOnes) {
  for (const int wanted : {100, 3000, 100'000}) {
    DistinctCount count;
    for (int round = 0; round < 2; ++round) {
      for (int i = 0; i < wanted; ++i) count.add(std::to_string(i));
    }
    EXPECT_NEAR(static_cast<double>(count.estimate()), wanted, wanted * 0.06);
  }
}

TEST(Classify, PathsThatGiveSomethingAwayArePointedOut) {
  EXPECT_TRUE(look_at_path("scans/patient_17/head.dcm").hides);
  EXPECT_TRUE(look_at_path("export/ada@example.org.csv").hides);
  EXPECT_TRUE(look_at_path("mrn/88123456.dcm").hides);
  EXPECT_TRUE(look_at_path("Ada Lovelace/x.png").hides);
  const PathFinding dated = look_at_path("export-2024-01-05/table.csv");
  EXPECT_FALSE(dated.hides);
  EXPECT_NE(dated.reason.find("date"), std::string::npos);
  EXPECT_EQ(look_at_path("tumours/breast_cancer.csv").reason, "");
}

}  // namespace
}  // namespace coffer::scan
