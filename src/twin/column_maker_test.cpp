#include "twin/detail/column_maker.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "scan/decimal.h"

namespace coffer::twin {
namespace {

using scan::Blanks;
using scan::Kind;
using scan::Type;

std::vector<std::string> make_values(const scan::Column& column, std::uint64_t rows = 500,
                                     std::uint64_t seed = 1) {
  auto maker = ColumnMaker::create(column, {seed, rows});
  EXPECT_TRUE(maker);
  std::vector<std::string> out;
  for (std::uint64_t row = 0; row < rows; ++row) out.push_back(maker->value(row));
  return out;
}

bool holds(const std::vector<std::string>& values, const std::string& value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

TEST(ColumnMaker, NumbersLieInTheirRangeAndShowItsEnds) {
  struct Case {
    Type type;
    const char *min, *max, *shown_min, *shown_max;
  };
  for (const auto& one :
       {Case{Type::Decimal, "6.981", "28.11", "6.981", "28.11"},
        Case{Type::Decimal, "0", "1", "0.0", "1.0"},
        Case{Type::Decimal, "-0.00051", "-0.0005", "-0.00051", "-0.0005"},
        Case{Type::Integer, "-5", "7", "-5", "7"}, Case{Type::Integer, "0.5", "2.5", "1", "2"},
        Case{Type::Integer, "3", "3", "3", "3"},
        Case{Type::Decimal, "0.0000000000000000000001", "0.5", "0.0000000000000000000001", "0.5"},
        Case{Type::Decimal, "123456789012345678901", "123456789012345678902",
             "123456789012345678901.0", "123456789012345678902.0"}}) {
    const auto values = make_values({.name = "x",
                                     .kind = Kind::Numeric,
                                     .type = one.type,
                                     .min = one.min,
                                     .max = one.max,
                                     .blanks = Blanks::Required});
    EXPECT_TRUE(holds(values, one.shown_min)) << one.min;
    EXPECT_TRUE(holds(values, one.shown_max)) << one.max;
    for (const auto& value : values) {
      const auto canonical = scan::canonical_decimal(value);
      ASSERT_TRUE(canonical) << value;
      EXPECT_GE(scan::compare_decimal(*canonical, one.min), 0) << value;
      EXPECT_LE(scan::compare_decimal(*canonical, one.max), 0) << value;
    }
  }
}

TEST(ColumnMaker, EveryPublishedValueAndABlankAreShown) {
  const scan::Column column{.name = "stage", .values = {"I", "II", "III"}};
  const auto values = make_values(column, 4);
  EXPECT_EQ((std::set<std::string>{values.begin(), values.end()}),
            (std::set<std::string>{"", "I", "II", "III"}));
  const auto many = make_values(column, 1000);
  const auto blanks = std::count(many.begin(), many.end(), "");
  EXPECT_GT(blanks, 20);
  EXPECT_LT(blanks, 200);
  scan::Column required = column;
  required.blanks = Blanks::Required;
  EXPECT_FALSE(holds(make_values(required, 1000), ""));
}

TEST(ColumnMaker, ExtremesComeBeforeBlanksWhenRowsAreFew) {
  const scan::Column column{.name = "x", .type = Type::Integer, .min = "1", .max = "9"};
  EXPECT_EQ(make_values(column, 1), std::vector<std::string>{"1"});
  const auto two = make_values(column, 2);
  EXPECT_TRUE(holds(two, "1") && holds(two, "9"));
  EXPECT_TRUE(make_values(column, 0).empty());
}

TEST(ColumnMaker, DatesAndFillersHaveTheirForm) {
  const auto dates = make_values({.name = "d",
                                  .kind = Kind::Date,
                                  .type = Type::Date,
                                  .min = "2020-02-27",
                                  .max = "2020-03-01",
                                  .blanks = Blanks::Required});
  EXPECT_EQ((std::set<std::string>{dates.begin(), dates.end()}),
            (std::set<std::string>{"2020-02-27", "2020-02-28", "2020-02-29", "2020-03-01"}));
  const auto ids = make_values(
      {.name = "id", .kind = Kind::Identifier, .type = Type::Integer, .blanks = Blanks::Required});
  EXPECT_EQ((std::set<std::string>{ids.begin(), ids.end()}).size(), ids.size());
  const auto codes =
      make_values({.name = "id", .kind = Kind::Identifier, .blanks = Blanks::Required});
  EXPECT_EQ((std::set<std::string>{codes.begin(), codes.end()}).size(), codes.size());
  for (const auto& value :
       make_values({.name = "b", .type = Type::Boolean, .blanks = Blanks::Required})) {
    EXPECT_TRUE(value == "true" || value == "false");
  }
}

TEST(ColumnMaker, IsDeterministicBySeedAndName) {
  const scan::Column column{.name = "x", .type = Type::Decimal, .min = "0", .max = "1"};
  scan::Column other = column;
  other.name = "y";
  EXPECT_EQ(make_values(column), make_values(column));
  EXPECT_NE(make_values(column), make_values(column, 500, 2));
  EXPECT_NE(make_values(column), make_values(other));
}

TEST(ColumnMaker, RefusesARangeWithoutAWholeNumber) {
  const scan::Column column{.name = "x", .type = Type::Integer, .min = "0.2", .max = "0.8"};
  EXPECT_FALSE(ColumnMaker::create(column, {1, 10}));
}

}  // namespace
}  // namespace coffer::twin
