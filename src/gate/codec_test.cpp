#include "gate/codec.h"

#include <bit>
#include <cmath>
#include <random>

#include "gate/canonical.h"
#include "gate/detail/floats.h"
#include "gate/testing.h"

namespace coffer::gate {
namespace {

using Random = std::mt19937_64;  // seeded: every run is the same

const std::string kStages = R"(rows_max = 20
columns = [
  { name = "stage", values = ["I", "II", "III", "IV"], key = true },
  { name = "n",     min = 0, max = 100000, digits = 0 },
  { name = "mean",  min = 0, max = 500,    digits = 1, optional = true },
])";

TEST(Codec, WritesTheWorkedExampleOfItsDocument) {
  const auto output = metrics_of(R"(accuracy = { min = 0, max = 1, digits = 3 }
rows = { min = 0, max = 1000000, digits = 0 }
stage = { values = ["fit", "skipped"] })");
  const Finding finding =
      judge_text(output, R"({"stage": "fit", "accuracy": 0.9473684210526315, "rows": 569})");
  EXPECT_EQ(finding.object.length, 31U);
  EXPECT_EQ(hex(finding.object.bytes), "ecc008e4");
  const auto canonical = Canonical::decode(output, finding.object);
  ASSERT_TRUE(canonical);
  EXPECT_EQ(*canonical->text(), "{\"accuracy\":0.947,\"rows\":569,\"stage\":\"fit\"}\n");
}

TEST(Codec, WritesATableAsItsDocumentSays) {
  const auto output = table_of(kStages);
  const Finding finding = judge_text(output, "n,stage,mean\n40,III,12.35\n100,I,\n");
  // 00010 | 00 00000000001100100 1001110001001 (I, 100, null) | 10 00000000000101000 0000001111100
  EXPECT_EQ(finding.object.length, 5 + 2 * (2 + 17 + 13U));
  EXPECT_EQ(hex(finding.object.bytes), "1000649c4c002803e0");
}

// A random object of a declaration, as codes.
Codes random_codes(const std::vector<const program::Domain*>& domains, Random& random) {
  Codes codes;
  for (const auto* domain : domains) codes.push_back(random() % program::value_count(*domain));
  return codes;
}

TEST(Codec, DecodesWhatItEncodedAndNothingElseOfThatLength) {
  const auto output = metrics_of(R"(a = { min = -3, max = 3, digits = 1, optional = true }
b = { values = ["x", "y", "z"] }
c = { min = 0, max = 1000000000000000000, digits = 0 })");
  const auto& metrics = std::get<program::Metrics>(output.body);
  std::vector<const program::Domain*> domains;
  for (const auto& field : metrics.fields) domains.push_back(&field.domain);
  Random random{1};
  for (int step = 0; step < 2000; ++step) {
    const Codes codes = random_codes(domains, random);
    const BitString string = encode_metrics(metrics, codes);
    ASSERT_EQ(string.length, program::object_bits_max(output));
    const auto back = decode_metrics(metrics, string);
    ASSERT_TRUE(back);
    ASSERT_EQ(*back, codes);
    // Any one bit turned gives another value or none, never the same.
    BitString other = string;
    const std::uint64_t bit = random() % string.length;
    other.bytes[bit / 8] ^= static_cast<std::byte>(0x80 >> bit % 8);
    const auto changed = decode_metrics(metrics, other);
    ASSERT_TRUE(!changed || *changed != codes);
  }
}

TEST(Codec, AnswersEveryStringWithOneValueOrNone) {
  const auto output = table_of(kStages);
  const auto& table = std::get<program::Table>(output.body);
  Random random{2};
  int valid = 0;
  for (int step = 0; step < 20000; ++step) {
    const std::uint64_t rows = random() % 3;
    BitString string{ByteVector((program::table_bits(table, rows) + 7) / 8),
                     program::table_bits(table, rows)};
    for (auto& byte : string.bytes) byte = static_cast<std::byte>(random());
    if (step % 2 == 0) string.bytes[0] = static_cast<std::byte>(rows << 3 | random() % 8);
    const auto spare = 8 * string.bytes.size() - string.length;
    if (step % 4 == 0) string.bytes.back() &= static_cast<std::byte>(0xff << spare);
    const auto decoded = decode_table(table, string);
    if (!decoded) continue;
    ++valid;
    ASSERT_EQ(encode_table(table, *decoded), string);
  }
  EXPECT_GT(valid, 100);
}

TEST(Codec, RefusesStringsThatNoWriterMakes) {
  const auto output = table_of(kStages);
  const auto& table = std::get<program::Table>(output.body);
  const Codes sorted{0, 5, 5001, 1, 7, 3};  // stages I and II, one mean null
  const BitString good = encode_table(table, sorted);
  EXPECT_TRUE(check_object(output, good));
  EXPECT_FALSE(check_object(output, encode_table(table, {1, 7, 3, 0, 5, 5001})));  // unsorted
  EXPECT_FALSE(check_object(output, encode_table(table, {1, 7, 3, 1, 8, 3})));     // a key twice
  EXPECT_FALSE(check_object(output, encode_table(table, {0, 100001, 3})));         // above max
  EXPECT_FALSE(check_object(output, encode_table(table, {0, 1, 5002})));           // above null
  BitString longer = good;
  longer.length += 1;
  EXPECT_FALSE(check_object(output, longer));
  BitString filled = good;
  filled.bytes.back() |= std::byte{1};
  EXPECT_FALSE(check_object(output, filled));
  BitString rows = good;
  rows.bytes[0] = std::byte{0xff};  // 31 rows of 20
  EXPECT_FALSE(check_object(output, rows));
  EXPECT_FALSE(check_object(output, BitString{}));
}

TEST(Codec, NullStandsFirstInATableAndLastAmongCodes) {
  const auto output = table_of(R"(rows_max = 5
columns = [ { name = "k", min = 0, max = 9, digits = 0, key = true, optional = true } ])");
  const Finding finding = judge_text(output, "k\n3\n\"\"\n0\n");
  ASSERT_EQ(outcome(finding), "ok");
  EXPECT_EQ(*decode_table(std::get<program::Table>(output.body), finding.object),
            (Codes{10, 0, 3}));
  EXPECT_EQ(*Canonical::decode(output, finding.object)->text(), "k\n\"\"\n0\n3\n");
}

TEST(Codec, TakesOnlyFiniteFloatsWithoutMinusZero) {
  const auto output = tensors_of(R"(w = { shape = [1], dtype = "f16" })");
  const auto takes = [&](std::uint64_t bits) {
    BitWriter out;
    out.put(bits, 16);
    return check_object(output, std::move(out).take()).has_value();
  };
  EXPECT_TRUE(takes(0x0000));
  EXPECT_FALSE(takes(0x8000));  // -0
  EXPECT_TRUE(takes(0x8001));
  EXPECT_TRUE(takes(0x7bff));   // 65504
  EXPECT_FALSE(takes(0x7c00));  // infinity
  EXPECT_FALSE(takes(0xfe01));  // NaN
}

TEST(Floats, RoundOnceToTheNearestTiesToEven) {
  // Every f16 and bf16 is itself; what lies between two goes to the nearer, halfway to the even
  // one.
  for (const FloatFormat format : {kFloat16, kBfloat16}) {
    for (std::uint32_t bits = 0; bits < 0x7fff; ++bits) {
      if (!is_canonical_float(format, bits)) continue;
      const double value = value_of(format, bits);
      ASSERT_EQ(round_to(format, value), bits);
      ASSERT_EQ(round_to(format, -value), bits == 0 ? 0 : bits | 0x8000);
      if (!is_canonical_float(format, bits + 1)) continue;
      const double middle = (value + value_of(format, bits + 1)) / 2;
      ASSERT_EQ(round_to(format, middle), bits % 2 == 0 ? bits : bits + 1);
      ASSERT_EQ(round_to(format, std::nextafter(middle, 0.0)), bits);
      ASSERT_EQ(round_to(format, std::nextafter(middle, HUGE_VAL)), bits + 1);
    }
  }
  EXPECT_EQ(round_to(kFloat16, 65519.99), 0x7bffU);
  EXPECT_FALSE(round_to(kFloat16, 65520));
  EXPECT_FALSE(round_to(kFloat32, std::nan("")));
  EXPECT_FALSE(round_to(kFloat32, -HUGE_VAL));
}

TEST(Floats, AgreeWithTheMachineOnSingles) {
  Random random{3};
  for (int step = 0; step < 200000; ++step) {
    const auto value = std::bit_cast<double>(random() & 0xc7ffffffffffffff);
    const auto single = static_cast<float>(value);
    const auto bits = round_to(kFloat32, value);
    if (!std::isfinite(single)) {
      ASSERT_FALSE(bits);
    } else {
      ASSERT_EQ(*bits, single == 0 ? 0U : std::bit_cast<std::uint32_t>(single));
      ASSERT_EQ(value_of(kFloat32, *bits), static_cast<double>(single));
    }
  }
}

TEST(Floats, CountValuesBetween) {
  EXPECT_EQ(count_between(kFloat16, 1, 2), 1025U);
  EXPECT_EQ(count_between(kFloat16, -1, 1), 2 * 0x3c00 + 1U);
  EXPECT_EQ(count_between(kFloat16, 3, 3), 1U);
  EXPECT_EQ(count_between(kFloat16, 2, 1), 0U);
  EXPECT_EQ(value_of_e4m3(0x7e), 448);
  EXPECT_TRUE(std::isnan(value_of_e4m3(0xff)));
  EXPECT_EQ(value_of(kFloat8E5, 0x7b), 57344);
}

}  // namespace
}  // namespace coffer::gate
