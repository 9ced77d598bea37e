#include "gate/canonical.h"

#include <random>

#include "gate/release.h"
#include "gate/testing.h"

namespace coffer::gate {
namespace {

std::string canonical_text(const program::Output& output, std::string_view file) {
  const Finding finding = judge_text(output, file);
  EXPECT_EQ(outcome(finding), "ok");
  const auto canonical = Canonical::decode(output, finding.object);
  EXPECT_TRUE(canonical);
  const std::string text = *canonical->text();
  EXPECT_EQ(canonical->size(), text.size());
  EXPECT_EQ(canonical->digest(), sha256(text));
  EXPECT_LE(text.size(), canonical_size_max(output));
  return text;
}

TEST(Canonical, WritesMetricsOnOneLineInByteOrder) {
  const auto output = metrics_of(R"(b = { min = -1, max = 1, digits = 3, optional = true }
a = { min = 0, max = 100, digits = 0 }
"é\"" = { values = ["x\ty", "ü"] })");
  EXPECT_EQ(canonical_text(output, R"({"é\"": "x\ty", "b": -0.0004, "a": 31.2})"),
            "{\"a\":31,\"b\":0.000,\"é\\\"\":\"x\\ty\"}\n");
  EXPECT_EQ(canonical_text(output, R"({"é\"": "ü", "b": -0.0006, "a": 0})"),
            "{\"a\":0,\"b\":-0.001,\"é\\\"\":\"ü\"}\n");
  EXPECT_EQ(canonical_text(output, R"({"é\"": "ü", "a": 0})"),
            "{\"a\":0,\"b\":null,\"é\\\"\":\"ü\"}\n");
}

TEST(Canonical, WritesTablesWithQuotesOnlyWhereNeeded) {
  const auto output = table_of(R"(rows_max = 9
columns = [ { name = "c,1", values = ["plain", "a,b", "q\"q", "l\nl", " s "], key = true },
            { name = "v", min = -9, max = 9, digits = 2, optional = true } ])");
  EXPECT_EQ(canonical_text(output,
                           "v,\"c,1\"\n1,\"l\nl\"\n,plain\n-1.005,\"a,b\"\n0,\"q\"\"q\"\n2, s \n"),
            "\"c,1\",v\nplain,\n\"a,b\",-1.00\n\"q\"\"q\",0.00\n\"l\nl\",1.00\n s ,2.00\n");
}

TEST(Canonical, WritesSafetensorsThatOthersRead) {
  const auto output = tensors_of(R"(w = { shape = [2], dtype = "i8", scale = 0.5 }
a = { shape = [], dtype = "f16" }
z = { shape = [0, 3], dtype = "f32" })");
  const std::string arriving = safetensors(
      R"({"w":{"dtype":"I8","shape":[2],"data_offsets":[0,2]},"z":{"dtype":"F32","shape":[0,3],"data_offsets":[2,2]},)"
      R"("a":{"dtype":"F16","shape":[],"data_offsets":[2,4]}})",
      std::string("\x80\x7f\x00\x3c", 4));
  const std::string header =
      R"({"a":{"dtype":"F16","shape":[],"data_offsets":[0,2]},"w":{"dtype":"I8","shape":[2],"data_offsets":[2,4]},)"
      R"("z":{"dtype":"F32","shape":[0,3],"data_offsets":[4,4]}})";
  const std::string padded = header + std::string((8 - header.size() % 8) % 8, ' ');
  EXPECT_EQ(canonical_text(output, arriving),
            safetensors(padded, std::string("\x00\x3c\x80\x7f", 4)));
}

TEST(Canonical, SizesDependOnTheDeclarationOnly) {
  const auto output = table_of(R"(rows_max = 50
columns = [ { name = "c", values = ["a", "quoted,\"twice\""], key = false },
            { name = "v", min = -99, max = 5, digits = 3, optional = true } ])");
  const auto& table = std::get<program::Table>(output.body);
  std::mt19937_64 random{5};
  std::uint64_t longest = 0;
  for (std::uint64_t rows = 0; rows <= 50; ++rows) {
    Codes codes;
    for (std::uint64_t row = 0; row < rows; ++row) {
      codes.push_back(1);
      codes.push_back(row);
    }
    const auto canonical = Canonical::decode(output, encode_table(table, codes));
    ASSERT_TRUE(canonical) << rows;
    longest = std::max(longest, canonical->size());
  }
  EXPECT_LE(longest, canonical_size_max(output));
  EXPECT_GE(longest + 8, canonical_size_max(output));  // the bound is not wide of the mark
  EXPECT_EQ(sealed_size(output) % 4096, 0U);
  EXPECT_GE(sealed_size(output), canonical_size_max(output) + 40);
}

TEST(Canonical, DecodesNoStringThatIsNoObject) {
  const auto output = metrics_of("a = { min = 0, max = 5, digits = 0 }");
  for (const int byte : {0x00, 0xa0, 0xc0, 0xe0, 0x01}) {
    const auto canonical = Canonical::decode(output, {ByteVector{static_cast<std::byte>(byte)}, 3});
    EXPECT_EQ(canonical.has_value(), byte == 0x00 || byte == 0xa0) << byte;
  }
}

TEST(Release, WritesTheDocumentOfItsFormat) {
  const auto output = tensors_of(R"(w = { shape = [1], dtype = "i8", scale = 0.25 })");
  auto canonical =
      Canonical::decode(output, judge_text(output, one_tensor("I8", "[1]", "\x05")).object);
  ASSERT_TRUE(canonical);
  const auto release = Release::admit(*canonical, Evidence{.examined = true});
  ASSERT_TRUE(release);
  const Origin origin{.run = sha256("run"),
                      .program_name = "logistic",
                      .program = sha256("program"),
                      .environment = sha256("environment"),
                      .inputs = {{"tumours", "clinic/tumours@v1", sha256("manifest")}},
                      .grants = {sha256("grant")}};
  const std::string text = release_json(*release, origin);
  EXPECT_EQ(text.back(), '\n');
  const auto json = Json::parse(text);
  ASSERT_TRUE(json);
  EXPECT_EQ(json->canonical() + "\n", text);
  EXPECT_EQ((*json)["bits"].as_int(), 8);
  EXPECT_EQ((*json)["scales"].canonical(), "{\"w\":\"0.25\"}");
  EXPECT_EQ((*json)["file"].text_or("digest", ""), canonical->digest().text());
  EXPECT_EQ(json->text_or("run_id", ""), sha256("run").id("run_"));
  // The example of docs/formats/release.md.
  EXPECT_EQ(release_digest(text).id("rel_"), "rel_rdj5amk7ky2y6maw");
  EXPECT_EQ(
      text,
      R"({"bits":8,"environment":"sha256:ba5285161ba6eed0085fb13784ce5c92f70ebc268b94fd66aa1d68a32884204d",)"
      R"("file":{"bytes":65,"digest":"sha256:92ef8a18f37cf70ca2ae65881f667131f5c53fe597c2db9c3770512743147c88","name":"weights.safetensors"},)"
      R"("grants":["sha256:3492ad65d05a973fef8c825521eeb41ae64625a672a8aeeeabc696e16d62a020"],)"
      R"("inputs":[{"alias":"tumours","dataset":"clinic/tumours@v1","digest":"sha256:05b3abf2579a5eb66403cd78be557fd860633a1fe2103c7642030defe32c657f"}],)"
      R"("kind":"tensors","lane":"bounded","output":"weights",)"
      R"("program":{"digest":"sha256:1310ca2c8932dbd118668bd97442558a3e1f546b5e15c69699dfbd6024f548d8","name":"logistic"},)"
      R"("run":"sha256:acba25512100f80b56fc3ccd14c65be55d94800cda77585c5f41a887e398f9be","run_id":"run_vs5ckujbad4awvx4",)"
      R"("scales":{"w":"0.25"},"v":1})"
      "\n");
}

}  // namespace
}  // namespace coffer::gate
