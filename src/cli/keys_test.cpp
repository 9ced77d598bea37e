#include "cli/keys.h"

#include <sys/stat.h>

#include "cli/problem.h"
#include "cli/testing.h"

namespace coffer::cli {
namespace {

constexpr const char* kVkey =
    "coffer.example/ledger+6feae691+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4";

UnixTime at(const char* time) { return *parse_time(time); }

grant::Envelope first_of(const KeyPair& keys) {
  return grant::sign(key_statement(keys, {}, kVkey, at("2026-03-01T00:00:00Z")), keys.sign);
}

TEST(Keys, ComeBackFromTheirFileAndNobodyElseMayReadIt) {
  const testing::Home home;
  const auto path = home.path() / "keys" / "k.json";
  const KeyPair keys = KeyPair::generate("ada");
  ASSERT_TRUE(save_keys(path, keys).has_value());
  struct stat status {};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
  const auto loaded = load_keys(path);
  ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
  EXPECT_EQ(loaded->user, "ada");
  EXPECT_EQ(loaded->sign.public_key(), keys.sign.public_key());
  EXPECT_EQ(loaded->seal.public_key(), keys.seal.public_key());
  ASSERT_EQ(::chmod(path.c_str(), 0644), 0);
  EXPECT_EQ(load_keys(path).error().code, Code::Denied);
}

TEST(Keys, OfAnotherFileAreRefused) {
  const std::string good = render_keys(KeyPair::generate("ada"));
  EXPECT_TRUE(parse_keys(good).has_value());
  EXPECT_FALSE(parse_keys("{}").has_value());
  std::string changed = good;
  const auto seed = changed.find("sign_seed") + 14;
  changed[seed] = changed[seed] == 'A' ? 'B' : 'A';
  EXPECT_FALSE(parse_keys(changed).has_value()) << "the fingerprint does not fit";
}

TEST(Keys, ThatAreNotHereSayHowToGetThem) {
  const auto keys = load_keys("/nonexistent/keys.json");
  ASSERT_FALSE(keys.has_value());
  EXPECT_EQ(keys.error().code, Code::NotFound);
  EXPECT_EQ(problem_of(keys.error()).code, "no_keys");
}

TEST(Chain, OfOneStatementIsItsOwnBeginning) {
  const KeyPair ada = KeyPair::generate("ada");
  const auto last = follow_chain({first_of(ada)}, "ada", kVkey);
  ASSERT_TRUE(last.has_value()) << last.error().message;
  EXPECT_EQ(last->sign_key, ada.sign.public_key());
  EXPECT_FALSE(follow_chain({first_of(ada)}, "mal", kVkey).has_value());
  EXPECT_FALSE(follow_chain({first_of(ada)}, "ada", "other").has_value());
  EXPECT_FALSE(follow_chain({}, "ada", kVkey).has_value());
}

TEST(Chain, FollowsARotationThatTheOldKeySigned) {
  const KeyPair before = KeyPair::generate("ada"), after = KeyPair::generate("ada");
  const auto first = *grant::open<grant::UserKey>(first_of(before));
  const auto statement = key_statement(after, {&first}, kVkey, at("2026-04-01T00:00:00Z"));
  const auto self_signed = grant::sign(statement, after.sign);
  EXPECT_FALSE(follow_chain({first_of(before), self_signed}, "ada", kVkey).has_value());
  const auto both = grant::countersign(self_signed, before.sign);
  const auto last = follow_chain({first_of(before), both}, "ada", kVkey);
  ASSERT_TRUE(last.has_value()) << last.error().message;
  EXPECT_EQ(last->sign_key, after.sign.public_key());
}

TEST(Chain, FollowsARecoveryByEnoughOfThoseNamed) {
  const KeyPair ada = KeyPair::generate("ada"), fresh = KeyPair::generate("ada");
  const KeyPair rex = KeyPair::generate("rex"), olga = KeyPair::generate("olga");
  const Rotation named{nullptr, {rex.sign.public_key(), olga.sign.public_key()}, 2};
  const auto first = key_statement(ada, named, kVkey, at("2026-03-01T00:00:00Z"));
  const auto start = grant::sign(first, ada.sign);
  const auto next = key_statement(fresh, {&first}, kVkey, at("2026-04-01T00:00:00Z"));
  const auto one = grant::countersign(grant::sign(next, fresh.sign), rex.sign);
  EXPECT_FALSE(follow_chain({start, one}, "ada", kVkey).has_value());
  EXPECT_TRUE(follow_chain({start, grant::countersign(one, olga.sign)}, "ada", kVkey).has_value());
}

TEST(Pins, AcceptTheFirstKeyThenOnlyWhatFollowsFromIt) {
  const KeyPair ada = KeyPair::generate("ada"), other = KeyPair::generate("ada");
  const std::vector<grant::Envelope> chain{first_of(ada)};
  const auto present = *follow_chain(chain, "ada", kVkey);
  Pins pins;
  EXPECT_EQ(*pins.see(chain, present), Pins::Seen::First);
  EXPECT_EQ(*pins.see(chain, present), Pins::Seen::Same);

  const std::vector<grant::Envelope> swapped{first_of(other)};
  const auto refused = pins.see(swapped, *follow_chain(swapped, "ada", kVkey));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(problem_of(refused.error()).code, "key_changed");

  const auto next = key_statement(other, {&present}, kVkey, at("2026-04-01T00:00:00Z"));
  const std::vector<grant::Envelope> rotated{
      chain[0], grant::countersign(grant::sign(next, other.sign), ada.sign)};
  EXPECT_EQ(*pins.see(rotated, *follow_chain(rotated, "ada", kVkey)), Pins::Seen::Rotated);
}

TEST(Pins, ComeBackFromTheirFile) {
  const KeyPair ada = KeyPair::generate("ada");
  const std::vector<grant::Envelope> chain{first_of(ada)};
  Pins pins;
  ASSERT_TRUE(pins.see(chain, *follow_chain(chain, "ada", kVkey)).has_value());
  const auto read = Pins::parse(pins.render());
  ASSERT_TRUE(read.has_value());
  ASSERT_NE(read->find("ada"), nullptr);
  EXPECT_EQ(*read->find("ada"), *pins.find("ada"));
}

}  // namespace
}  // namespace coffer::cli
