#include "program/charge.h"

#include <gtest/gtest.h>

#include <random>

namespace coffer::program {
namespace {

Output metrics(std::string name, std::int64_t max) {
  return {.name = std::move(name),
          .body = Metrics{.fields = {{"a", Number{.min = {}, .max = Decimal::from_integer(max)}}}}};
}

Output table(std::string name) {
  return {
      .name = std::move(name),
      .body = Table{.rows_max = 9,
                    .columns = {{.name = "a",
                                 .domain = Number{.min = {}, .max = Decimal::from_integer(7)}}}}};
}

// Ten minutes, 64 MiB: eleven slots, a header of 7 bits, the last slot at 606 s.
const Resources kTenMinutes{.cpus = 2};

TEST(Slots, TheAllowanceGrowsWithTheOutput) {
  EXPECT_EQ(judging_allowance_s(1), 3U);
  EXPECT_EQ(judging_allowance_s(16ULL << 20), 3U);
  EXPECT_EQ(judging_allowance_s((16ULL << 20) + 1), 4U);
  EXPECT_EQ(judging_allowance_s(64ULL << 20), 6U);
}

TEST(Slots, AnInstantIsSeenAtTheFirstSlotNotBeforeIt) {
  const Slots slots = slots_of(kTenMinutes);
  EXPECT_EQ(slot_at(slots, 0), 1U);
  EXPECT_EQ(slot_at(slots, 1000), 1U);
  EXPECT_EQ(slot_at(slots, 1001), 2U);
  EXPECT_EQ(slot_at(slots, 512'001), 606U);
  EXPECT_EQ(slot_at(slots, 900'000), 606U);
  EXPECT_TRUE(is_slot(slots, 606));
  EXPECT_FALSE(is_slot(slots, 600));
}

TEST(Slots, WhatIsNotOverByTheLastSlotIsLost) {
  const Slots slots = slots_of(kTenMinutes);
  EXPECT_EQ(seen_at(slots, Ending::Judged, 606'000), (Seen{606, Ending::Judged}));
  EXPECT_EQ(seen_at(slots, Ending::Judged, 606'001), (Seen{606, Ending::Lost}));
  EXPECT_EQ(seen_at(slots, Ending::Lost, 5), (Seen{606, Ending::Lost}));
}

TEST(Cost, SumsSaturateSoThatAnOverflowFitsNoBudget) {
  const Cost much{.bits = UINT64_MAX - 1, .epsilon_milli = 1, .runs = 1, .cpu_ms = 1};
  EXPECT_EQ((much + much).bits, UINT64_MAX);
  EXPECT_FALSE((much + much).within(much));
  EXPECT_TRUE(much.within(much));
  EXPECT_EQ((Cost{.bits = 5} - Cost{.bits = 7}).bits, 0U);
  EXPECT_EQ(*parse_cost(cost_json(much)), much);
  EXPECT_FALSE(parse_cost(*Json::parse(R"({"bits":1,"epsilon_milli":0,"runs":1})")));
  EXPECT_FALSE(parse_cost(*Json::parse(R"({"bits":-1,"cpu_ms":0,"epsilon_milli":0,"runs":1})")));
}

TEST(Names, AreInverse) {
  for (unsigned i = 0; i < kEndings; ++i) {
    EXPECT_EQ(ending_of(text_of_ending(static_cast<Ending>(i))), static_cast<Ending>(i));
  }
  for (unsigned i = 0; i < 9; ++i) {
    EXPECT_EQ(verdict_of(text_of_verdict(static_cast<Verdict>(i))), static_cast<Verdict>(i));
  }
  for (unsigned i = 0; i < 5; ++i) {
    const auto refusal = static_cast<Refusal>(i);
    EXPECT_EQ(refusal_of(text_of_refusal(refusal)), refusal);
    EXPECT_EQ(text_of_verdict(verdict_of(refusal)), text_of_refusal(refusal));
  }
  EXPECT_FALSE(ending_of("done"));
}

TEST(Automatic, WithoutAGrantEverythingIsReleased) {
  const auto decided = decide({}, 7, {{.object_bits = 1ULL << 39}, {Refusal::Malformed, 0}});
  EXPECT_EQ(decided.verdicts, (std::vector{Verdict::Released, Verdict::Malformed}));
}

TEST(Automatic, TheStricterOfTwoGrantsDecides) {
  const AutomaticLimits wide{.auto_bits = 1000, .runs = 9, .approvals_needed = 1};
  AutomaticLimits narrow{.auto_bits = 20, .runs = 9, .approvals_needed = 1};
  const std::vector<JudgedOutput> judged{{.object_bits = 4}, {.object_bits = 40}};
  const auto held = decide(std::array{wide, narrow}, 7, judged);
  EXPECT_EQ(held.verdicts, (std::vector{Verdict::Released, Verdict::Held}));
  EXPECT_EQ(held.spent, 7U + 6U + 4U);
  narrow.approvals_needed = 0;  // nobody could approve there
  EXPECT_EQ(decide(std::array{narrow, wide}, 7, judged).verdicts,
            (std::vector{Verdict::Released, Verdict::HeldWithheld}));
  narrow.auto_bits = 57;  // 7 + 6 + 44: exactly
  EXPECT_EQ(decide(std::array{wide, narrow}, 7, judged).verdicts,
            (std::vector{Verdict::Released, Verdict::Released}));
}

TEST(Automatic, ATotalThatOverflowsIsNoLimitPassed) {
  const AutomaticLimits limits{
      .auto_bits = UINT64_MAX, .runs = UINT64_MAX, .approvals_needed = 1, .spent_before = 1};
  EXPECT_EQ(auto_total_of(limits), UINT64_MAX);
  EXPECT_EQ(decide({&limits, 1}, 7, {{.object_bits = 5}}).verdicts, std::vector{Verdict::Released});
}

TEST(Settle, EachEndingIsChargedForWhatItShows) {
  const std::vector<Output> outputs{metrics("a", 1023), table("t")};  // 10, and 4 + 9 * 3
  const auto charged = [&](const Outcome& outcome) {
    const auto settled = settle(kTenMinutes, outputs, outcome);
    EXPECT_TRUE(settled) << settled.error().message;
    return settled ? settled->charged : Cost{};
  };
  EXPECT_EQ(charged({.slot_s = 4, .ending = Ending::Exit}),
            (Cost{.bits = 7 + 32, .runs = 1, .cpu_ms = 8000}));
  EXPECT_EQ(charged({.slot_s = 606, .ending = Ending::Time}),
            (Cost{.bits = 7, .runs = 1, .cpu_ms = 1'200'000}));
  EXPECT_EQ(charged({.slot_s = 606, .ending = Ending::Lost}).bits, 7U);
  EXPECT_EQ(charged({.slot_s = 1, .ending = Ending::Memory}).bits, 7U);
  EXPECT_EQ(charged({.slot_s = 1}).bits, 7U);  // cancelled
  EXPECT_EQ(charged({.slot_s = 1,
                     .ending = Ending::Judged,
                     .outputs = {{Verdict::Released, 10}, {Verdict::Malformed, 0}}})
                .bits,
            7U + 6U + 10U);
}

TEST(Settle, AHeldOutputKeepsItsMaximumUntilItIsDecided) {
  const std::vector<Output> outputs{metrics("a", 1023), table("t")};
  Outcome outcome{.slot_s = 1,
                  .ending = Ending::Judged,
                  .outputs = {{Verdict::Released, 10}, {Verdict::Held, 10}}};
  const Cost quote = quote_of(kTenMinutes, outputs).cost;
  const auto held = settle(kTenMinutes, outputs, outcome);
  ASSERT_TRUE(held);
  EXPECT_EQ(held->charged.bits, 7U + 6U + 10U);
  EXPECT_EQ(held->reserved.bits, 31U);
  EXPECT_EQ(held->charged + held->reserved + held->returned, quote);

  outcome.outputs[1].verdict = Verdict::HeldReleased;
  EXPECT_EQ(settle(kTenMinutes, outputs, outcome)->charged.bits, 7U + 6U + 10U + 10U);
  outcome.outputs[1].verdict = Verdict::HeldWithheld;
  const auto withheld = settle(kTenMinutes, outputs, outcome);
  EXPECT_EQ(withheld->charged.bits, 7U + 6U + 10U);
  EXPECT_EQ(withheld->reserved, Cost{});
}

TEST(Settle, WhatCannotHaveHappenedIsRefused) {
  const std::vector<Output> outputs{metrics("a", 1023), table("t")};
  const auto fits = [&](const Outcome& outcome) {
    return settle(kTenMinutes, outputs, outcome).has_value();
  };
  const auto judged = [&](std::uint64_t metrics_bits, std::uint64_t table_bits) {
    return fits({.slot_s = 1,
                 .ending = Ending::Judged,
                 .outputs = {{Verdict::Released, metrics_bits}, {Verdict::Released, table_bits}}});
  };
  EXPECT_TRUE(judged(10, 31));
  EXPECT_TRUE(judged(10, 4));
  EXPECT_FALSE(judged(10, 34));  // a row too many
  EXPECT_FALSE(judged(10, 5));   // no whole row
  EXPECT_FALSE(judged(10, 3));   // shorter than the count of rows
  EXPECT_FALSE(judged(11, 31));
  EXPECT_FALSE(judged(9, 31));
  EXPECT_FALSE(fits({.slot_s = 3, .ending = Ending::Exit}));
  EXPECT_FALSE(fits({.slot_s = 512, .ending = Ending::Lost}));
  EXPECT_FALSE(fits({.slot_s = 1, .ending = Ending::Judged, .outputs = {{Verdict::Released, 10}}}));
  EXPECT_FALSE(fits({.slot_s = 1, .ending = Ending::Exit, .outputs = {{}, {}}}));
  EXPECT_FALSE(fits({.slot_s = 1, .ending = {}, .outputs = {{}, {}}}));
}

TEST(SettleProperty, NoOutcomeCostsMoreThanItsQuote) {
  std::mt19937_64 random{42};
  for (int step = 0; step < 2000; ++step) {
    Resources resources{.cpus = static_cast<std::uint32_t>(random() % 8 + 1)};
    resources.time_s = random() % 5000 + 1;
    resources.output_bytes = (random() % 256 + 1) << 20;
    std::vector<Output> outputs;
    for (auto count = random() % 4; count > 0; --count) {
      const std::string name = "o" + std::to_string(count);
      const auto max = static_cast<std::int64_t>(random() % 100'000);
      outputs.push_back(random() % 2 == 0 ? table(name) : metrics(name, max));
    }
    const Quote quote = quote_of(resources, outputs);
    const Slots slots = slots_of(resources);
    const auto ending = static_cast<Ending>(random() % kEndings);
    const Seen seen = seen_at(slots, ending, random() % (slots.last() * 1100));
    Outcome outcome{.slot_s = seen.slot_s, .ending = seen.ending, .outputs = {}};
    for (std::size_t i = 0; seen.ending == Ending::Judged && i < outputs.size(); ++i) {
      outcome.outputs.push_back({static_cast<Verdict>(random() % 9), object_bits_max(outputs[i])});
    }
    const auto settled = settle(resources, outputs, outcome);
    ASSERT_TRUE(settled) << "step " << step << ": " << settled.error().message;
    ASSERT_TRUE((settled->charged + settled->reserved).within(quote.cost)) << "step " << step;
    ASSERT_EQ(settled->charged + settled->reserved + settled->returned, quote.cost)
        << "step " << step;
  }
}

}  // namespace
}  // namespace coffer::program
