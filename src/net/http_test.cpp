#include "net/http.h"

#include <gtest/gtest.h>

#include "net/test_net.h"

namespace coffer::net {
namespace {

TEST(Target, IsDecodedOnceIntoPlainSegments) {
  const auto target = Target::parse("/v1/datasets/clinic/t%C3%BCmours?q=a+b%26c&empty=&flag");
  ASSERT_TRUE(target);
  EXPECT_EQ(target->path, "/v1/datasets/clinic/t\xc3\xbcmours");
  EXPECT_EQ(target->segments,
            (std::vector<std::string>{"v1", "datasets", "clinic", "t\xc3\xbcmours"}));
  EXPECT_EQ(target->find("q"), "a b&c");
  EXPECT_EQ(target->find("empty"), "");
  EXPECT_EQ(target->find("flag"), "");
  EXPECT_EQ(target->find("other"), std::nullopt);
  EXPECT_EQ(Target::parse("/%252e%252e")->path, "/%2e%2e") << "decoded once, not twice";
  EXPECT_TRUE(Target::parse("/")->segments.empty());
  EXPECT_EQ(Target::parse("/v1/")->segments.size(), 1U);
}

TEST(Target, RefusesWhatCouldMeanSomethingElse) {
  for (const auto* text : {"", "v1", "*", "//", "/a//b", "/.", "/a/..", "/a/%2E%2E/b", "/a%2Fb",
                           "/a%5", "/%zz", "/a%00", "/a%0Ab", "/a?b=%00", "/%C3"}) {
    EXPECT_FALSE(Target::parse(text)) << text;
  }
}

TEST(Percent, EncodingIsUndoneByDecoding) {
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  EXPECT_EQ(*percent_decode(percent_encode(all)), all);
  EXPECT_EQ(percent_encode("org/name@v1 ~"), "org%2Fname%40v1%20~");
}

TEST(Headers, AreFoundWhateverTheirCaseAndHoldNoLineEnds) {
  Headers headers{{"Content-Type", "text/plain"}};
  headers.add("X", "a\r\nSet-Cookie: b");
  EXPECT_EQ(headers.get("content-TYPE"), "text/plain");
  EXPECT_EQ(headers.get("x"), "a  Set-Cookie: b");
  headers.set("x", "c").add("X", "d");
  EXPECT_EQ(headers.count("X"), 2U);
  EXPECT_EQ(headers.get("X"), "c");
}

struct Ranged {
  int status;
  std::uint64_t offset;
  std::uint64_t length;
};

Ranged range_of(std::string_view range, std::string_view method = "GET") {
  Head head;
  head.method = method;
  head.headers.add("Range", range);
  const Response response = file_response(head, file_with("0123456789"), 10, "text/plain");
  const auto* file = std::get_if<FileRange>(&response.body);
  return file == nullptr ? Ranged{response.status, 0, 0}
                         : Ranged{response.status, file->offset, file->length};
}

void expect_range(std::string_view range, Ranged wanted) {
  const Ranged got = range_of(range);
  EXPECT_EQ(got.status, wanted.status) << range;
  EXPECT_EQ(got.offset, wanted.offset) << range;
  EXPECT_EQ(got.length, wanted.length) << range;
}

TEST(FileResponse, AnswersOneRange) {
  expect_range("bytes=0-0", {206, 0, 1});
  expect_range("bytes=3-", {206, 3, 7});
  expect_range("bytes=3-99", {206, 3, 7});
  expect_range("bytes=-4", {206, 6, 4});
  expect_range("bytes=-99", {206, 0, 10});
  expect_range("bytes=9-9", {206, 9, 1});
  expect_range("bytes=10-", {416, 0, 0});
  expect_range("bytes=-0", {416, 0, 0});
  for (const auto* whole :
       {"bytes=5-3", "bytes=1-2,4-5", "lines=1-2", "bytes=a-b", "bytes=-", "bytes="}) {
    expect_range(whole, {200, 0, 10});
  }
  EXPECT_EQ(range_of("bytes=3-", "HEAD").status, 200);
}

}  // namespace
}  // namespace coffer::net
