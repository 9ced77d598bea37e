#include "env/messages.h"

#include <gtest/gtest.h>

namespace coffer::env {
namespace {

Result<Spec> spec(std::string_view text) {
  COFFER_TRY(const Json json, Json::parse(text));
  return Spec::parse(json);
}

std::string refusal(std::string_view text) {
  const auto parsed = spec(text);
  return parsed ? "accepted" : parsed.error().message;
}

const Digest kDigest = sha256("archive");

TEST(Messages, EveryRequestComesBackAsItWasSent) {
  const std::vector<Request> requests{
      Build{"python-sklearn", R"({"preset":"sklearn"})"},
      Archive{kDigest, 4096, {std::byte{1}, std::byte{2}}},
      Cancel{"python-sklearn"},
      Remove{kDigest},
  };
  for (const auto& request : requests) {
    const auto decoded = decode_request(encode(request));
    ASSERT_TRUE(decoded);
    EXPECT_EQ(*decoded, request);
  }
}

TEST(Messages, EveryEventComesBackAsItWasSent) {
  const std::vector<Event> events{
      Progress{"a", Stage::Packages, 40, "Collecting numpy"},
      Built{"a", kDigest, 1234567, 17, "{}"},
      Failed{"a", Code::Unavailable, "the index could not be reached"},
      Removed{kDigest},
  };
  for (const auto& event : events) {
    const auto decoded = decode_event(encode(event));
    ASSERT_TRUE(decoded);
    EXPECT_EQ(*decoded, event);
  }
}

TEST(Messages, NoShortenedRecordAndNoLongerOneIsAccepted) {
  ByteVector record = encode(Request{Build{"a", "{}"}});
  for (std::size_t length = 0; length < record.size(); ++length) {
    EXPECT_FALSE(decode_request(ByteView{record}.first(length))) << length;
  }
  record.push_back(std::byte{0});
  EXPECT_FALSE(decode_request(record));
}

TEST(Messages, AnEventIsNoRequest) {
  EXPECT_FALSE(decode_request(encode(Event{Removed{kDigest}})));
  EXPECT_FALSE(decode_event(encode(Request{Cancel{"a"}})));
}

TEST(Messages, AStageOrPercentThatDoesNotExistIsRefused) {
  ByteVector record = encode(Event{Progress{"", Stage::Seal, 100, ""}});
  EXPECT_TRUE(decode_event(record));
  record[6] = std::byte{101};
  EXPECT_FALSE(decode_event(record));
  record[6] = std::byte{100};
  record[5] = std::byte{5};
  EXPECT_FALSE(decode_event(record));
}

TEST(Spec, JsonAndParseAreInverse) {
  for (const std::string text :
       {R"({"preset":"sklearn"})",
        R"({"apt":["libgl1","g++"],"pip":["numpy==2.4.6","pandas>=2,<4"]})",
        R"({"requirements":"numpy\nscipy # sums\n"})"}) {
    const auto parsed = spec(text);
    ASSERT_TRUE(parsed) << text;
    EXPECT_EQ(parsed->json().canonical(), text);
  }
  const Spec image{.oci = kDigest};
  EXPECT_EQ(*Spec::parse(image.json()), image);
}

TEST(Spec, WantsExactlyOneSource) {
  EXPECT_EQ(refusal("{}"), "spec: wants exactly one of preset, pip, requirements, oci");
  EXPECT_EQ(refusal(R"({"preset":"sklearn","pip":["numpy"]})"),
            "spec: wants exactly one of preset, pip, requirements, oci");
  EXPECT_EQ(refusal(R"({"preset":"sklearn"})"), "accepted");
}

TEST(Spec, NamesTheNearestPreset) {
  EXPECT_NE(refusal(R"({"preset":"sklaern"})").find("did you mean sklearn?"), std::string::npos);
}

TEST(Spec, PipTakesPackagesOfTheIndexAndNothingElse) {
  EXPECT_EQ(refusal(R"({"pip":["pandas[parquet]>=2; python_version<'3.12'"]})"), "accepted");
  for (const std::string bad : {"--index-url=https://evil", "-r", "../x", "/x", "git+https://x/y",
                                "x @ https://x/y.whl", "x\\ny", ""}) {
    EXPECT_NE(refusal(R"({"pip":[")" + bad + R"("]})"), "accepted") << bad;
  }
}

TEST(Spec, RequirementsMayHashAndCommentButNotPointElsewhere) {
  const auto with = [](const std::string& text) {
    return refusal(Json::object({{"requirements", text}}).canonical());
  };
  EXPECT_EQ(with("# pinned\nnumpy==2.4.6 \\\n    --hash=sha256:00ff\nscipy # for sums\n"),
            "accepted");
  EXPECT_NE(with("numpy\n--extra-index-url https://evil/\n"), "accepted");
  EXPECT_NE(with("numpy --hash=sha256:00 --extra-index-url=https://evil/\n"), "accepted");
  EXPECT_NE(with("-e .\n"), "accepted");
  EXPECT_NE(with("https://x/y.whl\n"), "accepted");
  EXPECT_NE(with("  \n"), "accepted");
}

TEST(Spec, AptTakesNamesAndNoRemovals) {
  EXPECT_EQ(refusal(R"({"preset":"sklearn","apt":["g++","libgl1=1.6.0-1"]})"), "accepted");
  EXPECT_NE(refusal(R"({"preset":"sklearn","apt":["coreutils-"]})"), "accepted");
  EXPECT_NE(refusal(R"({"preset":"sklearn","apt":["--force"]})"), "accepted");
  EXPECT_NE(refusal(R"({"preset":"sklearn","apt":["./local.deb"]})"), "accepted");
}

TEST(Spec, AnUnknownMemberIsNamed) {
  EXPECT_NE(refusal(R"({"preset":"sklearn","conda":true})").find("conda"), std::string::npos);
}

TEST(Names, AreLowerCaseAndShort) {
  EXPECT_TRUE(is_environment_name("python-sklearn"));
  EXPECT_FALSE(is_environment_name(""));
  EXPECT_FALSE(is_environment_name("-x"));
  EXPECT_FALSE(is_environment_name("Python"));
  EXPECT_TRUE(is_environment_name(std::string(63, 'a')));
  EXPECT_FALSE(is_environment_name(std::string(64, 'a')));
}

}  // namespace
}  // namespace coffer::env
