#include "scan/proposal.h"

#include <gtest/gtest.h>

namespace coffer::scan {
namespace {

Proposal sample() {
  Proposal out;
  File table{.path = "t.csv", .format = "csv", .rows = 569, .reason = "crlf"};
  table.columns = {{.name = "id",
                    .kind = Kind::Identifier,
                    .type = Type::Integer,
                    .publish = Publish::No,
                    .reason = "unique"},
                   {.name = "radius",
                    .kind = Kind::Numeric,
                    .type = Type::Decimal,
                    .min = "6.981",
                    .max = "28.11",
                    .blanks = Blanks::Required},
                   {.name = "diagnosis", .kind = Kind::Sensitive, .values = {"B", "M"}}};
  File scan{.path = "s.dcm", .format = "dicom", .publish = Publish::No};
  scan.tags = {{"PatientName", Kind::Identifier, "is filled"}};
  out.files = {table, scan, {.path = "x.csv", .publish = Publish::No, .defect = "no end"}};
  out.notes = {"look twice"};
  return out;
}

TEST(Proposal, SurvivesJson) {
  const auto json = Json::parse(to_json(sample()).canonical());
  ASSERT_TRUE(json);
  const auto back = proposal_from_json(*json);
  ASSERT_TRUE(back);
  EXPECT_EQ(*back, sample());
  Json broken = *json;
  broken.set("extra", 1);
  EXPECT_FALSE(proposal_from_json(broken));
}

TEST(Proposal, CardHoldsWhatIsPublishedAndNothingElse) {
  EXPECT_EQ(card_files(sample()).canonical(),
            R"([{"columns":[{"blanks":false,"kind":"numeric","max":"28.11","min":"6.981",)"
            R"("name":"radius","type":"decimal","values":[]},{"blanks":true,"kind":"sensitive",)"
            R"("max":"","min":"","name":"diagnosis","type":"text","values":["B","M"]}],)"
            R"("format":"csv","path":"t.csv","rows":569}])");
  const auto files = files_from_card(card_files(sample()));
  ASSERT_TRUE(files);
  ASSERT_EQ(files->size(), 1U);
  EXPECT_EQ((*files)[0].columns[1].values, (std::vector<std::string>{"B", "M"}));
  EXPECT_EQ(card_files({.files = *files}), card_files(sample()));
}

TEST(Proposal, CardsWithImpossibleColumnsAreRefused) {
  const auto read = [](const std::string& column) {
    return files_from_card(
        *Json::parse(R"([{"path":"t.csv","format":"csv","rows":1,"columns":[)" + column + "]}]"));
  };
  const std::string good =
      R"({"name":"a","kind":"numeric","type":"integer","values":[],"min":"1","max":"2",)"
      R"("blanks":true})";
  EXPECT_TRUE(read(good));
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    text.replace(text.find(from), from.size(), to);
    return read(text);
  };
  EXPECT_FALSE(with(R"("min":"1")", R"("min":"3")"));
  EXPECT_FALSE(with(R"("min":"1")", R"("min":"1.0")"));
  EXPECT_FALSE(with(R"("min":"1")", R"("min":"")"));
  EXPECT_FALSE(with(R"("kind":"numeric")", R"("kind":"number")"));
  EXPECT_FALSE(with(R"("values":[])", R"("values":["1"])"));
  EXPECT_FALSE(with(R"("name":"a")", R"("name":"")"));
  EXPECT_FALSE(with(R"(,"blanks":true)", ""));
  EXPECT_FALSE(read(good + "," + good));
}

TEST(Proposal, AnAppendCarriesOverFilesThatStay) {
  const Proposal fresh{.files = {File{.path = "t.csv", .format = "tsv"}, File{.path = "a"}}};
  const Proposal both = carry_over(sample(), fresh, [](const std::string&) { return true; });
  ASSERT_EQ(both.files.size(), 4U);
  EXPECT_EQ(both.files[0].path, "a");
  EXPECT_EQ(both.files[1].path, "s.dcm");
  EXPECT_EQ(both.files[2].format, "tsv");  // the fresh one
  EXPECT_EQ(carry_over(sample(), fresh, [](const std::string&) { return false; }).files.size(), 2U);
}

TEST(Proposal, UnknownKindsNameTheNearest) {
  EXPECT_NE(parse_kind("nummeric").error().message.find("did you mean numeric?"),
            std::string::npos);
  EXPECT_NE(parse_type("x").error().message.find("integer decimal text date boolean"),
            std::string::npos);
  EXPECT_EQ(*parse_kind("quasi_identifier"), Kind::QuasiIdentifier);
}

}  // namespace
}  // namespace coffer::scan
