#include "base/result.h"

#include <gtest/gtest.h>

namespace coffer {
namespace {

Result<int> half(int value) {
  if (value % 2 != 0) return Error{Code::InvalidArgument, "odd"};
  return value / 2;
}

Result<int> quarter(int value) {
  COFFER_TRY(const int once, half(value));
  return half(once);
}

TEST(Result, HoldsAValueOrTheErrorThatSaysWhyNot) {
  EXPECT_EQ(*quarter(8), 2);
  const auto refused = quarter(6);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::InvalidArgument);
  EXPECT_EQ(Error(refused.error()).in("quarter").message, "quarter: odd");
}

TEST(ResultDeathTest, ReadingTheAbsentSideAborts) {
  EXPECT_DEATH((void)half(1).value(), "value\\(\\) of an error");
}

}  // namespace
}  // namespace coffer
