#include "grant/envelope.h"

#include <gtest/gtest.h>

namespace coffer::grant {
namespace {

TEST(Envelope, HasThePreAuthenticationEncodingOfDsse) {
  EXPECT_EQ(pae("http://example.com/HelloWorld", "hello world"),
            "DSSEv1 29 http://example.com/HelloWorld 11 hello world");
}

TEST(Envelope, IsReadAsItWasWritten) {
  const auto key = SignKey::generate();
  const auto other = SignKey::generate();
  const auto envelope = countersign(sign(Kind::Limit, "{}", key), other);
  const auto read = parse_envelope(render(envelope));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(*read, envelope);
  EXPECT_TRUE(signed_by(*read, key.public_key()));
  EXPECT_TRUE(signed_by(*read, other.public_key()));
}

TEST(Envelope, SignatureCoversPayloadAndType) {
  const auto key = SignKey::generate();
  const auto envelope = sign(Kind::Limit, "{}", key);
  EXPECT_TRUE(require_signature(envelope, key.public_key()));
  auto other_type = envelope;
  other_type.kind = Kind::Card;
  EXPECT_FALSE(signed_by(other_type, key.public_key()));
  auto other_payload = envelope;
  other_payload.payload = "{ }";
  EXPECT_FALSE(signed_by(other_payload, key.public_key()));
  EXPECT_EQ(require_signature(envelope, SignKey::generate().public_key()).error().code,
            Code::Denied);
}

TEST(Envelope, CountsDistinctKeysNeverLines) {
  const auto first = SignKey::generate();
  const auto second = SignKey::generate();
  auto envelope = sign(Kind::Key, "{}", first);
  envelope.signatures.push_back(envelope.signatures.front());
  envelope.signatures.back().key_id = key_id(second.public_key());  // a hint decides nothing
  const std::vector<SignPublic> keys = {first.public_key(), first.public_key(),
                                        second.public_key()};
  EXPECT_EQ(count_signers(envelope, keys), 1U);
  EXPECT_EQ(count_signers(countersign(envelope, second), keys), 2U);
}

TEST(Envelope, CountersigningTwiceLeavesOneSignature) {
  const auto key = SignKey::generate();
  const auto envelope = sign(Kind::Key, "{}", key);
  EXPECT_EQ(countersign(envelope, key), envelope);
}

TEST(Envelope, RefusesWhatIsNoneAndNamesTheField) {
  const auto message = [](std::string_view json) { return parse_envelope(json).error().message; };
  const std::string signature = R"([{"keyid":"","sig":")" + base64(ByteVector(64)) + R"("}])";
  const std::string type = R"("payloadType":"application/vnd.cofferdam.key.v1+json")";
  EXPECT_TRUE(parse_envelope("{\"payload\":\"\"," + type + ",\"signatures\":" + signature + "}"));
  EXPECT_NE(message("{\"payload\":\"\",\"payloadType\":\"x\",\"signatures\":" + signature + "}")
                .find("payloadType"),
            std::string::npos);
  EXPECT_NE(message("{\"payload\":\"=\"," + type + ",\"signatures\":" + signature + "}")
                .find("'payload'"),
            std::string::npos);
  EXPECT_NE(message("{\"payload\":\"\"," + type + ",\"signatures\":[]}").find("signatures"),
            std::string::npos);
  EXPECT_NE(
      message("{\"payload\":\"\"," + type + ",\"signatures\":[{\"keyid\":\"\",\"sig\":\"\"}]}")
          .find("sig"),
      std::string::npos);
  EXPECT_NE(message("{\"payload\":\"\"," + type + ",\"more\":1,\"signatures\":" + signature + "}")
                .find("more"),
            std::string::npos);
  EXPECT_FALSE(parse_envelope("no JSON"));
}

}  // namespace
}  // namespace coffer::grant
