#include "gate/evidence.h"

#include <algorithm>

#include "gate/evidence_testing.h"
#include "gate/release.h"

namespace coffer::gate {
namespace {

std::string wide_fields(std::size_t count, const std::string& prefix = "f") {
  std::string out;
  for (std::size_t i = 0; i < count; ++i) {
    out += fmt::format("{}{} = {{ min = -1000000, max = 1000000, digits = 5 }}\n", prefix, i);
  }
  return out;
}
std::string metrics_json(const std::vector<double>& values, const std::string& prefix = "f") {
  std::string out = "{";
  for (std::size_t i = 0; i < values.size(); ++i) {
    out += fmt::format("{}\"{}{}\":{}", i > 0 ? "," : "", prefix, i, values[i]);
  }
  return out + "}";
}

// ---- The cells rule
// ------------------------------------------------------------------------------

std::vector<double> cells_of_row(std::size_t row, std::size_t count) {
  const auto& all = clinic().measures[row];
  return {all.begin(), all.begin() + static_cast<std::ptrdiff_t>(count)};
}

TEST(EvidenceCells, FindsFourCellsOfOneRowAndNotThree) {
  for (const std::size_t row : {0U, 100U, 568U}) {
    auto copied =
        clinic().examine_file(metrics_of(wide_fields(4)), metrics_json(cells_of_row(row, 4)));
    EXPECT_TRUE(copied.copies_cells) << row;
    EXPECT_EQ(copied.cells_matched, 4U);
    EXPECT_GE(copied.rows_touched, 1U);
    copied = clinic().examine_file(metrics_of(wide_fields(3)), metrics_json(cells_of_row(row, 3)));
    EXPECT_FALSE(copied.private_copy()) << row;
  }
}

TEST(EvidenceCells, WantsTheFourFromOneRow) {
  std::vector<double> mixed;
  for (std::size_t i = 0; i < 4; ++i) mixed.push_back(clinic().measures[10 * i][i]);
  EXPECT_FALSE(
      clinic().examine_file(metrics_of(wide_fields(4)), metrics_json(mixed)).private_copy());
}

TEST(EvidenceCells, FindsCellsUnderTheirOwnNamesInAnyOrder) {
  // By name the same four are surer than without: six-valued ranges at one digit are enough.
  const auto& row = clinic().measures[42];
  const auto output = metrics_of(R"(m2 = { min = 0, max = 1000, digits = 2 }
m3 = { min = 0, max = 9999, digits = 1 }
m1 = { min = 0, max = 1000, digits = 2 }
m0 = { min = 0, max = 1000, digits = 2 })");
  const std::string text =
      fmt::format(R"({{"m3":{},"m0":{},"m2":{},"m1":{}}})", row[3], row[0], row[2], row[1]);
  EXPECT_TRUE(clinic().examine_file(output, text).copies_cells);
}

TEST(EvidenceCells, ComparesAsTheReleaseRounds) {
  // Rounded to whole numbers twelve cells of one row still say whose they are.
  const auto output = table_of(R"(rows_max = 40
columns = [ { name = "i", min = 0, max = 99, digits = 0, key = true },
            { name = "v", min = 0, max = 9999, digits = 1 } ])");
  std::string text = "i,v\n";
  for (std::size_t i = 0; i < 12; ++i) text += fmt::format("{},{}\n", i, clinic().measures[5][i]);
  EXPECT_TRUE(clinic().examine_file(output, text).copies_cells);
}

TEST(EvidenceCells, FindsOneRowAmongManyHonestOnes) {
  const auto output = table_of(R"(rows_max = 400
columns = [ { name = "i", min = 0, max = 999, digits = 0, key = true },
            { name = "a", min = 0, max = 9999, digits = 2 }, { name = "b", min = 0, max = 9999, digits = 2 },
            { name = "c", min = 0, max = 9999, digits = 2 }, { name = "d", min = 0, max = 9999, digits = 1 },
            { name = "e", min = 0, max = 9, digits = 5 }, { name = "f", min = 0, max = 9, digits = 5 } ])");
  Random random{11};
  const auto noise = [&] { return static_cast<double>(random() % 1000003) / 1000; };
  std::string text = "i,a,b,c,d,e,f\n";
  for (int i = 0; i < 300; ++i) {
    text += fmt::format("{},{:.2f},{:.2f},{:.2f},{:.1f},{:.5f},{:.5f}\n", i, noise(), noise(),
                        noise(), noise(), noise() / 1000, noise() / 1000);
  }
  EXPECT_FALSE(clinic().examine_file(output, text).private_copy());
  const auto& row = clinic().measures[300];
  text += fmt::format("300,{},{},{},{},{},{}\n", row[0], row[1], row[2], row[3], row[4], row[5]);
  EXPECT_TRUE(clinic().examine_file(output, text).copies_cells);
}

TEST(EvidenceCells, FindsRowsInTensorsOfEachDtype) {
  std::vector<float> rows;
  for (std::size_t row = 0; row < 20; ++row) {
    for (const double value : clinic().measures[row]) rows.push_back(static_cast<float>(value));
  }
  for (const std::string dtype : {"f32", "f16", "bf16"}) {
    const auto output = tensors_of("w = { shape = [20, 12], dtype = \"" + dtype + "\" }");
    EXPECT_TRUE(clinic().examine_file(output, one_tensor("F32", "[20,12]", raw(rows))).copies_cells)
        << dtype;
  }
  // As many cells, none of two from one row.
  std::vector<float> mixed;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    mixed.push_back(static_cast<float>(clinic().measures[2 * i][i % 12]));
  }
  const auto output = tensors_of(R"(w = { shape = [20, 12], dtype = "bf16" })");
  EXPECT_FALSE(
      clinic().examine_file(output, one_tensor("F32", "[20,12]", raw(mixed))).private_copy());
}

TEST(EvidenceCells, CountsNothingThatIsCommonOrPublished) {
  // Small whole numbers stand in many rows' cells: age, visits, ends of ranges.
  const auto output = metrics_of(wide_fields(6));
  const auto evidence = clinic().examine_file(output, metrics_json({30, 5, 11, 18, 99, 50}));
  EXPECT_FALSE(evidence.private_copy());
  EXPECT_LT(evidence.chance_bits, 20U);
}

// ---- The bytes rule
// ------------------------------------------------------------------------------

// Bytes as an i8 tensor: the plainest way to carry them.
Evidence examine_bytes(const std::string& bytes) {
  const auto output =
      tensors_of(fmt::format("w = {{ shape = [{}], dtype = \"i8\", scale = 1 }}", bytes.size()));
  return clinic().examine_file(output, one_tensor("I8", fmt::format("[{}]", bytes.size()), bytes));
}

TEST(EvidenceBytes, FindsThirtyOneBytesAtAnyPlaceAndNotThirty) {
  const std::string line = clinic().line(17);
  for (std::size_t at = 0; at + 31 <= line.size(); at += 9) {
    const auto found = examine_bytes("#!" + line.substr(at, 31) + "?");
    EXPECT_TRUE(found.copies_bytes) << at;
    EXPECT_EQ(found.longest_match, 31U);
    EXPECT_EQ(found.rows_touched, 1U);
    EXPECT_FALSE(examine_bytes("#!" + line.substr(at, 30) + "?").copies_bytes) << at;
  }
  EXPECT_EQ(examine_bytes("#!" + line + "?").longest_match, line.size());
}

TEST(EvidenceBytes, DoesNotReachAcrossRows) {
  const std::string first = clinic().line(17);
  const std::string second = clinic().line(18);
  EXPECT_FALSE(
      examine_bytes(first.substr(first.size() - 28) + "\n" + second.substr(0, 28)).copies_bytes);
}

TEST(EvidenceBytes, FindsNumbersInTheirShortestForm) {
  const TempDirectory inputs;
  inputs.write("d/x.csv", "a,b,c,d,e,f,g\n1.500,22.7500,0003.25,400.1250,5.0625,6.03125,7.0\n");
  const std::string shortest = "1.5,22.75,0003.25,400.125,5.0625,6.03125,7";
  const auto output =
      tensors_of(fmt::format("w = {{ shape = [{}], dtype = \"i8\", scale = 1 }}", shortest.size()));
  const Finding finding =
      judge_text(output, one_tensor("I8", fmt::format("[{}]", shortest.size()), shortest));
  EXPECT_TRUE(examine(inputs.fd(), {{.alias = "d"}}, output, finding.object)->copies_bytes);
}

TEST(EvidenceBytes, PassesWhatMoreThanEightRowsShare) {
  const std::string shared = "Adenocarcinoma of the upper lobe, left";
  for (const int rows : {8, 9}) {
    const TempDirectory inputs;
    std::string text = "name,code\n";
    for (int i = 0; i < rows; ++i) text += fmt::format("\"{}\",{}\n", shared, i);
    inputs.write("d/x.csv", text);
    const auto output =
        tensors_of(fmt::format("w = {{ shape = [{}], dtype = \"i8\", scale = 1 }}", shared.size()));
    const Finding finding =
        judge_text(output, one_tensor("I8", fmt::format("[{}]", shared.size()), shared));
    EXPECT_EQ(examine(inputs.fd(), {{.alias = "d"}}, output, finding.object)->copies_bytes,
              rows == 8);
  }
}

TEST(EvidenceBytes, PassesWhatSaysLittle) {
  const TempDirectory inputs;
  inputs.write("d/x.csv", "a\n" + std::string("0,0,1,0,0,0,1,1,0,0,0,0,1,0,1,0,0,1\n"));
  const auto output = table_of(R"(rows_max = 1
columns = [ { name = "a", min = 0, max = 1, digits = 0 }, { name = "b", min = 0, max = 1, digits = 0 } ])");
  std::string columns = "rows_max = 1\ncolumns = [";
  std::string text;
  for (int i = 0; i < 18; ++i) {
    columns += fmt::format("{{ name = \"c{}\", min = 0, max = 1, digits = 0 }},", i);
    text += fmt::format("{}c{}", i > 0 ? "," : "", i);
  }
  const auto wide = table_of(columns + "]");
  const Finding finding = judge_text(wide, text + "\n0,0,1,0,0,0,1,1,0,0,0,0,1,0,1,0,0,1\n");
  ASSERT_EQ(outcome(finding), "ok");
  EXPECT_FALSE(examine(inputs.fd(), {{.alias = "d"}}, wide, finding.object)->private_copy());
}

TEST(EvidenceBytes, SeesOtherFilesAsBytes) {
  const TempDirectory inputs;
  Random random{13};
  std::string scan;
  for (int i = 0; i < 300000; ++i) scan += static_cast<char>(random());
  inputs.write("d/scans/p1.bin", scan);
  const auto output = tensors_of(R"(w = { shape = [40], dtype = "i8", scale = 1 })");
  for (const std::size_t at : {0U, 131060U, 262130U, 299969U}) {
    std::string bytes(40, 'x');
    bytes.replace(5, 31, scan.substr(at, 31));
    const Finding finding = judge_text(output, one_tensor("I8", "[40]", bytes));
    EXPECT_TRUE(examine(inputs.fd(), {{.alias = "d"}}, output, finding.object)->copies_bytes) << at;
  }
}

// ---- The views
// -----------------------------------------------------------------------------------

const std::string& secret() {
  static const std::string kLine = clinic().line(33);
  return kLine;
}
std::string shape_of(std::size_t count) { return fmt::format("[{}]", count); }
bool is_found_in(const std::string& dtype, const std::string& arriving, const std::string& data,
                 std::size_t count) {
  const auto output = tensors_of(fmt::format("w = {{ shape = [{}], {} }}", count, dtype));
  return clinic().examine_file(output, one_tensor(arriving, shape_of(count), data)).copies_bytes;
}
template <class F>
bool floats_carry(const std::string& dtype, F&& each) {
  std::vector<float> values;
  for (const char c : secret()) values.push_back(each(static_cast<unsigned char>(c)));
  return is_found_in("dtype = \"" + dtype + "\"", "F32", raw(values), values.size());
}
template <class F>
bool table_carries(const std::string& columns, const std::string& header, F&& row) {
  const auto output = table_of(
      "rows_max = 2000\ncolumns = [ { name = \"i\", min = 0, max = 9999, "
      "digits = 0, key = true },\n" +
      columns + "]");
  std::string text = "i," + header + "\n";
  for (std::size_t i = 0; i < 2000; ++i) {
    const std::string cells = row(i);
    if (cells.empty()) break;
    text += fmt::format("{},{}\n", i, cells);
  }
  return clinic().examine_file(output, text).copies_bytes;
}
std::string base64_of(const std::string& bytes) { return base64(bytes_of(bytes)); }
std::string hex_of(const std::string& bytes) { return hex(bytes_of(bytes)); }
int bit_of(std::size_t i) { return static_cast<unsigned char>(secret()[i / 8]) >> (7 - i % 8) & 1; }

TEST(EvidenceViews, SeeBytesInTensors) {
  EXPECT_TRUE(is_found_in("dtype = \"i8\", scale = 1", "I8", secret(), secret().size()));
  const std::string back(secret().rbegin(), secret().rend());
  EXPECT_TRUE(is_found_in("dtype = \"i8\", scale = 1", "I8", back, back.size()));
  for (const std::string& coded : {base64_of(secret()), hex_of(secret()), "x" + hex_of(secret())}) {
    EXPECT_TRUE(is_found_in("dtype = \"i8\", scale = 1", "I8", coded, coded.size())) << coded;
  }
  EXPECT_TRUE(floats_carry("f32", [](int c) { return static_cast<float>(c); }));
  EXPECT_TRUE(floats_carry("f16", [](int c) { return static_cast<float>(c); }));
  EXPECT_TRUE(floats_carry("f32", [](int c) { return static_cast<float>(c) / 255; }));
  EXPECT_TRUE(floats_carry("bf16", [](int c) { return static_cast<float>(c) / 256; }));
  EXPECT_TRUE(floats_carry("f32", [](int c) {  // the low byte of a weight
    return std::bit_cast<float>((std::bit_cast<std::uint32_t>(0.37F) & ~0xffU) |
                                static_cast<unsigned>(c));
  }));
}

TEST(EvidenceViews, SeePlanesOfBits) {
  std::vector<float> lowest;
  std::vector<float> third;
  std::vector<float> signs;
  for (std::size_t i = 0; i < 8 * secret().size(); ++i) {
    const auto weight = std::bit_cast<std::uint32_t>(0.1F + 0.001F * static_cast<float>(i % 83));
    const auto bit = static_cast<std::uint32_t>(bit_of(i));
    lowest.push_back(std::bit_cast<float>((weight & ~1U) | bit));
    third.push_back(std::bit_cast<float>((weight & ~4U) | bit << 2));
    signs.push_back(bit != 0 ? -0.5F : 0.25F);
  }
  lowest.insert(lowest.begin(), 3, 0.5F);  // at another shift
  for (const auto& values : {lowest, third, signs}) {
    EXPECT_TRUE(is_found_in("dtype = \"f32\"", "F32", raw(values), values.size()));
  }
  std::string bools;
  for (std::size_t i = 0; i < 8 * secret().size(); ++i) {
    const auto byte = static_cast<unsigned char>(secret()[i / 8]);
    bools += static_cast<char>(byte >> i % 8 & 1);  // least significant bit first
  }
  bools.insert(0, 5, '\1');
  EXPECT_TRUE(is_found_in("dtype = \"bool\"", "BOOL", bools, bools.size()));
}

TEST(EvidenceViews, SeeBytesInTablesAndMetrics) {
  const std::string& s = secret();
  const auto byte = [&](std::size_t i) {
    return static_cast<int>(static_cast<unsigned char>(s[i]));
  };
  EXPECT_TRUE(
      table_carries("{ name = \"v\", min = 0, max = 255, digits = 0 }", "v",
                    [&](std::size_t i) { return i < s.size() ? fmt::format("{}", byte(i)) : ""; }));
  EXPECT_TRUE(
      table_carries("{ name = \"v\", min = -5, max = 255, digits = 0 }", "v",
                    [&](std::size_t i) { return i < s.size() ? fmt::format("{}", byte(i)) : ""; }));
  EXPECT_TRUE(table_carries(
      "{ name = \"v\", min = 0, max = 1, digits = 0, optional = true }", "v",
      [&](std::size_t i) { return i < 8 * s.size() ? fmt::format("{}", bit_of(i)) : ""; }));
  EXPECT_TRUE(table_carries("{ name = \"v\", min = 0, max = 4294967295, digits = 0 }", "v",
                            [&](std::size_t i) -> std::string {
                              if (4 * i + 4 > s.size()) return "";
                              std::uint32_t word = 0;
                              for (std::size_t j = 0; j < 4; ++j)
                                word = word << 8 | static_cast<unsigned>(byte(4 * i + j));
                              return fmt::format("{}", word);
                            }));
  const std::string digits = hex_of(s);
  EXPECT_TRUE(table_carries(
      R"({ name = "v", values = ["0","1","2","3","4","5","6","7","8","9","a","b","c","d","e","f"] })",
      "v", [&](std::size_t i) { return i < digits.size() ? digits.substr(i, 1) : ""; }));
  // Two bytes side by side in a row.
  EXPECT_TRUE(table_carries(
      "{ name = \"a\", min = 0, max = 255, digits = 0 }, { name = \"b\", min = 0, max = 255, "
      "digits = 0 }",
      "a,b", [&](std::size_t i) {
        return 2 * i + 1 < s.size() ? fmt::format("{},{}", byte(2 * i), byte(2 * i + 1)) : "";
      }));
  std::string fields;
  std::string values = "{";
  for (std::size_t i = 0; i < 40; ++i) {
    fields += fmt::format("f{:02} = {{ min = 0, max = 127, digits = 0 }}\n", i);
    values += fmt::format("{}\"f{:02}\":{}", i > 0 ? "," : "", i, byte(i));
  }
  EXPECT_TRUE(clinic().examine_file(metrics_of(fields), values + "}").copies_bytes);
}

TEST(EvidenceViews, SeeACopyAcrossThePartsOfALargeTensor) {
  Random random{14};
  std::vector<float> values(265000);
  for (auto& value : values) value = static_cast<float>(random() % 100000) / 100000 - 0.5F;
  const std::string part = secret().substr(3, 31);
  for (std::size_t i = 0; i < 8 * part.size(); ++i) {  // across the border, in the lowest bit
    const auto bit =
        static_cast<std::uint32_t>(static_cast<unsigned char>(part[i / 8]) >> (7 - i % 8) & 1);
    auto& value = values[(1 << 18) - 100 + i];
    value = std::bit_cast<float>((std::bit_cast<std::uint32_t>(value) & ~1U) | bit);
  }
  EXPECT_TRUE(is_found_in("dtype = \"f32\"", "F32", raw(values), values.size()));
}

TEST(EvidenceViews, DoNotSeeWhatIsEncrypted) {
  // Not promised, and said so: a keyed stream over the bytes leaves nothing to be found.
  Random random{15};
  std::string sealed = secret();
  for (char& c : sealed) c = static_cast<char>(c ^ static_cast<char>(random()));
  EXPECT_FALSE(examine_bytes(sealed).private_copy());
}

// ---- Records and the token
// -----------------------------------------------------------------------

TEST(Evidence, HasOneSizeAndReadsBackFromAnyBytes) {
  const auto evidence = examine_bytes(secret());
  const ByteVector bytes = evidence_bytes(evidence);
  EXPECT_EQ(bytes.size(), kEvidenceBytes);
  EXPECT_EQ(*parse_evidence(bytes), evidence);
  EXPECT_EQ(evidence.rows, Clinic::kRows);
  EXPECT_GT(evidence.views, 5U);
  EXPECT_GT(evidence.zstd_bits_per_row, 100U);
  EXPECT_EQ(evidence_bytes(Evidence{}).size(), kEvidenceBytes);
  EXPECT_TRUE(parse_evidence(ByteVector(kEvidenceBytes, std::byte{0xff}))->private_copy());
  EXPECT_FALSE(parse_evidence(ByteVector(kEvidenceBytes - 1)));
}

TEST(Release, ExistsOnlyForWhatWasExaminedAndCopiesNothing) {
  const auto output = metrics_of("a = { min = 0, max = 5, digits = 0 }");
  const auto canonical = Canonical::decode(output, judge_text(output, "{\"a\":5}").object);
  ASSERT_TRUE(canonical);
  EXPECT_TRUE(Release::admit(*canonical, Evidence{.examined = true}));
  EXPECT_FALSE(Release::admit(*canonical, Evidence{}));
  EXPECT_FALSE(Release::admit(*canonical, Evidence{.examined = true, .copies_bytes = true}));
  EXPECT_FALSE(Release::admit(*canonical, Evidence{.examined = true, .copies_cells = true}));
}

TEST(Evidence, FailsWhenAnInputIsNotThere) {
  const auto output = metrics_of("a = { min = 0, max = 5, digits = 0 }");
  const Finding finding = judge_text(output, "{\"a\":5}");
  const TempDirectory inputs;
  EXPECT_FALSE(examine(inputs.fd(), {{.alias = "gone"}}, output, finding.object));
}

}  // namespace
}  // namespace coffer::gate
