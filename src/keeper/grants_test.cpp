#include <gtest/gtest.h>

#include "keeper/test_world.h"

namespace coffer::keeper::test {
namespace {

using grant::DataClass;

struct Owner : World {
  Person& stew = person("stew");
  Person& ada = person("ada");
  Person& rex = person("rex");
  Person& rob = person("rob");
  Person& mal = person("mal");

  SetCard card(const Digest& manifest, DataClass data_class = DataClass::General,
               std::uint64_t sequence = 1) {
    auto object = card_object(stew, kId, manifest);
    object.data_class = data_class;
    object.sequence = sequence;
    return {seed(), render(grant::sign(object, stew.sign))};
  }
  SetLimit limit(std::uint64_t bits, std::uint64_t sequence,
                 const std::function<void(grant::Limit&)>& change = {}) {
    auto object = limit_object(stew, kId, bits);
    object.sequence = sequence;
    if (change) change(object);
    return {seed(), render(grant::sign(object, stew.sign))};
  }
  grant::Grant with_bits(std::uint64_t bits) {
    auto terms = grant_object(stew, kId, ada);
    terms.budgets.bits = bits;
    return terms;
  }
};

TEST(Manifests, FirstOnePinsItsOwner) {
  Owner world;
  const auto manifest = world.manifest_object(world.stew, kId);
  EXPECT_EQ(world.rule(world.add_manifest(world.mal, manifest)), "not_signed");
  world.append(world.add_manifest(world.stew, manifest));
  auto next = world.manifest_object(world.mal, kId);
  next.version = 2;
  next.parent = digest_of(manifest);
  EXPECT_EQ(world.rule(world.add_manifest(world.mal, next)), "not_owner");
  next = world.manifest_object(world.stew, kId);
  next.version = 2;
  next.parent = digest_of(manifest);
  EXPECT_EQ(world.rule(world.add_manifest(world.stew, next)), "");
}

TEST(Manifests, VersionsFormAChain) {
  Owner world;
  const auto first = world.manifest_object(world.stew, kId);
  world.append(world.add_manifest(world.stew, first));
  EXPECT_EQ(world.rule(world.add_manifest(world.stew, first)), "already_there");
  auto next = first;
  next.version = 3;
  next.parent = digest_of(first);
  EXPECT_EQ(world.rule(world.add_manifest(world.stew, next)), "not_next");
  next.version = 2;
  next.parent = sha256("another");
  EXPECT_EQ(world.rule(world.add_manifest(world.stew, next)), "not_next");
  next.parent = digest_of(first);
  next.name = "clinic/renamed";
  EXPECT_EQ(world.rule(world.add_manifest(world.stew, next)), "not_next");
  next.name = first.name;
  next.is_public = true;
  EXPECT_EQ(world.rule(world.add_manifest(world.stew, next)), "not_next");
  next.is_public = false;
  EXPECT_EQ(world.rule(world.add_manifest(world.stew, next)), "");
}

TEST(Manifests, VersionKeyIsSealedToTheKeeperAndBound) {
  Owner world;
  const auto manifest = world.manifest_object(world.stew, kId);
  auto op = world.add_manifest(world.stew, manifest);
  const auto good = op.sealed_key;
  op.sealed_key.clear();
  EXPECT_EQ(world.rule(op), "bad_version_key");
  op.sealed_key = *seal_to(world.keeper_key, sha256("a bare key").bytes);
  EXPECT_EQ(world.rule(op), "bad_version_key");
  op.sealed_key = *grant::seal_version_key(world.keeper_key, random_key(),
                                           {kId, manifest.owner_key, sha256("another version")});
  EXPECT_EQ(world.rule(op), "bad_version_key");
  op.sealed_key = good;
  EXPECT_EQ(world.rule(op), "");
}

TEST(Manifests, PublicDataHasNoKeyAndTakesNoLimitOrGrant) {
  Owner world;
  auto manifest = world.manifest_object(world.stew, kId);
  manifest.is_public = true;
  auto op = world.add_manifest(world.stew, manifest);
  op.sealed_key = ByteVector(10);
  EXPECT_EQ(world.rule(op), "bad_version_key");
  op.sealed_key.clear();
  EXPECT_EQ(world.rule(op), "");
  EXPECT_EQ(world.rule(world.limit(100, 1)), "public_data");
  EXPECT_EQ(world.rule(world.add_grant(world.stew, world.with_bits(1))), "public_data");
}

TEST(Limits, ComeAfterTheCardAndBeforeTheGrant) {
  Owner world;
  const auto manifest = world.manifest_object(world.stew, kId);
  EXPECT_EQ(world.rule(world.limit(100, 1)), "no_such_dataset");
  world.append(world.add_manifest(world.stew, manifest));
  EXPECT_EQ(world.rule(world.limit(100, 1)), "ungraded");
  EXPECT_EQ(world.rule(world.add_grant(world.stew, world.with_bits(64))), "ungraded");
  EXPECT_EQ(world.rule(world.card(sha256("no version"))), "no_such_version");
  world.append(world.card(digest_of(manifest)));
  EXPECT_EQ(world.rule(world.add_grant(world.stew, world.with_bits(64))), "no_limit");
  world.append(world.limit(100, 1));
  EXPECT_EQ(world.rule(world.add_grant(world.stew, world.with_bits(64))), "");
}

TEST(Limits, AndCardsAreNotReplayed) {
  Owner world;
  const auto manifest = world.dataset(world.stew, kId, 1000);
  EXPECT_EQ(world.rule(world.limit(2000, 1)), "old_sequence");
  EXPECT_EQ(world.rule(world.limit(2000, 5)), "");
  EXPECT_EQ(world.rule(world.limit(1000, 4)), "old_sequence");
  EXPECT_EQ(world.rule(world.card(manifest, DataClass::General, 1)), "old_sequence");
  EXPECT_EQ(world.rule(world.card(manifest, DataClass::General, 2)), "");
}

TEST(Limits, AreTheOwners) {
  Owner world;
  world.dataset(world.stew, kId, 1000);
  auto forged = world.limit_object(world.mal, kId, 1'000'000);
  forged.sequence = 2;
  EXPECT_EQ(world.rule(SetLimit{world.seed(), render(grant::sign(forged, world.mal.sign))}),
            "not_owner");
  forged.owner_key = world.stew.sign.public_key();
  EXPECT_EQ(world.rule(SetLimit{world.seed(), render(grant::sign(forged, world.mal.sign))}),
            "not_signed");
  EXPECT_EQ(world.rule(SetLimit{world.seed(), render(grant::sign(forged, world.stew.sign))}), "");
}

TEST(Limits, CanBeLoweredToWhatIsSpentAndReserved) {
  Owner world;
  const auto manifest = world.dataset(world.stew, kId, 1000);
  const auto grant = world.grant(world.stew, world.with_bits(1000));
  world.whole_run(world.ada, world.run_object({grant}, manifest));             // spends 7 + 3 + 10
  world.append(world.submit(world.ada, world.run_object({grant}, manifest)));  // reserves 7 + 32
  ASSERT_EQ(world.budget(kId).spent.bits, 20U);
  ASSERT_EQ(world.budget(kId).reserved.bits, 39U);
  EXPECT_EQ(world.rule(world.limit(58, 2)), "limit_below_use");
  EXPECT_EQ(world.rule(world.limit(59, 2)), "");
  EXPECT_EQ(world.rule(world.submit(world.ada, world.run_object({grant}, manifest))),
            "limit_exhausted");
}

TEST(Grants, MayNotSumAboveTheLimit) {
  Owner world;
  world.dataset(world.stew, kId, 1000);
  world.grant(world.stew, world.with_bits(600));
  EXPECT_EQ(world.rule(world.add_grant(world.stew, world.with_bits(401))), "over_limit");
  EXPECT_EQ(world.rule(world.add_grant(world.stew, world.with_bits(400))), "");
  EXPECT_EQ(world.rule(world.add_grant(world.stew, world.with_bits(1))), "over_limit");
  world.append(world.limit(1000, 2, [](grant::Limit& limit) { limit.overcommit = true; }));
  EXPECT_EQ(world.rule(world.add_grant(world.stew, world.with_bits(5000))), "");
}

TEST(Grants, EpsilonSumsToo) {
  Owner world;
  world.dataset(world.stew, kId, 1000);
  world.append(world.limit(1000, 2, [](grant::Limit& limit) { limit.epsilon_milli = 500; }));
  auto terms = world.with_bits(10);
  terms.budgets.epsilon_milli = 501;
  EXPECT_EQ(world.rule(world.add_grant(world.stew, terms)), "over_limit");
  terms.budgets.epsilon_milli = 500;
  EXPECT_EQ(world.rule(world.add_grant(world.stew, terms)), "");
}

TEST(Grants, RevokedOnesCountWhatTheyUsed) {
  Owner world;
  const auto manifest = world.dataset(world.stew, kId, 1000);
  const auto grant = world.grant(world.stew, world.with_bits(1000));
  world.whole_run(world.ada, world.run_object({grant}, manifest));
  world.append(Revoke{world.seed(), world.revocation(world.stew, grant)});
  EXPECT_EQ(world.rule(world.add_grant(world.stew, world.with_bits(981))), "over_limit");
  EXPECT_EQ(world.rule(world.add_grant(world.stew, world.with_bits(980))), "");
}

TEST(Grants, NamePeopleWhoAreKnownAndNobodyTwice) {
  Owner world;
  world.dataset(world.stew, kId, 100'000);
  auto terms = world.with_bits(10);
  terms.grantee_keys = {sign_key_of("nobody").public_key()};
  EXPECT_EQ(world.rule(world.add_grant(world.stew, terms)), "unknown_key");
  terms.grantee_keys = {world.ada.sign.public_key()};
  terms.approver_keys = {world.ada.sign.public_key()};
  terms.approvals_needed = 1;
  EXPECT_EQ(world.rule(world.add_grant(world.stew, terms)), "malformed");
  terms.approver_keys = {world.stew.sign.public_key()};  // the owner may approve
  EXPECT_EQ(world.rule(world.add_grant(world.stew, terms)), "");
}

TEST(Grants, AreTheOwnersAndOnceAndNeverAgain) {
  Owner world;
  world.dataset(world.stew, kId, 100'000);
  auto terms = world.with_bits(10);
  EXPECT_EQ(world.rule(world.add_grant(world.mal, terms)), "not_signed");
  terms.owner_key = world.mal.sign.public_key();
  EXPECT_EQ(world.rule(world.add_grant(world.mal, terms)), "not_owner");
  terms.owner_key = world.stew.sign.public_key();
  const auto grant = world.grant(world.stew, terms);
  EXPECT_EQ(world.rule(world.add_grant(world.stew, terms)), "already_there");
  EXPECT_EQ(world.rule(Revoke{world.seed(), world.revocation(world.mal, grant)}), "not_owner");
  EXPECT_EQ(world.rule(Revoke{world.seed(), world.revocation(world.stew, grant)}), "");
  EXPECT_EQ(world.rule(Revoke{world.seed(), world.revocation(world.stew, grant)}),
            "already_revoked");
  EXPECT_EQ(world.rule(world.add_grant(world.stew, terms)), "already_there");
  EXPECT_TRUE(world.budget(grant).closed);
}

TEST(Grants, ThatHaveEndedAreRefused) {
  Owner world;
  world.dataset(world.stew, kId, 100'000);
  auto terms = world.with_bits(10);
  world.now = kStart + 300 * kDay;
  EXPECT_EQ(world.rule(world.add_grant(world.stew, terms)), "expired");
  world.now -= 1;
  EXPECT_EQ(world.rule(world.add_grant(world.stew, terms)), "");
}

TEST(Grants, ForOneVersionNameAVersionOfTheDataset) {
  Owner world;
  const auto manifest = world.dataset(world.stew, kId, 100'000);
  auto terms = world.with_bits(10);
  terms.manifest = sha256("another");
  EXPECT_EQ(world.rule(world.add_grant(world.stew, terms)), "no_such_version");
  terms.manifest = manifest;
  EXPECT_EQ(world.rule(world.add_grant(world.stew, terms)), "");
}

// The table of classes, one row a case; each refusal beside what is permitted.
TEST(Grants, KeepTheTableOfClasses) {
  Owner world;
  const auto manifest = world.dataset(world.stew, kId, 1'000'000);
  auto terms = world.with_bits(100);
  const auto approvers = [&](std::uint64_t needed) {
    terms.approver_keys = {world.rex.sign.public_key(), world.rob.sign.public_key()};
    terms.approvals_needed = needed;
    terms.nonce = sha256("nonce " + std::to_string(world.now++)).bytes;
  };
  EXPECT_EQ(world.rule(world.add_grant(world.stew, terms)), "");  // general: none needed

  world.append(world.card(manifest, DataClass::Important, 2));
  terms.auto_bits = 0;
  terms.nonce = sha256("fresh").bytes;
  EXPECT_EQ(world.rule(world.add_grant(world.stew, terms)), "class_needs_approvals");
  approvers(1);
  EXPECT_EQ(world.rule(world.add_grant(world.stew, terms)), "");
  terms.auto_bits = 1;
  EXPECT_EQ(world.rule(world.add_grant(world.stew, terms)), "class_never_automatic");

  world.append(world.card(manifest, DataClass::Core, 3));
  terms.auto_bits = 0;
  terms.exclusive = true;
  approvers(1);
  EXPECT_EQ(world.rule(world.add_grant(world.stew, terms)), "class_needs_approvals");
  approvers(2);
  EXPECT_EQ(world.rule(world.add_grant(world.stew, terms)), "");
  approvers(2);
  terms.exclusive = false;
  EXPECT_EQ(world.rule(world.add_grant(world.stew, terms)), "class_exclusive");
}

TEST(Grants, BitsOfARunOverCoreDataAreBounded) {
  Owner world;
  const auto manifest = world.dataset(world.stew, kId, 1'000'000, DataClass::Core);
  auto terms = world.with_bits(10'000);
  terms.auto_bits = 0;
  terms.exclusive = true;
  terms.approver_keys = {world.rex.sign.public_key(), world.rob.sign.public_key()};
  terms.approvals_needed = 2;
  const auto grant = world.grant(world.stew, terms);
  auto run = world.run_object({grant}, manifest);
  run.outputs = {weights_output()};
  auto& tensor = std::get<program::Tensors>(run.outputs[0].body).tensors[0];
  tensor.dtype = program::Dtype::Bool;
  tensor.shape = {247};  // 7 + 3 + 247
  EXPECT_EQ(world.rule(world.submit(world.ada, run)), "class_bits");
  tensor.shape = {246};
  EXPECT_EQ(world.rule(world.submit(world.ada, run)), "");
}

TEST(Versions, ThatWereRemovedOpenNoMore) {
  Owner world;
  const auto manifest = world.dataset(world.stew, kId, 1'000'000);
  const auto grant = world.grant(world.stew, world.with_bits(1000));
  const auto run = world.run_object({grant}, manifest);
  world.append(world.submit(world.ada, run));
  EXPECT_EQ(world.rule(world.open(digest_of(run))), "");
  EXPECT_EQ(world.rule(world.removal(world.stew, sha256("another"))), "no_such_version");
  EXPECT_EQ(world.rule(world.removal(world.mal, manifest)), "not_owner");
  EXPECT_EQ(world.rule({RemoveVersion{world.seed(), manifest, "{}"}}), "malformed");
  auto foreign = world.removal(world.stew, sha256("another"));
  foreign.manifest = manifest;
  EXPECT_EQ(world.rule(foreign), "not_owner");
  world.append(world.removal(world.stew, manifest));
  EXPECT_EQ(world.rule(world.removal(world.stew, manifest)), "already_removed");
  EXPECT_EQ(world.rule(world.open(digest_of(run))), "no_such_version");
  EXPECT_EQ(world.rule(world.submit(world.ada, world.run_object({grant}, manifest))),
            "no_such_version");
}

}  // namespace
}  // namespace coffer::keeper::test
