#include "scan/decimal.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace coffer::scan {
namespace {

TEST(Decimal, CanonicalFormHasNoExponentAndNoIdleZeros) {
  const auto canonical = [](std::string_view text) {
    return canonical_decimal(text).value_or("none");
  };
  EXPECT_EQ(canonical("17.990"), "17.99");
  EXPECT_EQ(canonical("-0.0"), "0");
  EXPECT_EQ(canonical("+007"), "7");
  EXPECT_EQ(canonical(".5"), "0.5");
  EXPECT_EQ(canonical("5."), "5");
  EXPECT_EQ(canonical("1e-05"), "0.00001");
  EXPECT_EQ(canonical("1.25E3"), "1250");
  EXPECT_EQ(canonical("-12.5e-1"), "-1.25");
  for (const char* none :
       {"", "-", ".", "e5", "1e", "1e+", "1e-+5", "1.2.3", "0x10", "NaN", "inf", "1 ", "1e99999"}) {
    EXPECT_EQ(canonical(none), "none") << none;
  }
  EXPECT_EQ(canonical("1e41"), "none");
  EXPECT_TRUE(is_canonical_decimal("-0.5"));
  EXPECT_FALSE(is_canonical_decimal("0.50"));
}

TEST(Decimal, ComparesAsNumbersDo) {
  std::mt19937 random{1};
  std::vector<std::pair<double, std::string>> numbers;
  for (int i = 0; i < 60; ++i) {
    const double value = static_cast<double>(static_cast<int>(random() % 20001) - 10000) /
                         std::pow(10, random() % 5);
    numbers.emplace_back(value, *canonical_decimal(std::to_string(value)));
  }
  for (const auto& [a, text_a] : numbers) {
    for (const auto& [b, text_b] : numbers) {
      EXPECT_EQ(compare_decimal(text_a, text_b), a < b   ? -1
                                                 : a > b ? 1
                                                         : 0)
          << text_a << ' ' << text_b;
    }
  }
}

TEST(Decimal, FormsTellCodesFromQuantities) {
  EXPECT_EQ(number_form("42"), NumberForm::Integer);
  EXPECT_EQ(number_form("0"), NumberForm::Integer);
  EXPECT_EQ(number_form("0042"), NumberForm::Padded);
  EXPECT_EQ(number_form("4.2"), NumberForm::Decimal);
  EXPECT_FALSE(number_form("4,2"));
}

TEST(Decimal, DatesExistInTheCalendar) {
  EXPECT_TRUE(is_iso_date("2024-02-29"));
  EXPECT_FALSE(is_iso_date("2023-02-29"));
  EXPECT_FALSE(is_iso_date("2024-2-29"));
  EXPECT_FALSE(is_iso_date("0000-01-01"));
  EXPECT_FALSE(is_iso_date("2024-01-0x"));
}

}  // namespace
}  // namespace coffer::scan
