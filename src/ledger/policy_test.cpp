#include "ledger/policy.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "ledger/test_log.h"

namespace coffer::ledger {
namespace {

std::string witness_name(unsigned i) { return fmt::format("witness.example/w{}", i); }

std::string witness_vkey(unsigned i) {
  const SignKey key = counting_key(static_cast<std::uint8_t>(0x20 + i));
  return VerifierKey::make(witness_name(i), KeyType::Cosignature, key.public_key())->text();
}

// A checkpoint signed by the log and by the witnesses named.
std::string noted(const std::vector<unsigned>& witnesses) {
  Note note = *Note::parse(signed_checkpoint(tree_of(decimal_entries(3))));
  for (const unsigned i : witnesses) {
    const SignKey key = counting_key(static_cast<std::uint8_t>(0x20 + i));
    note.signatures.push_back(*cosign_text(key, witness_name(i), note.text, 1767225600));
  }
  return note.render();
}

std::string head() {
  std::string text =
      "# who we believe\nlog " + log_vkey().text() + " https://coffer.example/ledger\n";
  for (unsigned i = 1; i <= 3; ++i) text += fmt::format("witness w{} {}\n", i, witness_vkey(i));
  return text;
}

bool accepts(std::string_view rules, const std::vector<unsigned>& witnesses) {
  const auto policy = Policy::parse(head() + std::string(rules));
  EXPECT_TRUE(policy) << policy.error().message;
  return policy && policy->accept(noted(witnesses)).has_value();
}

TEST(Policy, OneKeyAsksForItsSignatureOnly) {
  const Policy policy = Policy::of_key(log_vkey());
  EXPECT_EQ(policy.accept(noted({}))->checkpoint.size, 3U);
  const auto other = VerifierKey::make(kLogName, KeyType::Ed25519, counting_key(9).public_key());
  EXPECT_EQ(Policy::of_key(*other).accept(noted({})).error().code, Code::Corrupt);
}

TEST(Policy, CountsWitnesses) {
  EXPECT_TRUE(accepts("quorum none\n", {}));
  EXPECT_FALSE(accepts("quorum w1\n", {}));
  EXPECT_FALSE(accepts("quorum w1\n", {2}));
  EXPECT_TRUE(accepts("quorum w1\n", {1}));
  EXPECT_FALSE(accepts("group g 2 w1 w2 w3\nquorum g\n", {3}));
  EXPECT_FALSE(accepts("group g 2 w1 w2 w3\nquorum g\n", {3, 3, 3})) << "one key signs thrice";
  EXPECT_TRUE(accepts("group g 2 w1 w2 w3\nquorum g\n", {3, 1}));
  EXPECT_FALSE(accepts("group g all w1 w2 w3\nquorum g\n", {3, 1}));
  EXPECT_TRUE(accepts("group g all w1 w2 w3\nquorum g\n", {3, 1, 2}));
  EXPECT_TRUE(accepts("group g any w1 w2\ngroup h all g w3\nquorum h\n", {3, 2}));
  EXPECT_FALSE(accepts("group g any w1 w2\ngroup h all g w3\nquorum h\n", {1, 2}));
}

TEST(Policy, NamesWhoVouched) {
  const auto accepted = Policy::parse(head() + "quorum none\n")->accept(noted({2}));
  EXPECT_EQ(accepted->witnesses, std::vector<std::string>{"witness.example/w2"});
}

TEST(Policy, AWitnessCannotStandForTheLog) {
  Note note = *Note::parse(noted({1, 2, 3}));
  note.signatures.erase(note.signatures.begin());
  EXPECT_FALSE(Policy::parse(head() + "quorum none\n")->accept(note.render()));
}

TEST(Policy, RefusesWhatIsNoPolicy) {
  for (const std::string rules :
       {"", "quorum none\nquorum none\n", "quorum w4\n", "quorum\n", "group g 1 w4\nquorum g\n",
        "group g 0 w1\nquorum g\n", "group g 3 w1 w2\nquorum g\n", "group g 1\nquorum g\n",
        "group g 1 w1 w1\nquorum g\n", "group g 1 w1\ngroup h 1 w1\nquorum g\n",
        "group w1 1 w2\nquorum w1\n", "group none 1 w2\nquorum none\n", "group g 1 g\nquorum g\n",
        "witness w9 nonsense\nquorum none\n", "others x\nquorum none\n"}) {
    EXPECT_FALSE(Policy::parse(head() + rules)) << rules;
  }
  EXPECT_FALSE(Policy::parse("quorum none\n")) << "no log";
  const std::string again = fmt::format("witness w8 {}\nquorum none\n", witness_vkey(1));
  EXPECT_FALSE(Policy::parse(head() + again)) << "one key under two names";
  EXPECT_FALSE(Policy::parse(fmt::format("log {}\nquorum none\n", witness_vkey(1))));
  EXPECT_EQ(Policy::parse(head() + "what\n").error().message.substr(0, 13), "policy line 6");
}

}  // namespace
}  // namespace coffer::ledger
