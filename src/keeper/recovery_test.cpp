#include <gtest/gtest.h>

#include "keeper/test_world.h"
#include "ledger/checkpoint.h"

namespace coffer::keeper::test {
namespace {

Recover lost(World& world, std::uint64_t first, std::uint64_t last) {
  return {world.seed(), "restored from the copy of Monday", {first, last}, {}, ""};
}

TEST(Recovery, OfAnOlderDatabaseNamesTheLostEntriesAndKeepsTheSums) {
  Clinic clinic;
  const auto grant = clinic.grant(clinic.stew, clinic.terms());
  const auto run = clinic.whole_run(clinic.ada, clinic.both(grant));
  const auto size = clinic.state->tree().size();
  EXPECT_EQ(clinic.rule(lost(clinic, 5, size)), "malformed");
  EXPECT_EQ(clinic.rule(lost(clinic, 6, 5)), "malformed");
  const auto before = clinic.budget(grant);
  const auto done = clinic.append(lost(clinic, 5, size - 1));
  const auto entry = *ledger::Entry::parse(done.entries[0].public_bytes);
  EXPECT_EQ(entry.kind, "recovery");
  EXPECT_EQ(entry.lost, (ledger::LostRange{5, size - 1}));
  EXPECT_EQ(clinic.budget(grant).spent, before.spent);
  EXPECT_EQ(clinic.budget(grant).reserved, before.reserved);
  // What front no longer knows can be asked for and ended.
  const auto open = clinic.must<RunsReply>(OpenRuns{});
  ASSERT_EQ(open.runs.size(), 1U);
  EXPECT_EQ(open.runs[0].run, run);
  EXPECT_EQ(open.runs[0].phase, Phase::Held);
  const auto leaves = clinic.must<LeavesReply>(Leaves{5, static_cast<std::uint32_t>(size - 5)});
  EXPECT_EQ(leaves.leaves.front(), *clinic.state->tree().leaf(5));
  EXPECT_EQ(clinic.rule(Leaves{5, static_cast<std::uint32_t>(size)}), "malformed");
}

Recover ours(World& world, const std::vector<Digest>& leaves, const SignKey& signer,
             const std::vector<Digest>& claimed) {
  ledger::MerkleTree tree = world.state->tree();
  const auto size = tree.size();
  for (const auto& leaf : leaves) tree.append(leaf);
  const ledger::Checkpoint checkpoint{"coffer.example/ledger", tree.size(), tree.root()};
  return {world.seed(),
          "the keeper's disk was restored",
          {size, size + claimed.size() - 1},
          claimed,
          *sign_checkpoint(checkpoint, signer)};
}

TEST(Recovery, OfAnOlderKeeperTakesBackOnlyWhatItHadSigned) {
  Clinic clinic;
  const auto key = sign_key_of("ledger");
  const std::vector<Digest> leaves = {sha256("a"), sha256("b"), sha256("c")};
  const std::vector<Digest> other = {sha256("a"), sha256("x"), sha256("c")};
  const std::vector<Digest> fewer = {sha256("a"), sha256("b")};
  const auto size = clinic.state->tree().size();
  EXPECT_EQ(clinic.rule(ours(clinic, leaves, sign_key_of("mal"), leaves)), "not_our_checkpoint");
  EXPECT_EQ(clinic.rule(ours(clinic, leaves, key, other)), "not_our_checkpoint");
  EXPECT_EQ(clinic.rule(ours(clinic, leaves, key, fewer)), "not_our_checkpoint");
  EXPECT_EQ(clinic.state->tree().size(), size);
  EXPECT_EQ(clinic.rule(ours(clinic, leaves, key, leaves)), "");
  EXPECT_EQ(clinic.state->tree().size(), size + 4);
}

TEST(Recovery, OfAnOlderKeeperFreezesBudgetsUntilANewLimit) {
  Clinic clinic;
  const auto grant = clinic.grant(clinic.stew, clinic.terms());
  const auto waits = clinic.run_object({grant}, clinic.manifest);
  clinic.append(clinic.submit(clinic.ada, waits));
  auto early = clinic.limit_object(clinic.stew, kId, 2'000'000);
  early.sequence = 2;
  early.issued = time_of(clinic.now);
  clinic.now += 10'000;
  const std::vector<Digest> leaves = {sha256("a")};
  clinic.append(ours(clinic, leaves, sign_key_of("ledger"), leaves));
  EXPECT_TRUE(clinic.budget(kId).closed);
  EXPECT_EQ(clinic.rule(clinic.submit(clinic.ada, clinic.run_object({grant}, clinic.manifest))),
            "frozen");
  EXPECT_EQ(clinic.rule(clinic.open(digest_of(waits))), "frozen");
  EXPECT_EQ(clinic.rule(clinic.add_grant(clinic.stew, clinic.terms())), "frozen");
  // One that was signed before the loss may have been lowered since.
  EXPECT_EQ(clinic.rule(SetLimit{clinic.seed(), render(grant::sign(early, clinic.stew.sign))}),
            "frozen");
  early.issued = time_of(clinic.now + 1000);
  EXPECT_EQ(clinic.rule(SetLimit{clinic.seed(), render(grant::sign(early, clinic.stew.sign))}), "");
  EXPECT_FALSE(clinic.budget(kId).closed);
  EXPECT_EQ(clinic.rule(clinic.submit(clinic.ada, clinic.run_object({grant}, clinic.manifest))),
            "");
}

TEST(Recovery, OfAKeeperOutOfABackupFreezesBudgetsThoughNothingIsKnownToBeLost) {
  Clinic clinic;
  const auto grant = clinic.grant(clinic.stew, clinic.terms());
  const auto size = clinic.state->tree().size();
  const auto spent = clinic.budget(grant).spent;
  EXPECT_EQ(clinic.rule(lost(clinic, size - 1, size)), "malformed");
  EXPECT_EQ(clinic.rule(lost(clinic, size, size + 1)), "malformed");
  EXPECT_FALSE(clinic.budget(kId).closed);
  clinic.now += 10'000;
  const auto done = clinic.append(lost(clinic, size, size));
  const auto entry = *ledger::Entry::parse(done.entries[0].public_bytes);
  EXPECT_EQ(entry.lost, (ledger::LostRange{size, size}));
  EXPECT_EQ(done.entries[0].index, size);
  EXPECT_TRUE(clinic.budget(kId).closed);
  EXPECT_EQ(clinic.budget(grant).spent, spent);
  const auto run = clinic.run_object({grant}, clinic.manifest);
  EXPECT_EQ(clinic.rule(clinic.submit(clinic.ada, run)), "frozen");
  auto anew = clinic.limit_object(clinic.stew, kId, 1'000'000);
  anew.sequence = 2;
  anew.issued = time_of(clinic.now + 1000);
  EXPECT_EQ(clinic.rule(SetLimit{clinic.seed(), render(grant::sign(anew, clinic.stew.sign))}), "");
  EXPECT_EQ(clinic.rule(clinic.submit(clinic.ada, run)), "");
}

}  // namespace
}  // namespace coffer::keeper::test
