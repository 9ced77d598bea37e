#include "ledger/entry.h"

#include <gtest/gtest.h>

#include "ledger/test_log.h"

namespace coffer::ledger {
namespace {

Entry sample() { return {"run", *parse_time("2026-03-01T09:30:00Z"), sha256("x"), std::nullopt}; }

TEST(Entry, PublicBytesAreCanonicalAndReadBack) {
  const ByteVector bytes = sample().public_bytes();
  EXPECT_EQ(text_of(bytes),
            R"({"commit":"LXEWQrcmsEQBYnyp+6wy9chTD7GQPMTbAiWHF5IaSIE=","kind":"run",)"
            R"("time":"2026-03-01T09:30:00Z","v":1})");
  EXPECT_EQ(*Entry::parse(bytes), sample());
  Entry recovery = sample();
  recovery.kind = "recovery";
  recovery.lost = LostRange{3, 9};
  EXPECT_NE(text_of(recovery.public_bytes()).find(R"("lost":[3,9])"), std::string_view::npos);
  EXPECT_EQ(*Entry::parse(recovery.public_bytes()), recovery);
}

TEST(Entry, RefusesEveryOtherForm) {
  const std::string good{text_of(sample().public_bytes())};
  const auto changed = [&](std::string_view from, std::string_view to) {
    std::string text = good;
    text.replace(text.find(from), from.size(), to);
    return Entry::parse(bytes_of(text));
  };
  EXPECT_TRUE(changed("run", "view"));
  EXPECT_FALSE(changed("\"run\"", "\"Run\""));
  EXPECT_FALSE(changed("\"run\"", "\"\""));
  EXPECT_FALSE(changed("\"run\"", "\"recovery\"")) << "a recovery without its range";
  EXPECT_FALSE(changed("\"v\":1", "\"v\":2"));
  EXPECT_FALSE(changed("\"v\":1", "\"v\": 1"));
  EXPECT_FALSE(changed("\"v\":1", "\"v\":1,\"w\":1"));
  EXPECT_FALSE(changed("LXEW", ""));
  EXPECT_FALSE(changed("09:30:00Z", "09:30:00+00:00"));
  EXPECT_FALSE(changed("}", ",\"lost\":[1,2]}")) << "a range on what is no recovery";
  EXPECT_FALSE(Entry::parse(ByteVector(70000, std::byte{' '})));
}

TEST(Entry, ARecoveryNamesAnOrderedRange) {
  const auto with_lost = [](std::string_view lost) {
    Entry recovery = sample();
    recovery.kind = "recovery";
    recovery.lost = LostRange{3, 9};
    std::string text{text_of(recovery.public_bytes())};
    text.replace(text.find("[3,9]"), 5, lost);
    return Entry::parse(bytes_of(text));
  };
  EXPECT_TRUE(with_lost("[9,9]"));
  EXPECT_FALSE(with_lost("[9,3]"));
  EXPECT_FALSE(with_lost("[-1,3]"));
  EXPECT_FALSE(with_lost("[3]"));
  EXPECT_FALSE(with_lost("[3,9,10]"));
  EXPECT_FALSE(with_lost("null"));
}

TEST(Entry, AnOpeningFitsItsCommitmentOrIsRefused) {
  const Key seed = *key_from(ByteVector(32, std::byte{7}));
  const Nonce nonce = entry_nonce(seed, 0);
  EXPECT_NE(nonce, entry_nonce(seed, 1));
  const ByteVector fields = bytes_from(R"({"run":"run_x"})");
  Entry entry = sample();
  entry.commit = commitment(nonce, fields);
  const Opening opening{entry.public_bytes(), nonce, fields};
  EXPECT_EQ(*opening.check(), entry);
  EXPECT_EQ(opening.private_fields()->text_or("run", ""), "run_x");
  EXPECT_EQ(Opening::parse(opening.render())->render(), opening.render());
  ByteVector spaced = opening.render();
  spaced.insert(spaced.begin(), std::byte{' '});
  EXPECT_FALSE(Opening::parse(spaced));

  Opening other = opening;
  other.private_bytes[2] ^= std::byte{1};
  EXPECT_EQ(other.check().error().code, Code::Corrupt);
  other = opening;
  (*other.nonce)[31] ^= std::byte{1};
  EXPECT_FALSE(other.check());
  const Opening erased{entry.public_bytes(), std::nullopt, {}};
  EXPECT_TRUE(erased.check());
  EXPECT_TRUE(erased.private_fields()->is_null());
  EXPECT_TRUE(Opening::parse(erased.render())->check());
  EXPECT_FALSE((Opening{entry.public_bytes(), std::nullopt, fields}.check()));
}

}  // namespace
}  // namespace coffer::ledger
