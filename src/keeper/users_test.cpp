#include <gtest/gtest.h>

#include "keeper/test_world.h"

namespace coffer::keeper::test {
namespace {

struct Keys : World {
  // The next key of somebody, signed by those who are given.
  std::string next(const Person& who, const SignKey& fresh, const std::vector<const SignKey*>& by,
                   const std::function<void(grant::UserKey&)>& change = {}) {
    auto object = key_object(who.name, fresh, who.seal);
    object.previous = digest_of(who.object);
    object.sequence = who.object.sequence + 1;
    if (change) change(object);
    auto envelope = grant::sign(object, fresh);
    for (const auto* key : by) envelope = grant::countersign(std::move(envelope), *key);
    return render(envelope);
  }
  RegisterKey reg(std::string envelope) { return {seed(), std::move(envelope), KeyRole::User}; }
  RemoveUser removal(const Person& who, const SignKey& by) {
    return {seed(), render(grant::sign(
                        grant::Removal{who.name, who.sign.public_key(), vkey, time_of(now)}, by))};
  }
};

TEST(Users, FirstKeyIsSignedByItself) {
  Keys world;
  const auto key = sign_key_of("ada");
  const auto object = world.key_object("ada", key, seal_key_of("ada"));
  EXPECT_EQ(world.rule(world.reg(render(grant::sign(object, sign_key_of("mal"))))), "not_signed");
  const auto done = world.append(world.reg(render(grant::sign(object, key))));
  EXPECT_EQ(World::kinds(done), std::vector<std::string>{"key"});
  EXPECT_EQ(World::private_of(done.entries[0]).text_or("user", ""), "ada");
}

TEST(Users, KeyForAnotherLedgerIsRefused) {
  Keys world;
  auto object = world.key_object("ada", sign_key_of("ada"), seal_key_of("ada"));
  object.ledger_vkey = "other.example/ledger+6feae691+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4";
  EXPECT_EQ(world.rule(world.reg(render(grant::sign(object, sign_key_of("ada"))))), "other_ledger");
}

TEST(Users, NextKeyNeedsTheSignatureOfTheOneBefore) {
  Keys world;
  const auto& ada = world.person("ada");
  const auto fresh = sign_key_of("ada 2");
  EXPECT_EQ(world.rule(world.reg(world.next(ada, fresh, {}))), "not_signed");
  const auto stranger = sign_key_of("mal");
  EXPECT_EQ(world.rule(world.reg(world.next(ada, fresh, {&stranger}))), "not_signed");
  EXPECT_EQ(world.rule(world.reg(world.next(ada, fresh, {&ada.sign}))), "");
}

TEST(Users, NextKeyFollowsInSequence) {
  Keys world;
  const auto& ada = world.person("ada");
  const auto fresh = sign_key_of("ada 2");
  const auto skip = [](grant::UserKey& key) { key.sequence = 3; };
  EXPECT_EQ(world.rule(world.reg(world.next(ada, fresh, {&ada.sign}, skip))), "not_next");
  const auto other = [](grant::UserKey& key) { key.previous = sha256("another"); };
  EXPECT_EQ(world.rule(world.reg(world.next(ada, fresh, {&ada.sign}, other))), "not_next");
  const auto envelope = world.next(ada, fresh, {&ada.sign});
  EXPECT_EQ(world.rule(world.reg(envelope)), "");
  EXPECT_EQ(world.rule(world.reg(envelope)), "already_there");
}

TEST(Users, LostKeyIsReplacedByAQuorumOfRecoveryKeys) {
  Keys world;
  const auto& one = world.person("one");
  const auto& two = world.person("two");
  const auto& three = world.person("three");
  const auto& ada = world.person("ada");
  const auto second = sign_key_of("ada 2");
  const auto name_them = [&](grant::UserKey& key) {
    key.recovery_keys = {one.sign.public_key(), two.sign.public_key(), three.sign.public_key()};
    key.recovery_need = 2;
  };
  const auto envelope = world.next(ada, second, {&ada.sign}, name_them);
  ASSERT_EQ(world.rule(world.reg(envelope)), "");
  const auto object = grant::open<grant::UserKey>(*grant::parse_envelope(envelope));
  const Person now{"ada", sign_key_of("ada 2"), seal_key_of("ada"), *object};

  const auto third = sign_key_of("ada 3");
  EXPECT_EQ(world.rule(world.reg(world.next(now, third, {&one.sign}))), "not_signed");
  EXPECT_EQ(world.rule(world.reg(world.next(now, third, {&one.sign, &one.sign}))), "not_signed");
  EXPECT_EQ(world.rule(world.reg(world.next(now, third, {&one.sign, &three.sign}))), "");
}

TEST(Users, RecoveryKeyOfARemovedUserCountsNoMore) {
  Keys world;
  const auto& root = world.person("root", KeyRole::Operator);
  const auto& one = world.person("one");
  const auto& two = world.person("two");
  auto object = world.key_object("ada", sign_key_of("ada"), seal_key_of("ada"));
  object.recovery_keys = {one.sign.public_key(), two.sign.public_key()};
  object.recovery_need = 1;
  world.append(world.reg(render(grant::sign(object, sign_key_of("ada")))));
  const Person ada{"ada", sign_key_of("ada"), seal_key_of("ada"), object};
  world.append(world.removal(one, root.sign));
  const auto fresh = sign_key_of("ada 2");
  EXPECT_EQ(world.rule(world.reg(world.next(ada, fresh, {&one.sign}))), "not_signed");
  EXPECT_EQ(world.rule(world.reg(world.next(ada, fresh, {&two.sign}))), "");
}

TEST(Users, KeyBelongsToOneUserForGood) {
  Keys world;
  const auto& ada = world.person("ada");
  const auto stolen = world.key_object("mal", ada.sign, seal_key_of("mal"));
  EXPECT_EQ(world.rule(world.reg(render(grant::sign(stolen, ada.sign)))), "key_taken");
  const auto fresh = sign_key_of("ada 2");
  const auto envelope = world.next(ada, fresh, {&ada.sign});
  world.append(world.reg(envelope));
  // Given up, it does not come back, for her nor for another.
  const Person now{"ada", sign_key_of("ada 2"), seal_key_of("ada"),
                   *grant::open<grant::UserKey>(*grant::parse_envelope(envelope))};
  EXPECT_EQ(world.rule(world.reg(world.next(now, ada.sign, {&fresh}))), "key_taken");
  EXPECT_EQ(world.rule(world.reg(render(grant::sign(stolen, ada.sign)))), "key_taken");
}

TEST(Users, FirstOperatorIsPinnedAndStays) {
  Keys world;
  EXPECT_FALSE(world.must<StatusReply>(Status{}).operator_key);
  const auto& root = world.person("root", KeyRole::Operator);
  const auto& mal = world.person("mal", KeyRole::Operator);
  EXPECT_EQ(world.must<StatusReply>(Status{}).operator_key, root.sign.public_key());
  const auto& ada = world.person("ada");
  EXPECT_EQ(world.rule(world.removal(ada, mal.sign)), "not_operator");
  EXPECT_EQ(world.rule(world.removal(root, root.sign)), "is_operator");
  EXPECT_EQ(world.rule(world.removal(ada, root.sign)), "");
  EXPECT_EQ(world.rule(world.removal(ada, root.sign)), "user_removed");
}

TEST(Users, OperatorsNextKeyIsTheOperators) {
  Keys world;
  const auto& root = world.person("root", KeyRole::Operator);
  const auto& ada = world.person("ada");
  const auto fresh = sign_key_of("root 2");
  world.append(world.reg(world.next(root, fresh, {&root.sign})));
  EXPECT_EQ(world.rule(world.removal(ada, root.sign)), "not_operator");
  EXPECT_EQ(world.rule(world.removal(ada, fresh)), "");
}

TEST(Users, RemovedUserIsRefusedEverything) {
  Clinic clinic;
  const auto grant = clinic.grant(clinic.stew, clinic.terms());
  const auto request = clinic.both(grant);
  const auto run = clinic.whole_run(clinic.ada, request);
  const auto waiting = clinic.run_object({grant}, clinic.manifest);
  clinic.append(clinic.submit(clinic.ada, waiting));
  ASSERT_EQ(clinic.rule(Download{clinic.seed(), run, "metrics", clinic.ada.sign.public_key()}), "");

  clinic.append(RemoveUser{clinic.seed(),
                           render(grant::sign(grant::Removal{"ada", clinic.ada.sign.public_key(),
                                                             clinic.vkey, time_of(clinic.now)},
                                              clinic.root.sign))});
  EXPECT_EQ(clinic.rule(clinic.submit(clinic.ada, clinic.run_object({grant}, clinic.manifest))),
            "not_signed");
  EXPECT_EQ(clinic.rule(clinic.open(digest_of(waiting))), "user_removed");
  EXPECT_EQ(clinic.rule(ReleaseKey{run, "metrics", clinic.ada.sign.public_key()}), "user_removed");
  EXPECT_EQ(clinic.rule(clinic.add_grant(clinic.stew, clinic.terms())), "user_removed");
  clinic.append(Approve{clinic.seed(), clinic.approval(clinic.rex, run, "weights")});
  EXPECT_EQ(clinic.rule(
                Decide{clinic.seed(), run, "weights", Decision::Released, DecisionCause::Approved}),
            "user_removed");
  EXPECT_EQ(clinic.rule(
                Decide{clinic.seed(), run, "weights", Decision::Withheld, DecisionCause::Revoked}),
            "");
}

TEST(Users, GivenUpKeySignsNothingMore) {
  Clinic clinic;
  const auto grant = clinic.grant(clinic.stew, clinic.terms());
  const auto fresh = sign_key_of("ada 2");
  auto object = clinic.key_object("ada", fresh, seal_key_of("ada 2"));
  object.previous = digest_of(clinic.ada.object);
  object.sequence = 2;
  clinic.append(RegisterKey{clinic.seed(),
                            render(grant::countersign(grant::sign(object, fresh), clinic.ada.sign)),
                            KeyRole::User});
  const auto request = clinic.run_object({grant}, clinic.manifest);
  EXPECT_EQ(clinic.rule(clinic.submit(clinic.ada, request)), "not_signed");
  // The grant names her first key; she is who it names under the next one too.
  const Person ada{"ada", sign_key_of("ada 2"), seal_key_of("ada 2"), object};
  const auto run = clinic.whole_run(ada, request);
  const auto done = clinic.append(Download{clinic.seed(), run, "metrics", fresh.public_key()});
  EXPECT_TRUE(ada.seal.open(done.sealed_output_key));
  EXPECT_EQ(clinic.rule(clinic.add_grant(clinic.stew, clinic.terms())), "old_key");
}

}  // namespace
}  // namespace coffer::keeper::test
