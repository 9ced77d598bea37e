#include "scan/csv.h"

#include <gtest/gtest.h>

#include <random>

namespace coffer::scan {
namespace {

using Rows = std::vector<std::vector<std::string>>;

struct Read {
  Rows rows;
  std::vector<std::uint64_t> lines;
  CsvOddities oddities;
};

Read read(std::string_view text, std::size_t step = 1'000'000, char delimiter = ',') {
  Read out;
  CsvReader reader{delimiter, [&](const CsvRow& row) -> Result<> {
                     out.rows.push_back(row.fields);
                     out.lines.push_back(row.line);
                     return {};
                   }};
  for (std::size_t i = 0; i < text.size(); i += step)
    EXPECT_TRUE(reader.feed(text.substr(i, step)));
  EXPECT_TRUE(reader.finish());
  out.oddities = reader.oddities();
  return out;
}

TEST(Csv, ReadsRfc4180WhateverThePiecesAre) {
  const std::string text = "a,b,c\r\n1,\"two, \"\"2\"\"\",\r\n\"line\nbreak\",x,\"\"\r\nlast,,row";
  const Rows wanted{
      {"a", "b", "c"}, {"1", "two, \"2\"", ""}, {"line\nbreak", "x", ""}, {"last", "", "row"}};
  for (std::size_t step = 1; step < text.size(); ++step) {
    const Read got = read(text, step);
    EXPECT_EQ(got.rows, wanted) << step;
    EXPECT_EQ(got.lines, (std::vector<std::uint64_t>{1, 2, 3, 5}));
    EXPECT_TRUE(got.oddities.crlf);
    EXPECT_EQ(got.oddities.stray_quotes, 0U);
  }
}

TEST(Csv, SaysWhereItHadToBeLenient) {
  EXPECT_EQ(read("\xef\xbb\xbf"
                 "a,b\n")
                .rows,
            (Rows{{"a", "b"}}));
  EXPECT_TRUE(read("\xef\xbb\xbf"
                   "a,b\n")
                  .oddities.byte_order_mark);
  EXPECT_EQ(read("\xef\xbb\xbf"
                 "\"a\",b\n")
                .rows,
            (Rows{{"a", "b"}}));
  EXPECT_EQ(read("a\n\n\nb\n").rows, (Rows{{"a"}, {"b"}}));
  EXPECT_EQ(read("a\n\n\nb\n").oddities.blank_lines, 2U);
  EXPECT_EQ(read("5\" pipe,x\n").rows, (Rows{{"5\" pipe", "x"}}));
  EXPECT_EQ(read("5\" pipe,x\n").oddities.stray_quotes, 1U);
  EXPECT_TRUE(read("\"open,x\n").oddities.unfinished_quote);
  EXPECT_EQ(read("\"\"\n").rows, (Rows{{""}}));  // a quoted blank is a row
  EXPECT_TRUE(read(std::string(kFieldMax + 10, 'x') + "\n").oddities.cut);
  EXPECT_FALSE(read("a,b\n").oddities.byte_order_mark);
}

TEST(Csv, WhatIsWrittenIsReadBack) {
  std::mt19937 random{2};
  constexpr std::string_view kAlphabet = "ab,\"\n\r; \t|\xc3\xa4";
  for (int round = 0; round < 200; ++round) {
    Rows rows;
    std::string text;
    for (int r = 0; r < 5; ++r) {
      rows.emplace_back();
      for (int c = 0; c < 3; ++c) {
        std::string field;
        for (std::size_t i = random() % 6; i > 0; --i)
          field += kAlphabet[random() % kAlphabet.size()];
        text += (c > 0 ? "," : "") + csv_field(field);
        rows.back().push_back(std::move(field));
      }
      text += "\n";
    }
    EXPECT_EQ(read(text, 1 + random() % 7).rows, rows) << text;
  }
}

TEST(Csv, FindsTheDelimiter) {
  EXPECT_EQ(find_delimiter("a;b;c\n1,5;2;3\n"), ';');
  EXPECT_EQ(find_delimiter("a\tb\n1\t2\n"), '\t');
  EXPECT_EQ(find_delimiter("a|b|c\n1|2|3\n"), '|');
  EXPECT_EQ(find_delimiter("a,b\n\"x;y;z\",2\n"), ',');
  EXPECT_EQ(find_delimiter("one column\n"), ',');
  EXPECT_EQ(find_delimiter(""), ',');
}

}  // namespace
}  // namespace coffer::scan
