#include "scan/scanner.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace coffer::scan {
namespace {

File scan_one(const std::string& path, std::string_view content, std::size_t step = 1'000'000) {
  Scanner scanner;
  scanner.begin(path);
  for (std::size_t i = 0; i < content.size(); i += step)
    scanner.bytes(bytes_of(content.substr(i, step)));
  scanner.end();
  Proposal proposal = std::move(scanner).take();
  EXPECT_EQ(proposal.files.size(), 1U);
  return proposal.files.at(0);
}

const std::vector<std::string> kFeatures{"mean radius",      "mean texture",
                                         "mean perimeter",   "mean area",
                                         "mean smoothness",  "mean compactness",
                                         "mean concavity",   "mean concave points",
                                         "mean symmetry",    "mean fractal dimension",
                                         "radius error",     "texture error",
                                         "perimeter error",  "area error",
                                         "smoothness error", "compactness error",
                                         "concavity error",  "concave points error",
                                         "symmetry error",   "fractal dimension error",
                                         "worst radius",     "worst texture",
                                         "worst perimeter",  "worst area",
                                         "worst smoothness", "worst compactness",
                                         "worst concavity",  "worst concave points",
                                         "worst symmetry",   "worst fractal dimension"};

// The shape of the Wisconsin breast cancer table: 569 rows, 30 measures, a diagnosis.
std::string tumours(bool as_letters) {
  std::mt19937 random{569};
  std::string out;
  for (const auto& name : kFeatures) out += name + ",";
  out += "diagnosis\n";
  for (int row = 0; row < 569; ++row) {
    const bool malignant = random() % 3 == 0;
    for (std::size_t i = 0; i < kFeatures.size(); ++i) {
      const double value = static_cast<double>(random() % 100'000) / (i % 10 == 3 ? 40.0 : 1e5);
      out += fmt::format("{:.4g},", value);
    }
    out += as_letters ? (malignant ? "M\n" : "B\n") : (malignant ? "0\n" : "1\n");
  }
  return out;
}

TEST(Scanner, BreastCancerTableGetsThirtyNumbersAndASensitiveDiagnosis) {
  for (const bool letters : {true, false}) {
    const File file = scan_one("tumours.csv", tumours(letters), 4099);
    EXPECT_EQ(file.format, "csv");
    EXPECT_EQ(file.rows, 569U);
    EXPECT_EQ(file.publish, Publish::Yes);
    ASSERT_EQ(file.columns.size(), 31U);
    for (std::size_t i = 0; i < 30; ++i) {
      const Column& column = file.columns[i];
      EXPECT_EQ(column.name, kFeatures[i]);
      EXPECT_EQ(column.kind, Kind::Numeric) << column.name << ": " << column.reason;
      EXPECT_EQ(column.type, Type::Decimal) << column.name;
      EXPECT_EQ(column.blanks, Blanks::Required);
      EXPECT_FALSE(column.min.empty());
    }
    EXPECT_EQ(file.columns[30].kind, Kind::Sensitive);
    EXPECT_EQ(file.columns[30].values.size(), 2U);
  }
}

TEST(Scanner, ResultDoesNotDependOnThePieces) {
  const std::string table = tumours(true).substr(0, 20'000);
  const File whole = scan_one("t.csv", table);
  for (const std::size_t step : {std::size_t{1}, std::size_t{13}, std::size_t{65'536}}) {
    EXPECT_EQ(scan_one("t.csv", table, step), whole);
  }
}

TEST(Scanner, ATableWithoutNamesIsNumbered) {
  const File file = scan_one("t.csv", "5.1,3.5,setosa\n4.9,3.0,setosa\n");
  EXPECT_EQ(file.rows, 2U);
  ASSERT_EQ(file.columns.size(), 3U);
  EXPECT_EQ(file.columns[0].name, "column_1");
  EXPECT_NE(file.reason.find("holds no names"), std::string::npos);
}

TEST(Scanner, OddTablesAreNotedNotRefused) {
  std::string text = "a;b\r\n";
  for (int i = 0; i < 20; ++i) text += "1;2\r\n";
  text += "1;2;3\r\n4\r\n\r\n\"x;\xe9";
  const File file = scan_one("t.csv", text);
  EXPECT_EQ(file.format, "ssv");
  EXPECT_EQ(file.rows, 23U);
  for (const char* wanted : {"3 rows have another number of fields", "CRLF", "1 blank lines",
                             "has no end", "not UTF-8"}) {
    EXPECT_NE(file.reason.find(wanted), std::string::npos) << wanted << " in " << file.reason;
  }
  const File empty = scan_one("t.csv", "");
  EXPECT_EQ(empty.rows, 0U);
  EXPECT_TRUE(empty.columns.empty());
}

TEST(Scanner, ATableThatCanBeReadInTwoWaysIsNotProposed) {
  const auto defect = [](std::string_view text, const std::string& path = "t.csv") {
    const File file = scan_one(path, text);
    EXPECT_EQ(file.publish == Publish::No, !file.defect.empty()) << file.defect;
    return file.defect;
  };
  EXPECT_EQ(defect("a,b\r\n1,2\r\n\r\n3,4"), "");
  EXPECT_NE(defect("a,b\n1,2\n3\n4,5,6\n")
                .find("2 rows have another number of fields, the first "
                      "at line 3"),
            std::string::npos);
  EXPECT_NE(defect("a,b\n1,\"x\n2,y\n").find("no end"), std::string::npos);
  EXPECT_NE(defect("a,b\n1,5\" pipe\n").find("stray"), std::string::npos);
  EXPECT_NE(defect("a,b\n1,\xfc\n").find("UTF-8"), std::string::npos);
  EXPECT_NE(defect("a\n" + std::string(std::size_t{2} << 20, 'x')).find("1 MiB"),
            std::string::npos);
  EXPECT_NE(defect({"a\n1\0\n", 5}).find("NUL"), std::string::npos);
  EXPECT_NE(defect("a\n" + std::string(100'000, '1') + '\0').find("NUL"), std::string::npos);
  EXPECT_EQ(defect({"\0\1\2", 3}, "x.bin"), "");
}

TEST(Scanner, FormatsAreKnownByTheirFirstBytes) {
  const auto format = [](const std::string& path, std::string_view head) {
    return scan_one(path, head).format;
  };
  EXPECT_EQ(format("x.csv", "PAR1..."), "parquet");
  EXPECT_EQ(format("x", "\x89PNG\r\n\x1a\n"), "png");
  EXPECT_EQ(format("x", "\xff\xd8\xff\xe0"), "jpeg");
  EXPECT_EQ(format("x", {"II*\0....", 8}), "tiff");
  EXPECT_EQ(format("x", std::string(128, '\0') + "DICM"), "dicom");
  EXPECT_EQ(format("x.bin", {"\0\1\2", 3}), "other");
  EXPECT_EQ(format("x.json", "{}"), "json");
  EXPECT_EQ(format("x.tsv", "a\tb\n1\t2\n"), "tsv");
  EXPECT_EQ(format("README.md", "# Title"), "text");
  EXPECT_NE(scan_one("x.parquet", "PAR1").reason.find("not read"), std::string::npos);
}

TEST(Scanner, AddressesInFreeTextAreCounted) {
  const File file = scan_one(
      "letter.txt", "Dear Ada <ada@example.org>,\nmy account is DE89370400440532013000.\n");
  ASSERT_EQ(file.tags.size(), 2U);
  EXPECT_NE(file.tags[0].reason.find("1 words look like e-mail addresses"), std::string::npos);
}

TEST(Scanner, NamesOfFilesThatIdentifyAreNotProposed) {
  const File file = scan_one("patient_17.txt", "x");
  EXPECT_EQ(file.publish, Publish::No);
  EXPECT_NE(file.reason.find("patient"), std::string::npos);
  EXPECT_EQ(scan_one("table.txt", "x").publish, Publish::Yes);
}

TEST(Scanner, ManyFilesAreCountedBeyondTheLimit) {
  Scanner scanner;
  for (std::size_t i = 0; i < kFilesMax + 3; ++i) {
    scanner.begin(fmt::format("f{:05}", i));
    scanner.end();
  }
  const Proposal proposal = std::move(scanner).take();
  EXPECT_EQ(proposal.files.size(), kFilesMax);
  ASSERT_EQ(proposal.notes.size(), 1U);
  EXPECT_NE(proposal.notes[0].find("3 more files"), std::string::npos);
}

}  // namespace
}  // namespace coffer::scan
