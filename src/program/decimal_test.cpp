#include "program/decimal.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace coffer::program {
namespace {

Decimal of(std::string_view text) {
  auto value = Decimal::parse(text);
  EXPECT_TRUE(value) << text;
  return value ? *std::move(value) : Decimal{};
}

TEST(Decimal, ReadsTheNumbersOfJsonAndNoOthers) {
  for (const auto* good : {"0", "-0", "1", "-1.5", "0.001", "1e3", "1E+3", "25.0E-4", "-0e5"}) {
    EXPECT_TRUE(Decimal::parse(good)) << good;
  }
  for (const auto* bad : {"", "-", "+1", "01", "1.", ".5", "1e", "1e+", "NaN", "Infinity", "0x1",
                          "1 ", " 1", "1_0", "1,0", "--1"}) {
    EXPECT_FALSE(Decimal::parse(bad)) << bad;
  }
  EXPECT_TRUE(Decimal::parse(std::string(kDecimalTextMax, '1')));
  EXPECT_FALSE(Decimal::parse(std::string(kDecimalTextMax + 1, '1')));
}

TEST(Decimal, WritesOneCanonicalText) {
  EXPECT_EQ(of("-0.000").text(), "0");
  EXPECT_EQ(of("1.500e1").text(), "15");
  EXPECT_EQ(of("12e3").text(), "12000");
  EXPECT_EQ(of("-0.0050").text(), "-0.005");
  EXPECT_EQ(of("1.25").text(), "1.25");
  EXPECT_EQ(of("1e999999999").text(), "1e999999999");
}

TEST(Decimal, RoundsHalfToEven) {
  EXPECT_EQ(of("0.0005").fixed(3), "0.000");
  EXPECT_EQ(of("0.0015").fixed(3), "0.002");
  EXPECT_EQ(of("0.0025").fixed(3), "0.002");
  EXPECT_EQ(of("0.00250000000000000000001").fixed(3), "0.003");
  EXPECT_EQ(of("-0.0004").fixed(3), "0.000");
  EXPECT_EQ(of("-1.5").fixed(0), "-2");
  EXPECT_EQ(of("-2.5").fixed(0), "-2");
  EXPECT_EQ(of("0.5").fixed(0), "0");
  EXPECT_EQ(of("1.5").fixed(0), "2");
  EXPECT_EQ(of("9.9995").fixed(3), "10.000");
  EXPECT_EQ(of("0.05").fixed(0), "0");
  EXPECT_EQ(of("31").fixed(2), "31.00");
}

TEST(Decimal, HugeAndTinyExponentsAreComparedWithoutBeingWrittenOut) {
  const Decimal huge = of("1e999999999");
  const Decimal tiny = of("1e-999999999");
  EXPECT_GT(huge, of("1000000"));
  EXPECT_LT(-huge, of("-1000000"));
  EXPECT_GT(tiny, Decimal{});
  EXPECT_TRUE(tiny.rounded(18).is_zero());
  EXPECT_FALSE(huge.scaled(0));
  EXPECT_GT(of("1e99999999999999999999999999"), huge);
  EXPECT_EQ(huge.rounded(3), huge);
}

TEST(Decimal, ScaledIsTheIntegerOnTheGridOrNothing) {
  EXPECT_EQ(of("0.29").scaled(2), 29);
  EXPECT_EQ(of("-1.1").scaled(1), -11);
  EXPECT_FALSE(of("0.75").scaled(1));
  EXPECT_EQ(of("1e18").scaled(0), kScaledMax);
  EXPECT_FALSE(of("1000000000000000001").scaled(0));
  EXPECT_FALSE(of("1.1e18").scaled(0));
  EXPECT_EQ(of("1").scaled(18), kScaledMax);
}

TEST(Decimal, ADoubleIsTakenForWhatItIs) {
  EXPECT_EQ(Decimal::from_double(0.5)->text(), "0.5");
  EXPECT_EQ(Decimal::from_double(-0.0)->text(), "0");
  EXPECT_EQ(Decimal::from_double(0.1)->text(),
            "0.1000000000000000055511151231257827021181583404541015625");
  EXPECT_EQ(Decimal::from_double(5e-324)->text().size(), 1076U);
  EXPECT_FALSE(Decimal::from_double(INFINITY));
  EXPECT_FALSE(Decimal::from_double(NAN));
}

TEST(Decimal, QuotientsAreRoundedOnceAndTiesGoToEven) {
  EXPECT_EQ(rounded_quotient(of("0.125"), of("0.25")), 0);
  EXPECT_EQ(rounded_quotient(of("0.375"), of("0.25")), 2);
  EXPECT_EQ(rounded_quotient(of("-0.375"), of("0.25")), -2);
  EXPECT_EQ(rounded_quotient(of("0.005"), of("0.01")), 0);
  EXPECT_EQ(rounded_quotient(of("0.00500000000000000000000001"), of("0.01")), 1);
  EXPECT_EQ(rounded_quotient(of("1"), of("3")), 0);
  EXPECT_EQ(rounded_quotient(of("2"), of("3")), 1);
  EXPECT_EQ(rounded_quotient(of("1e-999999999"), of("0.01")), 0);
  EXPECT_FALSE(rounded_quotient(of("1e999999999"), of("0.01")));
  EXPECT_FALSE(rounded_quotient(of("1"), Decimal{}));
}

// The model: a 64-bit mantissa and a power of ten, worked in 128-bit integers.
__extension__ using Wide = __int128;

Wide power(unsigned digits) {
  Wide out = 1;
  for (unsigned i = 0; i < digits; ++i) out *= 10;
  return out;
}

TEST(DecimalProperty, RoundingAgreesWithIntegerArithmetic) {
  std::mt19937_64 random{20260301};
  for (int step = 0; step < 20'000; ++step) {
    const auto have = static_cast<unsigned>(random() % 13);
    const auto want = static_cast<unsigned>(random() % (have + 1));
    // Small remainders make ties common.
    auto mantissa = static_cast<std::int64_t>(random() % 2'000'000'000'000) - 1'000'000'000'000;
    const Wide unit = power(have - want);
    if (step % 3 == 0 && have > want)
      mantissa = static_cast<std::int64_t>(mantissa / unit * unit + unit / 2);
    Wide quotient = mantissa / unit;
    const Wide rest = mantissa % unit;
    const Wide twice = 2 * (rest < 0 ? -rest : rest);
    if (twice > unit || (twice == unit && quotient % 2 != 0)) quotient += mantissa < 0 ? -1 : 1;
    const Decimal value = Decimal::from_scaled(mantissa, have);
    ASSERT_EQ(value.rounded(want).scaled(want), static_cast<std::int64_t>(quotient))
        << "step " << step << ": " << value.text() << " to " << want;
    ASSERT_EQ(of(value.text()), value) << "step " << step;
    ASSERT_EQ(of(value.fixed(have)), value) << "step " << step;
  }
}

TEST(DecimalProperty, OrderAgreesWithIntegerArithmetic) {
  std::mt19937_64 random{7};
  for (int step = 0; step < 20'000; ++step) {
    const auto p = static_cast<unsigned>(random() % 9);
    const auto q = static_cast<unsigned>(random() % 9);
    const auto a = static_cast<std::int64_t>(random() % 20'001) - 10'000;
    const auto b = static_cast<std::int64_t>(random() % 20'001) - 10'000;
    const auto wanted = Wide{a} * power(q) <=> Wide{b} * power(p);
    const Decimal x = Decimal::from_scaled(a, p);
    const Decimal y = Decimal::from_scaled(b, q);
    ASSERT_EQ(x <=> y, wanted) << "step " << step << ": " << x.text() << " and " << y.text();
    ASSERT_EQ(x == y, std::is_eq(wanted)) << "step " << step;
  }
}

TEST(DecimalProperty, QuotientsAgreeWithIntegerArithmetic) {
  std::mt19937_64 random{11};
  for (int step = 0; step < 20'000; ++step) {
    const auto a = static_cast<std::int64_t>(random() % 2'000'001) - 1'000'000;
    const auto b = static_cast<std::int64_t>(random() % 4'000) + 1;
    std::int64_t wanted = a / b;
    const std::int64_t twice = 2 * std::abs(a % b);
    if (twice > b || (twice == b && wanted % 2 != 0)) wanted += a < 0 ? -1 : 1;
    const auto digits = static_cast<unsigned>(random() % 12);
    ASSERT_EQ(rounded_quotient(Decimal::from_scaled(a, digits), Decimal::from_scaled(b, digits)),
              wanted)
        << "step " << step << ": " << a << " / " << b;
  }
}

TEST(DecimalProperty, AnyTextIsReadOrRefusedAndWhatIsReadIsWrittenBack) {
  std::mt19937_64 random{3};
  constexpr std::string_view kCharacters = "0123456789.-+eE";
  std::size_t good = 0;
  for (int step = 0; step < 50'000; ++step) {
    std::string text;
    for (auto length = random() % 9; length > 0; --length) {
      text += kCharacters[random() % kCharacters.size()];
    }
    const auto value = Decimal::parse(text);
    if (!value) continue;
    ++good;
    ASSERT_EQ(of(value->text()), *value) << text;
    if (std::abs(std::strtod(text.c_str(), nullptr)) < 1e15) {
      ASSERT_DOUBLE_EQ(std::strtod(text.c_str(), nullptr),
                       std::strtod(value->text().c_str(), nullptr))
          << text;
    }
  }
  EXPECT_GT(good, 5000U);
}

}  // namespace
}  // namespace coffer::program
