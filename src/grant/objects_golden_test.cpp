// The vectors `signed` of tests/golden/protocol.json: canonical bytes, digests, signatures.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "grant/objects.h"

namespace coffer::grant {
namespace {

const Json& golden() {
  static const Json kGolden = [] {
    std::ifstream file(COFFER_GOLDEN_DIR "/protocol.json");
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    auto json = Json::parse(text);
    return json ? *json : Json{};
  }();
  return kGolden;
}

const Json::Array& items(const Json& value) {
  static const Json::Array kEmpty;
  return value.as_array() != nullptr ? *value.as_array() : kEmpty;
}

SignKey test_key(std::string_view who) {
  const auto seed = parse_hex(golden()["signed"]["test_keys"][who].text_or("seed_hex", ""));
  return *SignKey::from_seed(*seed);
}

// Parses as the type its envelope says and writes it again.
Result<std::string> through_the_type(const Envelope& envelope) {
  switch (envelope.kind) {
    case Kind::Grant: {
      COFFER_TRY(const auto object, open<Grant>(envelope));
      return payload_of(object);
    }
    case Kind::Limit: {
      COFFER_TRY(const auto object, open<Limit>(envelope));
      return payload_of(object);
    }
    case Kind::Run: {
      COFFER_TRY(const auto object, open<Run>(envelope));
      return payload_of(object);
    }
    case Kind::Approval: {
      COFFER_TRY(const auto object, open<Approval>(envelope));
      return payload_of(object);
    }
    case Kind::Revocation: {
      COFFER_TRY(const auto object, open<Revocation>(envelope));
      return payload_of(object);
    }
    case Kind::Key:
    case Kind::Removal:
    case Kind::Manifest:
    case Kind::Card:
      break;
  }
  return Error{Code::InvalidArgument, "no sample of this kind"};
}

TEST(GoldenSigned, KeysAreThoseOfTheirSeeds) {
  ASSERT_EQ(golden()["signed"]["test_keys"].as_object()->size(), 4U);
  for (const auto& [who, key] : *golden()["signed"]["test_keys"].as_object()) {
    EXPECT_EQ(base64(test_key(who).public_key()), key.text_or("public_base64", "")) << who;
  }
}

TEST(GoldenSigned, CanonicalJson) {
  const auto& cases = items(golden()["signed"]["canonical_json"]);
  ASSERT_EQ(cases.size(), 6U);
  for (const Json& one : cases) {
    const auto input = one.text_or("input_json", "");
    EXPECT_EQ(Json::parse(input)->canonical(), one.text_or("canonical", "")) << input;
  }
}

TEST(GoldenSigned, PreAuthenticationEncoding) {
  const Json& one = golden()["signed"]["pae_check"];
  EXPECT_EQ(pae(one.text_or("type", ""), one.text_or("body", "")), one.text_or("pae", "-"));
}

TEST(GoldenSigned, ObjectsHaveTheseBytesDigestsAndSignatures) {
  const auto& cases = items(golden()["signed"]["objects"]);
  ASSERT_EQ(cases.size(), 6U);
  for (const Json& one : cases) {
    SCOPED_TRACE(one.text_or("title", ""));
    const Json& expect = one["expect"];
    const auto canonical = one["object"].canonical();
    EXPECT_EQ(canonical, expect.text_or("canonical", ""));
    EXPECT_EQ(hex(sha256(canonical).bytes), expect.text_or("canonical_sha256", ""));

    const auto envelope = parse_envelope(expect["envelope"].canonical());
    ASSERT_TRUE(envelope) << envelope.error().message;
    const auto type = payload_type(envelope->kind);
    EXPECT_EQ(type, expect.text_or("payload_type", ""));
    EXPECT_EQ(base64(bytes_of(pae(type, canonical))), expect.text_or("pae_base64", ""));
    EXPECT_EQ(hex(sha256(pae(type, canonical)).bytes), expect.text_or("pae_sha256", ""));

    const auto key = test_key(one.text_or("signer", ""));
    EXPECT_TRUE(signed_by(*envelope, key.public_key()));
    EXPECT_EQ(render(sign(envelope->kind, canonical, key)), expect["envelope"].canonical());

    const auto again = through_the_type(*envelope);
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(*again, canonical);
  }
}

TEST(GoldenSigned, RefusedEnvelopesAreRefusedForTheirReason) {
  const auto& cases = items(golden()["signed"]["refused"]);
  ASSERT_EQ(cases.size(), 10U);
  const std::map<std::string, std::string> wanted = {{"canonical form", "canonical"},
                                                     {"unknown field", "'zz' is unknown"},
                                                     {"missing field", "'exclusive' is missing"},
                                                     {"integers only", "integers"},
                                                     {"duplicate key", "twice"}};
  for (const Json& one : cases) {
    const auto why = one.text_or("why", "");
    SCOPED_TRACE(one.text_or("title", ""));
    const auto envelope = parse_envelope(one["envelope"].canonical());
    ASSERT_TRUE(envelope) << envelope.error().message;
    const auto key = *parse_key32(one.text_or("verify_with", ""));
    const bool is_signed = signed_by(*envelope, key);
    EXPECT_EQ(is_signed, why != "signature");
    const auto object = open<Grant>(*envelope);
    EXPECT_FALSE(is_signed && object.has_value());
    if (why == "signature") continue;
    ASSERT_FALSE(object);
    EXPECT_NE(object.error().message.find(wanted.at(why)), std::string::npos)
        << object.error().message;
  }
}

TEST(GoldenCommitments, AreTheHashOfNonceAndPrivateBytes) {
  const auto& cases = items(golden()["ledger_commitments"]["samples"]);
  ASSERT_EQ(cases.size(), 7U);
  for (const Json& one : cases) {
    SCOPED_TRACE(one.text_or("title", ""));
    const auto nonce = *parse_hex(one.text_or("nonce_hex", ""));
    if (one["expect"].has("refused")) {
      EXPECT_FALSE(Digest::from_bytes(nonce));  // 31 bytes are no nonce
      continue;
    }
    std::string text = one.text_or("private_base64", "");
    ByteVector bytes = *parse_base64(text);
    if (const auto* repeat = one["private_repeat"].as_array()) {
      bytes.assign(static_cast<std::size_t>(*(*repeat)[1].as_uint()), std::byte{'x'});
    }
    const auto commitment = Sha256{}.update(nonce).update(bytes).finish();
    EXPECT_EQ(hex(commitment.bytes), one["expect"].text_or("commitment_hex", ""));
    const Json& leaf = one["expect"]["leaf_of_public_then_commitment"];
    const auto entry = *parse_base64(leaf.text_or("public_base64", ""));
    const std::byte zero{0};
    const auto hash =
        Sha256{}.update(ByteView{&zero, 1}).update(entry).update(commitment.bytes).finish();
    EXPECT_EQ(hex(hash.bytes), leaf.text_or("leaf_hex", ""));
  }
}

}  // namespace
}  // namespace coffer::grant
