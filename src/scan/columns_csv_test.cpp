#include "scan/columns_csv.h"

#include <gtest/gtest.h>

namespace coffer::scan {
namespace {

Proposal sample() {
  File table{.path = "a, b.csv", .format = "csv", .rows = 569, .reason = "said \"so\""};
  table.columns = {
      {.name = "id", .kind = Kind::Identifier, .type = Type::Integer, .publish = Publish::No},
      {.name = "radius",
       .kind = Kind::Numeric,
       .type = Type::Decimal,
       .min = "6.981",
       .max = "28.11",
       .blanks = Blanks::Required,
       .reason = "numbers"},
      {.name = "stage", .kind = Kind::Other, .values = {"a|b", "c\\d", ""}}};
  File parquet{.path = "p.parquet", .format = "parquet"};
  File scan{.path = "s.dcm", .format = "dicom", .publish = Publish::No};
  scan.tags = {{"PatientName", Kind::Identifier, "is filled"}};
  return {.files = {table, parquet, scan}};
}

// The text with one piece exchanged, parsed.
Result<Proposal> edited(const std::string& from, const std::string& to) {
  std::string text = render_columns_csv(sample());
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  if (at != std::string::npos) text.replace(at, from.size(), to);
  return parse_columns_csv(text, sample());
}

TEST(ColumnsCsv, ReadsBackWhatItWrote) {
  const auto back = parse_columns_csv(render_columns_csv(sample()), sample());
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(*back, sample());
}

TEST(ColumnsCsv, AColumnMayBeNamedLikeATag) {
  Proposal proposal = sample();
  proposal.files[0].columns[1].name = "tag:radius";
  const auto back = parse_columns_csv(render_columns_csv(proposal), proposal);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(*back, proposal);
}

TEST(ColumnsCsv, ShowsFilesColumnsAndTags) {
  const std::string text = render_columns_csv(sample());
  EXPECT_TRUE(text.starts_with("file,column,kind,type,values,min,max,blanks,publish,reason\n"));
  EXPECT_NE(text.find("\"a, b.csv\",radius,numeric,decimal,,6.981,28.11,required,yes,numbers\n"),
            std::string::npos);
  EXPECT_NE(text.find("s.dcm,tag:PatientName,identifier,,,,,,no,is filled\n"), std::string::npos);
}

TEST(ColumnsCsv, TakesTheStewardsEdits) {
  const auto kind = edited("radius,numeric", "radius,sensitive");
  ASSERT_TRUE(kind);
  EXPECT_EQ(kind->files[0].columns[1].kind, Kind::Sensitive);
  EXPECT_EQ(edited(",6.981,", ",5.50,")->files[0].columns[1].min, "5.5");
  EXPECT_EQ(edited("28.11,required", "28.11,allowed")->files[0].columns[1].blanks, Blanks::Allowed);
  EXPECT_EQ(edited("required,yes", "required,no")->files[0].columns[1].publish, Publish::No);
  // A line that is gone is not published.
  const auto gone =
      edited("\"a, b.csv\",radius,numeric,decimal,,6.981,28.11,required,yes,numbers\n", "");
  ASSERT_TRUE(gone);
  EXPECT_EQ(gone->files[0].columns[1].publish, Publish::No);
  EXPECT_EQ(gone->files[0].columns[2].publish, Publish::Yes);
}

TEST(ColumnsCsv, AColumnCanBeAddedOnlyWhereColumnsWereNotRead) {
  const std::string parquet = "p.parquet,,file";
  const auto added =
      edited(parquet, "p.parquet,age,quasi_identifier,integer,,0,120,allowed,yes,\n" + parquet);
  ASSERT_TRUE(added) << added.error().message;
  ASSERT_EQ(added->files[1].columns.size(), 1U);
  EXPECT_EQ(added->files[1].columns[0].max, "120");
  EXPECT_FALSE(edited(parquet, "\"a, b.csv\",age,numeric,integer,,0,1,allowed,yes,\n" + parquet));
}

TEST(ColumnsCsv, ErrorsNameLineAndField) {
  const auto problem = [](const std::string& from, const std::string& to) {
    const auto parsed = edited(from, to);
    return parsed ? std::string("accepted") : parsed.error().message;
  };
  EXPECT_EQ(problem("radius,numeric", "radius,nummeric"),
            "columns.csv line 4, kind: 'nummeric' is no kind: did you mean numeric?");
  EXPECT_EQ(problem("numeric,decimal", "numeric,real").substr(0, 25), "columns.csv line 4, type:");
  EXPECT_EQ(problem(",6.981,", ",69,"), "columns.csv line 4, min: is above max");
  EXPECT_EQ(problem(",6.981,", ",six,"),
            "columns.csv line 4, min: must be canonical decimal text, or a date");
  EXPECT_EQ(problem("required,yes", "required,maybe"),
            "columns.csv line 4, publish: must be yes or no");
  EXPECT_EQ(problem("required,yes", "never,yes"),
            "columns.csv line 4, blanks: must be allowed or required");
  EXPECT_EQ(problem("radius", "radios"), "columns.csv line 4, column: is none of this file");
  EXPECT_EQ(problem("s.dcm,tag", "t.dcm,tag"), "columns.csv line 8, file: is none of the dataset");
  EXPECT_EQ(problem(",no,is filled", ",yes,is filled").substr(0, 28),
            "columns.csv line 8, publish:");
  EXPECT_EQ(problem("c\\\\d", "c\\d").substr(0, 26), "columns.csv line 5, values");
  EXPECT_EQ(problem("file,column", "file;column").substr(0, 18), "columns.csv line 1");
  EXPECT_EQ(problem("required,yes", "yes"), "columns.csv line 4, fields: 9 instead of 10");
  EXPECT_FALSE(parse_columns_csv("", sample()));
}

TEST(ColumnsCsv, SemicolonsOfASpreadsheetAreTaken) {
  const Proposal one{.files = {File{.path = "t", .format = "csv"}}};
  EXPECT_TRUE(
      parse_columns_csv("\xef\xbb\xbf"
                        "file;column;kind;type;values;min;max;blanks;publish;reason\r\n"
                        "t;;file;csv;;;;;no;\r\n",
                        one));
}

}  // namespace
}  // namespace coffer::scan
