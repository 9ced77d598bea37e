#include "program/report.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

namespace coffer::program {
namespace {

SourceIndex index_of_three_files() {
  Tree tree;
  tree.files = {{.path = "coffer.toml", .lines = 10},
                {.path = "empty.py", .lines = 0},
                {.path = "pkg/model.py", .lines = 5},
                {.path = "train.py", .lines = 40}};
  return SourceIndex{tree};
}

TEST(Report, TheListHasSixtyThreeDifferentNamesInOrder) {
  EXPECT_TRUE(std::is_sorted(kExceptionClasses.begin(), kExceptionClasses.end()));
  EXPECT_EQ(std::set(kExceptionClasses.begin(), kExceptionClasses.end()).size(), 63U);
  EXPECT_FALSE(kExceptionClasses[62].empty());
}

TEST(Report, EveryCodeIsAReport) {
  std::mt19937 random{5};
  for (int step = 0; step < 1000; ++step) {
    const auto code = static_cast<std::uint32_t>(random());
    EXPECT_EQ(FailureReport::decode(code).encode(), code);
  }
  EXPECT_EQ(FailureReport{}.encode(), 0xffffffffU);
}

TEST(SourceIndex, EachLineHasOneNumberAndNoOtherHasOne) {
  const SourceIndex index = index_of_three_files();
  EXPECT_EQ(index.find("coffer.toml", 1), 0U);
  EXPECT_EQ(index.find("coffer.toml", 10), 9U);
  EXPECT_EQ(index.find("coffer.toml", 11), kNoPlace);
  EXPECT_EQ(index.find("coffer.toml", 0), kNoPlace);
  EXPECT_EQ(index.find("empty.py", 1), kNoPlace);
  EXPECT_EQ(index.find("pkg/model.py", 1), 10U);
  EXPECT_EQ(index.find("train.py", 40), 54U);
  EXPECT_EQ(index.find("other.py", 1), kNoPlace);
  for (std::uint32_t place = 0; place < 55; ++place) {
    const auto found = index.at(place);
    ASSERT_TRUE(found) << place;
    EXPECT_EQ(index.find(found->path, found->line), place);
  }
  EXPECT_FALSE(index.at(55));
  EXPECT_FALSE(index.at(kNoPlace));
}

TEST(SourceIndex, IsReadAsItWasWrittenAndNotInAnotherOrder) {
  const SourceIndex index = index_of_three_files();
  WireWriter out;
  index.write(out);
  WireReader in{out.data()};
  const SourceIndex back = SourceIndex::read(in);
  EXPECT_TRUE(in.finish());
  EXPECT_EQ(back.find("train.py", 40), 54U);

  WireWriter unsorted;
  unsorted.u32(2).text("b").u64(1).text("a").u64(1);
  WireReader bad{unsorted.data()};
  (void)SourceIndex::read(bad);
  EXPECT_FALSE(bad.finish());
}

TEST(Report, ATracebackIsReadFromItsEnd) {
  const SourceIndex index = index_of_three_files();
  const auto report = report_of_traceback(R"(some output
Traceback (most recent call last):
  File "/program/pkg/model.py", line 1, in <module>
KeyError: 'x'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/program/train.py", line 31, in <module>
    fit()
  File "/program/pkg/model.py", line 4, in fit
    raise
  File "/usr/lib/python3/numpy/linalg.py", line 9, in solve
numpy.linalg.LinAlgError: Singular matrix
ValueError: a second line of the message
)",
                                          index);
  EXPECT_EQ(describe(report, index), "LinAlgError at pkg/model.py:4");
}

TEST(Report, OtherFormsOfTheLastWords) {
  const SourceIndex index = index_of_three_files();
  const auto said = [&index](std::string_view text) {
    return describe(report_of_traceback(text, index), index);
  };
  EXPECT_EQ(
      said("  File \"/program/train.py\", line 3\n    x = (\n        ^\nSyntaxError: never closed"),
      "SyntaxError at train.py:3");
  EXPECT_EQ(
      said("Traceback (most recent call last):\n  File \"train.py\", line 3, in f\nMemoryError\n"),
      "MemoryError at train.py:3");
  EXPECT_EQ(said("Traceback (most recent call last):\n  File \"/program/train.py\", line 3, in "
                 "f\nMine: no"),
            "an exception at train.py:3");
  EXPECT_EQ(
      said("Traceback (most recent call last):\n  File \"/lib/x.py\", line 3, in f\nKeyError: 1"),
      "KeyError");
  EXPECT_EQ(
      said("Traceback (most recent call last):\n  File \"/program/train.py\", line 99\nKeyError"),
      "KeyError");
  EXPECT_EQ(said("Segmentation fault"), "no known exception");
  EXPECT_EQ(said(""), "no known exception");
}

TEST(ReportProperty, AnyBytesAreReadToSomeReport) {
  const SourceIndex index = index_of_three_files();
  std::mt19937 random{9};
  constexpr std::string_view kPieces[] = {"Traceback (most recent call last):",
                                          "\n",
                                          "  File \"",
                                          "\n  File \"/program/train.py\", line 31\n",
                                          "/program/",
                                          "train.py",
                                          "\", line ",
                                          "31",
                                          ", in f",
                                          "KeyError",
                                          ":",
                                          "99999999999999999999",
                                          "\xff",
                                          "-1"};
  std::size_t placed = 0;
  for (int step = 0; step < 20'000; ++step) {
    std::string text;
    for (auto count = random() % 16; count > 0; --count)
      text += kPieces[random() % std::size(kPieces)];
    const auto report = report_of_traceback(text, index);
    ASSERT_LE(report.exception, kOtherException);
    ASSERT_TRUE(report.place == kNoPlace || index.at(report.place)) << text;
    if (report.place != kNoPlace) ++placed;
  }
  EXPECT_GT(placed, 0U);
}

}  // namespace
}  // namespace coffer::program
