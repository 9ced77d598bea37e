#include "grant/permit.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "grant/objects.h"

namespace coffer::grant {
namespace {

struct Sample {
  SealKey worker = SealKey::generate();
  Key version_key = random_key();
  PermitAnswer answer;

  Sample() {
    answer.run_payload = "{}";
    answer.run = sha256("{}");
    answer.attempt = 2;
    answer.time_left_s = 599;
    answer.exclusive = true;
    answer.inputs.push_back({"tumours", "ds_aaaaaaaaaaaaaaaa", sha256("m"), sha256("c"),
                             sha256("l"), *seal_to(worker.public_key(), version_key.expose())});
    answer.inputs.push_back(
        {"base", "ds_bbbbbbbbbbbbbbbb", sha256("n"), sha256("d"), sha256("k"), {}});
  }
};

TEST(Permit, SaysWhatTheKeeperWrote) {
  const Sample sample;
  const auto permit = Permit::decode(encode_permit(sample.answer), sample.worker);
  ASSERT_TRUE(permit) << permit.error().message;
  EXPECT_EQ(permit->run(), sha256("{}"));
  EXPECT_EQ(permit->attempt(), 2U);
  EXPECT_EQ(permit->time_left_s(), 599U);
  EXPECT_TRUE(permit->exclusive());
  EXPECT_EQ(permit->run_payload(), "{}");
  ASSERT_NE(permit->input("tumours"), nullptr);
  EXPECT_TRUE(*permit->input("tumours")->version_key == sample.version_key);
  EXPECT_EQ(permit->input("tumours")->chunk_list, sha256("l"));
  EXPECT_FALSE(permit->input("base")->version_key.has_value());
  EXPECT_EQ(permit->input("other"), nullptr);
}

TEST(Permit, OpensForNoOtherWorker) {
  const Sample sample;
  EXPECT_FALSE(Permit::decode(encode_permit(sample.answer), SealKey::generate()));
}

TEST(Permit, RefusesARunThatIsNotTheOneNamed) {
  Sample sample;
  sample.answer.run_payload = "{\"retry\":1}";
  EXPECT_FALSE(Permit::decode(encode_permit(sample.answer), sample.worker));
}

TEST(Permit, RefusesEveryProperPrefixAndALongerAnswer) {
  const Sample sample;
  auto bytes = encode_permit(sample.answer);
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_FALSE(Permit::decode(ByteView{bytes}.first(length), sample.worker)) << length;
  }
  bytes.push_back(std::byte{0});
  EXPECT_FALSE(Permit::decode(bytes, sample.worker));
}

TEST(VersionKey, OpensOnlyForWhatItIsBoundTo) {
  const auto keeper = SealKey::generate();
  const auto key = random_key();
  const VersionKeyBinding binding{"ds_aaaaaaaaaaaaaaaa", SignKey::generate().public_key(),
                                  sha256("manifest")};
  const auto sealed = *seal_version_key(keeper.public_key(), key, binding);
  const auto opened = open_version_key(keeper, sealed, binding);
  ASSERT_TRUE(opened);
  EXPECT_TRUE(*opened == key);

  auto other = binding;
  other.dataset_id.back() = 'b';
  EXPECT_EQ(open_version_key(keeper, sealed, other).error().code, Code::Denied);
  other = binding;
  other.owner_key.front() ^= std::byte{1};
  EXPECT_EQ(open_version_key(keeper, sealed, other).error().code, Code::Denied);
  other = binding;
  other.manifest = sha256("another");
  EXPECT_EQ(open_version_key(keeper, sealed, other).error().code, Code::Denied);
  EXPECT_EQ(open_version_key(SealKey::generate(), sealed, binding).error().code, Code::Corrupt);
}

}  // namespace
}  // namespace coffer::grant
