#include "gate/judge.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <functional>

#include "gate/canonical.h"
#include "gate/detail/safetensors.h"
#include "gate/testing.h"

namespace coffer::gate {
namespace {

const std::string kNumber = "a = { min = 0, max = 1, digits = 3 }";
const std::string kPairs = R"(rows_max = 9
columns = [ { name = "k", values = ["x", "y,z", "q\"r"], key = true },
            { name = "v", min = 0, max = 9, digits = 0 } ])";

std::string judge_metrics_text(const std::string& text) {
  return outcome(judge_text(metrics_of(kNumber), text));
}
std::string judge_table_text(const std::string& text) {
  return outcome(judge_text(table_of(kPairs), text));
}

// ---- The directory -----------------------------------------------------------------------------

TEST(Judge, RefusesEveryOutputForOneUndeclaredEntry) {
  const auto outputs = outputs_of(output_toml("a", "metrics", "[outputs.fields]\n" + kNumber) +
                                  output_toml("b", "metrics", "[outputs.fields]\n" + kNumber));
  const TempDirectory out;
  out.write("a.json", "{\"a\":1}");
  out.write("b.json", "{\"a\":1}");
  EXPECT_EQ(outcome(judge_all(out.fd(), outputs)->at(1)), "ok");
  for (const std::string name : {".hidden", "c.json", "a.json~", "A.json"}) {
    out.write(name, "");
    const auto findings = judge_all(out.fd(), outputs);
    EXPECT_EQ(outcome(findings->at(0)), "undeclared") << name;
    EXPECT_EQ(outcome(findings->at(1)), "undeclared") << name;
    std::filesystem::remove(out.path() + "/" + name);
  }
  std::filesystem::create_directory(out.path() + "/d");
  EXPECT_EQ(outcome(judge_all(out.fd(), outputs)->at(0)), "undeclared");
}

TEST(Judge, RefusesOnlyTheOutputWhoseFileIsMissing) {
  const auto outputs = outputs_of(output_toml("a", "metrics", "[outputs.fields]\n" + kNumber) +
                                  output_toml("b", "metrics", "[outputs.fields]\n" + kNumber));
  const TempDirectory out;
  out.write("b.json", "{\"a\":1}");
  const auto findings = judge_all(out.fd(), outputs);
  EXPECT_EQ(outcome(findings->at(0)), "malformed");
  EXPECT_EQ(outcome(findings->at(1)), "ok");
}

// What makes an entry of /out that is no regular file of one name.
void expect_no_file(const std::function<int(const char*)>& make) {
  const auto output = metrics_of(kNumber);
  const TempDirectory out;
  const std::string path = out.path() + "/metrics.json";
  ASSERT_EQ(make(path.c_str()), 0) << std::strerror(errno);
  EXPECT_EQ(outcome(judge_all(out.fd(), {output})->at(0)), "malformed");
}

TEST(Judge, OpensNothingButRegularFilesOfOneName) {
  const TempDirectory elsewhere;
  elsewhere.write("good.json", "{\"a\":1}");
  const std::string good = elsewhere.path() + "/good.json";
  expect_no_file([&](const char* path) { return ::symlink(good.c_str(), path); });
  expect_no_file([&](const char* path) { return ::link(good.c_str(), path); });
  expect_no_file([](const char* path) { return ::symlink("metrics.json", path); });
  expect_no_file([](const char* path) { return ::mkdir(path, 0700); });
  expect_no_file([](const char* path) { return ::mkfifo(path, 0600); });  // would block
  expect_no_file([](const char* path) {
    const UniqueFd fd{::socket(AF_UNIX, SOCK_STREAM, 0)};
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    return ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  });
  // The permitted neighbour: the same bytes in a file of its own.
  EXPECT_EQ(judge_metrics_text("{\"a\":1}"), "ok");
}

TEST(Judge, IsNotHeldUpBySparseFiles) {
  constexpr off_t kTebibyte = 1LL << 40;
  const std::vector<program::Output> outputs{metrics_of(kNumber), table_of(kPairs),
                                             tensors_of(R"(w = { shape = [2], dtype = "f32" })")};
  for (const auto& output : outputs) {
    const TempDirectory out;
    out.write(output.file(), "");
    ASSERT_EQ(::truncate((out.path() + "/" + output.file()).c_str(), kTebibyte), 0);
    EXPECT_EQ(outcome(judge_all(out.fd(), {output})->at(0)), "malformed") << output.name;
  }
  // A good header before a tebibyte of zeros is no better.
  const TempDirectory out;
  out.write("weights.safetensors", one_tensor("F32", "[2]", std::string(8, '\0')));
  ASSERT_EQ(::truncate((out.path() + "/weights.safetensors").c_str(), kTebibyte), 0);
  EXPECT_EQ(outcome(judge_all(out.fd(), {outputs[2]})->at(0)), "malformed");
}

// ---- metrics -----------------------------------------------------------------------------------

TEST(JudgeMetrics, RefusesWhatIsNoFlatObject) {
  EXPECT_EQ(judge_metrics_text("{\"a\":0.5}"), "ok");
  EXPECT_EQ(judge_metrics_text(std::string(100000, '[')), "malformed");
  EXPECT_EQ(judge_metrics_text("{\"a\":" + std::string(50000, '{') + "}"), "malformed");
  for (const std::string text : {"",
                                 " ",
                                 "{",
                                 "{}",
                                 "{\"a\"}",
                                 "{\"a\":}",
                                 "{\"a\":0.5",
                                 "{\"a\":0.5}}",
                                 "{a:0.5}",
                                 "{'a':0.5}",
                                 "{\"a\":0.5/**/}",
                                 "\xef\xbb\xbf{\"a\":0.5}",
                                 "{\"a\":0x1}",
                                 "{\"a\":1_0}",
                                 "{\"a\":-}",
                                 "{\"a\":1e}",
                                 "{\"a\":1.}",
                                 "{\"a\":nan}",
                                 "{\"a\":Inf}",
                                 "{\"a\":NaNa}",
                                 "{\"a\":[0.5]}",
                                 "{\"a\":0.5 0.5}",
                                 "{\"a\":0.5,,}",
                                 "{,\"a\":0.5}"}) {
    EXPECT_EQ(judge_metrics_text(text), "malformed") << text;
  }
  EXPECT_EQ(judge_metrics_text(std::string("{\"a\":0.5}\0", 10)), "malformed");
}

TEST(JudgeMetrics, ReadsStringsByTheirMeaning) {
  const auto output = metrics_of(R"(s = { values = ["\u00e9", "\U0001f30a", "a\"b"] })");
  for (const std::string text : {R"("é")", R"("\u00e9")", R"("\ud83c\udf0a")", R"("🌊")",
                                 R"("a\u0022b")", R"("\u0061\"b")"}) {
    EXPECT_EQ(outcome(judge_text(output, "{\"s\":" + text + "}")), "ok") << text;
  }
  for (const std::string text : {R"("\ud83c")", R"("\udf0a\ud83c")", R"("\x61")", "\"\xff\"",
                                 "\"a\nb\"", R"("\u00g9")", "\"\xc0\xa2\""}) {
    EXPECT_EQ(outcome(judge_text(output, "{\"s\":" + text + "}")), "malformed") << text;
  }
}

TEST(JudgeMetrics, TakesNumbersOfAnySizeAndNoTextWithoutEnd) {
  EXPECT_EQ(judge_metrics_text("{\"a\":0." + std::string(4000, '1') + "}"), "ok");
  EXPECT_EQ(judge_metrics_text("{\"a\":1e99999999999999999999}"), "out_of_range");
  EXPECT_EQ(judge_metrics_text("{\"a\":1e-99999999999999999999}"), "ok");
  EXPECT_EQ(judge_metrics_text("{\"a\":0." + std::string(100000, '1') + "}"), "malformed");
  EXPECT_EQ(judge_metrics_text("{\"a\":0.5" + std::string(1000, ' ') + "}"), "ok");
  EXPECT_EQ(judge_metrics_text("{\"a\":0.5" + std::string(1 << 20, ' ') + "}"), "malformed");
}

TEST(JudgeMetrics, FileLimitGrowsWithTheDeclaration) {
  std::string fields;
  std::string file = "{";
  for (int i = 0; i < 1000; ++i) {
    fields += fmt::format("f{} = {{ min = 0, max = 1, digits = 3 }}\n", i);
    file += fmt::format("{}\"f{}\":0.{}", i > 0 ? "," : "", i, std::string(500, '1'));
  }
  EXPECT_EQ(outcome(judge_text(metrics_of(fields), file + "}")), "ok");
}

// ---- tables ------------------------------------------------------------------------------------

TEST(JudgeTable, ReadsQuotesByRfc4180Only) {
  EXPECT_EQ(judge_table_text("k,v\n\"y,z\",1\n\"q\"\"r\",2\nx,3\n"), "ok");
  EXPECT_EQ(judge_table_text("\"k\",\"v\"\r\n\"x\",\"3\"\r\n"), "ok");
  for (const std::string text :
       {"k,v\n\"x,1\n", "k,v\nx\",1\n",           "k,v\n\"x\"y,1\n", "k,v\n\"x\" ,1\n",
        "k,v\nx,1\"\n", "k,v\nq\"\"r,1\n",        "k,v\nx,1\r",      "k,v\rx,1\r",
        "k,v\n\nx,1\n", "k,v\nx,1\n\n",           "\nk,v\nx,1\n",    "k,v\nx\n",
        "k,v\nx,1,\n",  "k,v\nx,1,2\n",           "k,v,\nx,1,\n",    "k,k\nx,x\n",
        "k;v\nx;1\n",   "\xef\xbb\xbfk,v\nx,1\n", "k,v\nx, 1\n",     "k, v\nx,1\n",
        "k,v\nx,+1\n",  "k,v\nx,inf\n",           "k,v\nx,0x1\n",    "k,v\nx,1\n\"",
        "k,v\nx,\n",    "k,v\nx,nan\n",           "K,v\nx,1\n"}) {
    EXPECT_EQ(judge_table_text(text), "malformed") << text;
  }
  EXPECT_EQ(judge_table_text(std::string("k,v\nx,1\0\n", 9)), "malformed");
  EXPECT_EQ(judge_table_text("k,v\nx ,1\n"), "out_of_range");
  EXPECT_EQ(judge_table_text("k,v\n'x',1\n"), "out_of_range");
  EXPECT_EQ(judge_table_text("k,v\n\xff,1\n"), "malformed");
}

TEST(JudgeTable, BoundsFieldsColumnsAndRows) {
  EXPECT_EQ(judge_table_text("k,v\nx," + std::string(1 << 20, '1') + "\n"), "malformed");
  EXPECT_EQ(judge_table_text("k,v\n\"" + std::string(1 << 20, '"') + "\n"), "malformed");
  EXPECT_EQ(judge_table_text("k,v" + std::string(1 << 20, ',') + "\n"), "malformed");
  std::string rows = "v\n";
  for (int i = 0; i < 100000; ++i) rows += "1\n";
  const auto output =
      table_of("rows_max = 9\ncolumns = [{ name = \"v\", min = 0, max = 9, digits = 0 }]");
  EXPECT_EQ(outcome(judge_text(output, rows)), "out_of_range");
}

TEST(JudgeTable, SortsBackwardsRowsAndFindsRepeatsFarApart) {
  const auto output = table_of(R"(rows_max = 5000
columns = [ { name = "k", min = -3000, max = 3000, digits = 0, key = true },
            { name = "v", min = 0, max = 9, digits = 0 } ])");
  std::string text = "k,v\n";
  for (int i = 4000; i > 0; --i) text += fmt::format("{},{}\n", i - 2000, i % 10);
  const Finding good = judge_text(output, text);
  ASSERT_EQ(outcome(good), "ok");
  const auto canonical = Canonical::decode(output, good.object);
  EXPECT_TRUE(canonical->text()->starts_with("k,v\n-1999,1\n-1998,2\n"));
  EXPECT_EQ(outcome(judge_text(output, text + "2000,1\n")), "malformed");
}

// ---- tensors -----------------------------------------------------------------------------------

const std::string kTwoFloats = raw<float>({1.5F, -2.25F});

std::string judge_header(const std::string& header, const std::string& data = kTwoFloats) {
  return outcome(judge_text(tensors_of(R"(w = { shape = [2], dtype = "f32" })", R"(drop = ["d*"])"),
                            safetensors(header, data)));
}

TEST(JudgeTensors, ReadsOneHeaderInManyForms) {
  const std::string w = R"("w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]})";
  EXPECT_EQ(judge_header("{" + w + "}"), "ok");
  EXPECT_EQ(judge_header("{" + w + "}" + std::string(99, ' ')), "ok");
  EXPECT_EQ(judge_header(R"({"w":{"data_offsets":[0,8],"shape":[2],"dtype":"F32"}})"), "ok");
  EXPECT_EQ(judge_header(R"({"__metadata__":{"x":"y","z":"\u0000"},)" + w + "}"), "ok");
  EXPECT_EQ(judge_header("{" + w + R"(,"d":{"dtype":"U8","shape":[3],"data_offsets":[8,11]}})",
                         kTwoFloats + "xyz"),
            "ok");
}

TEST(JudgeTensors, RefusesHeadersThatSayTwoThings) {
  const std::string w = R"("w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]})";
  const std::string e = R"("d0":{"dtype":"F32","shape":[0],"data_offsets":[)";
  for (const std::string& header : std::vector<std::string>{
           "{" + w + "," + w + "}",  // a name twice
           "{" + w + R"(,"\u0077":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
           R"({"w":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
           R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1}})",
           R"({"w":{"dtype":"F32","shape":[2]}})",
           R"({"__metadata__":{"x":"y","x":"z"},)" + w + "}",  // metadata keys twice
           R"({"__metadata__":{},"__metadata__":{},)" + w + "}",
           R"({"__metadata__":{"x":1},)" + w + "}",  // metadata that is no text
           R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})",
           R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})",
           R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8,8]}})",
           R"({"w":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}})",
           R"({"w":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})",
           R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,"8"]}})",
           R"({"w":{"dtype":"f32","shape":[2],"data_offsets":[0,8]}})",
           R"({"w":{"dtype":"F31","shape":[2],"data_offsets":[0,8]}})",
           R"({"w":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}})",
           R"({"w":{"dtype":"F32","shape":[4611686018427387904,4,2],"data_offsets":[0,8]}})",
           "{" + w + "," + e + "4,4]}}",  // an empty one inside another
           "[" + w + "]",
           " {" + w + "}",
           "{" + w + "} x",
           "{" + w,
           "null",
           ""}) {
    EXPECT_EQ(judge_header(header), "malformed") << header;
  }
  EXPECT_EQ(judge_header("{" + w + "," + e + "8,8]}}"), "ok");  // empty, at a border
  EXPECT_EQ(judge_header("{" + w + "," + e + "0,0]}}"), "ok");
}

TEST(JudgeTensors, RefusesOverlapsAndGaps) {
  const auto two = [](const std::string& first, const std::string& second) {
    return R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[)" + first +
           R"(]},"d":{"dtype":"F32","shape":[2],"data_offsets":[)" + second + "]}}";
  };
  EXPECT_EQ(judge_header(two("0,8", "8,16"), kTwoFloats + kTwoFloats), "ok");
  EXPECT_EQ(judge_header(two("8,16", "0,8"), kTwoFloats + kTwoFloats), "ok");
  EXPECT_EQ(judge_header(two("0,8", "0,8")), "malformed");
  EXPECT_EQ(judge_header(two("0,8", "4,12"), kTwoFloats + "abcd"), "malformed");
  EXPECT_EQ(judge_header(two("0,8", "9,17"), kTwoFloats + kTwoFloats + "a"), "malformed");
}

TEST(JudgeTensors, BoundsTheHeader) {
  const auto output = tensors_of(R"(w = { shape = [2], dtype = "f32" })");
  const std::string w = R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  const auto padded = [&](std::size_t size) {
    return safetensors(w + std::string(size - w.size(), ' '), kTwoFloats);
  };
  EXPECT_EQ(outcome(judge_text(output, padded(1 << 20))), "ok");
  EXPECT_EQ(outcome(judge_text(output, padded(3 << 20))), "malformed");
  for (const std::uint64_t length : {~0ULL, 1ULL << 63, 1ULL << 40}) {
    EXPECT_EQ(outcome(judge_text(output, little_endian(length, 8) + w + kTwoFloats)), "malformed");
  }
  // A bomb of short names is read once, in order.
  std::string bomb = "{";
  for (int i = 0; bomb.size() < (1 << 20) - 100; ++i) {
    bomb += fmt::format("\"{}\":{{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}},", i);
  }
  bomb += w.substr(1);
  EXPECT_EQ(outcome(judge_text(output, safetensors(bomb, kTwoFloats))), "malformed");
  EXPECT_EQ(outcome(judge_text(output, "")), "malformed");
  EXPECT_EQ(outcome(judge_text(output, "1234567")), "malformed");
}

TEST(JudgeTensors, KeepsNoNanPayload) {
  const auto output = tensors_of(R"(w = { shape = [1], dtype = "f32" })");
  for (const std::uint32_t bits :
       {0x7fc00000U, 0x7f800001U, 0xffc0dead, 0x7f800000U, 0xff800000U}) {
    EXPECT_EQ(outcome(judge_text(output, one_tensor("F32", "[1]", little_endian(bits, 4)))),
              "malformed")
        << bits;
  }
  const Finding zero = judge_text(output, one_tensor("F32", "[1]", little_endian(0x80000000, 4)));
  EXPECT_EQ(hex(zero.object.bytes), "00000000");
}

TEST(JudgeTensors, TakesFloatsOfAnyTypeAndNothingElseForThem) {
  const auto output = tensors_of(R"(w = { shape = [1], dtype = "bf16" })");
  EXPECT_EQ(outcome(judge_text(output, one_tensor("F64", "[1]", raw<double>({1.0})))), "ok");
  EXPECT_EQ(outcome(judge_text(output, one_tensor("F8_E4M3", "[1]", "\x38"))), "ok");
  EXPECT_EQ(outcome(judge_text(output, one_tensor("F8_E5M2", "[1]", "\x3c"))), "ok");
  EXPECT_EQ(outcome(judge_text(output, one_tensor("F8_E4M3", "[1]", "\x7f"))), "malformed");
  EXPECT_EQ(outcome(judge_text(output, one_tensor("I32", "[1]", raw<int>({1})))), "malformed");
  EXPECT_EQ(outcome(judge_text(output, one_tensor("F64", "[1]", raw<double>({1e300})))),
            "out_of_range");
}

TEST(JudgeTensors, QuantisesByTheDecimalScale) {
  const auto output = tensors_of(R"(w = { shape = [4], dtype = "i8", scale = 0.1 })");
  // 0.25 and 0.35 as doubles: the first is a tie with 0.1, the second lies below one.
  const Finding finding =
      judge_text(output, one_tensor("F64", "[4]", raw<double>({0.25, 0.35, -12.8, 12.74999})));
  ASSERT_EQ(outcome(finding), "ok");
  EXPECT_EQ(hex(finding.object.bytes), "828300ff");  // 2, 3, -128, 127, each plus 128
  EXPECT_EQ(outcome(judge_text(output, one_tensor("F64", "[4]", raw<double>({0, 0, 0, 12.75})))),
            "out_of_range");
  EXPECT_EQ(outcome(judge_text(output, one_tensor("F64", "[4]", raw<double>({0, 0, 0, 1e308})))),
            "out_of_range");
}

TEST(JudgeTensors, HoldsALargeTensorOnce) {
  const auto output = tensors_of(R"(w = { shape = [1000, 1000], dtype = "f16" }
b = { shape = [3], dtype = "bool" })");
  std::vector<float> values(1'000'000);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 2048);
  const std::string header =
      R"({"w":{"dtype":"F32","shape":[1000,1000],"data_offsets":[0,4000000]},)"
      R"("b":{"dtype":"BOOL","shape":[3],"data_offsets":[4000000,4000003]}})";
  const Finding finding =
      judge_text(output, safetensors(header, raw(values) + std::string("\1\0\1", 3)));
  ASSERT_EQ(outcome(finding), "ok");
  EXPECT_EQ(finding.object.length, 3 + 16'000'000U);
  const auto canonical = Canonical::decode(output, finding.object);
  ASSERT_TRUE(canonical);
  EXPECT_EQ(canonical->size(), canonical_size_max(output));
  EXPECT_LT(judge_memory({output}, 8 << 20), 64U << 20);
}

}  // namespace
}  // namespace coffer::gate
