#include "base/text.h"

#include <gtest/gtest.h>

namespace coffer {
namespace {

TEST(Text, EncodingsOfRfc4648) {
  EXPECT_EQ(base64(bytes_of("")), "");
  EXPECT_EQ(base64(bytes_of("f")), "Zg==");
  EXPECT_EQ(base64(bytes_of("fooba")), "Zm9vYmE=");
  EXPECT_EQ(base64(bytes_of("foobar")), "Zm9vYmFy");
  EXPECT_EQ(base32(bytes_of("foobar")), "mzxw6ytboi");
  EXPECT_EQ(base32(bytes_of("f")), "my");
  EXPECT_EQ(hex(bytes_of("\x01\xab")), "01ab");
}

TEST(Text, DecodingIsTheInverseAndStrict) {
  for (const std::string text : {"", "a", "ab", "abc", "abcd"}) {
    EXPECT_EQ(text_of(*parse_base64(base64(bytes_of(text)))), text);
    EXPECT_EQ(text_of(*parse_hex(hex(bytes_of(text)))), text);
  }
  for (const std::string bad : {"Zg", "Zh==", "Zg=a", "Z===", "====", "Zg==Zg==", "Z g="}) {
    EXPECT_FALSE(parse_base64(bad)) << bad;
  }
  EXPECT_FALSE(parse_hex("0"));
  EXPECT_FALSE(parse_hex("0G"));
  EXPECT_FALSE(parse_hex("AB"));
}

TEST(Text, QuantitiesWithUnits) {
  EXPECT_EQ(*parse_count("64k"), 64'000U);
  EXPECT_EQ(*parse_count("94M"), 94'000'000U);
  EXPECT_EQ(*parse_size("1GiB"), 1ULL << 30);
  EXPECT_EQ(*parse_size("4096"), 4096U);
  EXPECT_EQ(parse_duration("10m")->count(), 600);
  for (const std::string bad :
       {"", "k", "-1", "1.5k", "1kk", "99999999999999999999", "20000000000G"}) {
    EXPECT_FALSE(parse_count(bad)) << bad;
  }
  EXPECT_FALSE(parse_duration("0s"));
  EXPECT_FALSE(parse_duration("10"));
  EXPECT_EQ(render_size(64ULL << 20), "64 MiB");
  EXPECT_EQ(render_size(1536), "1.5 KiB");
  EXPECT_EQ(render_duration(std::chrono::seconds{600}), "10m");
  EXPECT_EQ(render_count(64000), "64,000");
}

TEST(Text, TimesOfRfc3339) {
  EXPECT_EQ(render_time(*parse_time("2026-03-01T09:30:00Z")), "2026-03-01T09:30:00Z");
  EXPECT_EQ(render_time(*parse_date_end("2027-01-31")), "2027-02-01T00:00:00Z");
  EXPECT_EQ(render_time(*parse_time("2399-12-31T23:59:59Z")), "2399-12-31T23:59:59Z");
  EXPECT_EQ(render_time(*parse_time("1012-01-02T03:04:05Z")), "1012-01-02T03:04:05Z");
  EXPECT_EQ(render_time(*parse_date_end("2028-02-29")), "2028-03-01T00:00:00Z");
  for (const std::string bad : {"2026-03-01 09:30:00Z", "2026-02-30T00:00:00Z",
                                "2026-03-01T24:00:00Z", "2026-03-01T09:30:00+00:00", ""}) {
    EXPECT_FALSE(parse_time(bad)) << bad;
  }
  EXPECT_FALSE(parse_date_end("2027-02-29"));
}

TEST(Text, Utf8IsStrict) {
  EXPECT_TRUE(is_utf8("\xe7\x94\x9f\xf0\x9f\x8c\x8a"));
  for (const std::string bad :
       {"\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe7\x94", "\x80"}) {
    for (std::size_t before = 0; before < 20; ++before) {
      const std::string text = std::string(before, 'a') + bad;
      EXPECT_FALSE(is_utf8(text)) << before;
      EXPECT_FALSE(is_utf8("\xc3\xb6" + text + "aaaaaaaaa")) << before;
      EXPECT_TRUE(is_utf8(std::string(before, 'a') + "\xc3\xb6" + std::string(before, 'b')));
    }
  }
}

TEST(Text, NearestNameIsNearOrNone) {
  EXPECT_EQ(nearest("mem", {"memory", "time", "cpus"}), "");
  EXPECT_EQ(nearest("memroy", {"memory", "time", "cpus"}), "memory");
  EXPECT_EQ(nearest("tme", {"memory", "time", "cpus"}), "time");
}

TEST(Text, PrintableHidesEscapes) { EXPECT_EQ(printable("a\x1b[31mb\n"), "a?[31mb?"); }

}  // namespace
}  // namespace coffer
