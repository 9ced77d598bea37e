#include "cli/infer.h"

#include "cli/files.h"
#include "cli/testing.h"

namespace coffer::cli {
namespace {

std::filesystem::path put(const testing::Home& home, const std::string& name,
                          const std::string& text) {
  const auto path = home.path() / name;
  EXPECT_TRUE(replace_file(path, text, Access::Private).has_value());
  return path;
}

program::Output infer_of(const testing::Home& home, const std::string& name,
                         const std::string& text) {
  const auto facts = read_facts(put(home, name, text));
  EXPECT_TRUE(facts.has_value()) << facts.error().message;
  auto output = infer(*facts);
  EXPECT_TRUE(output.has_value()) << output.error().message;
  return *std::move(output);
}

std::string safetensors(const std::string& header, std::size_t data_bytes) {
  std::string text(8, '\0');
  for (unsigned i = 0; i < 8; ++i) text[i] = static_cast<char>(header.size() >> (8 * i) & 0xFF);
  return text + header + std::string(data_bytes, '\1');
}

TEST(Infer, MetricsGetRoundRangesAndFewDigits) {
  const testing::Home home;
  const auto output =
      infer_of(home, "metrics.json", R"({"acc": 0.94736842, "rows": 569, "stage": "fit"})");
  EXPECT_EQ(program::outputs_toml({output}).find("nan"), std::string::npos);
  const auto& fields = std::get<program::Metrics>(output.body).fields;
  ASSERT_EQ(fields.size(), 3U);
  const auto& acc = std::get<program::Number>(fields[0].domain);
  EXPECT_EQ(acc.min.text() + ".." + acc.max.text(), "0..1");
  EXPECT_EQ(acc.digits, 3U);
  const auto& rows = std::get<program::Number>(fields[1].domain);
  EXPECT_EQ(rows.max.text(), "1000");
  EXPECT_EQ(rows.digits, 0U);
  EXPECT_EQ(std::get<program::Choice>(fields[2].domain).values, std::vector<std::string>{"fit"});
}

TEST(Infer, TablesTakeColumnsByTheirCells) {
  const testing::Home home;
  const auto output = infer_of(home, "by_stage.csv", "stage,n,mean\nI,3,1.25\n\"II\",4,\n");
  const auto& table = std::get<program::Table>(output.body);
  EXPECT_EQ(table.rows_max, 2U);
  ASSERT_EQ(table.columns.size(), 3U);
  EXPECT_EQ(std::get<program::Choice>(table.columns[0].domain).values,
            (std::vector<std::string>{"I", "II"}));
  EXPECT_TRUE(program::is_optional(table.columns[2].domain));
}

TEST(Infer, TensorsTakeShapeAndType) {
  const testing::Home home;
  const auto output =
      infer_of(home, "weights.safetensors",
               safetensors(R"({"coef":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}})", 4));
  const auto& tensors = std::get<program::Tensors>(output.body).tensors;
  ASSERT_EQ(tensors.size(), 1U);
  EXPECT_EQ(tensors[0].dtype, program::Dtype::F16);
  EXPECT_EQ(tensors[0].shape, std::vector<std::uint64_t>{2});
}

TEST(Widen, ChangesOnlyWhatDoesNotFit) {
  const testing::Home home;
  const auto declared = infer_of(home, "m.json", R"({"acc": 0.5, "rows": 5})");
  const auto same =
      widen(declared, *read_facts(put(home, "m.json", R"({"acc": 0.123456, "rows": 9})")));
  ASSERT_TRUE(same.has_value());
  EXPECT_EQ(*same, declared);
  const auto wide =
      widen(declared, *read_facts(put(home, "m.json", R"({"acc": 0.5, "rows": 57})")));
  ASSERT_TRUE(wide.has_value());
  const auto& fields = std::get<program::Metrics>(wide->body).fields;
  EXPECT_EQ(std::get<program::Number>(fields[1].domain).max.text(), "57");
  EXPECT_EQ(fields[0], std::get<program::Metrics>(declared.body).fields[0]);
}

TEST(Widen, LetsWhatIsAbsentBeNullAndAddsWhatIsNew) {
  const testing::Home home;
  const auto declared = infer_of(home, "m.json", R"({"a": 1, "b": 2})");
  const auto wide = widen(declared, *read_facts(put(home, "m.json", R"({"a": NaN, "c": 3})")));
  ASSERT_TRUE(wide.has_value());
  const auto& fields = std::get<program::Metrics>(wide->body).fields;
  ASSERT_EQ(fields.size(), 3U);
  EXPECT_TRUE(program::is_optional(fields[0].domain));
  EXPECT_TRUE(program::is_optional(fields[1].domain));
  EXPECT_EQ(fields[2].name, "c");
}

TEST(Facts, SayWhyAFileIsNone) {
  const testing::Home home;
  for (const auto& [name, text] :
       std::vector<std::pair<std::string, std::string>>{{"a.json", "[1]"},
                                                        {"a.json", R"({"x": [1]})"},
                                                        {"a.csv", "a,b\n1\n"},
                                                        {"a.safetensors", "short"},
                                                        {"a.pickle", "x"}}) {
    const auto facts = read_facts(put(home, name, text));
    ASSERT_FALSE(facts.has_value()) << name << text;
    EXPECT_NE(facts.error().message.find("/out/" + name), std::string::npos);
  }
}

}  // namespace
}  // namespace coffer::cli
