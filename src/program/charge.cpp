#include "program/charge.h"

#include <algorithm>
#include <array>

namespace coffer::program {
namespace {

constexpr std::array<std::string_view, kEndings> kEndingTexts{"judged", "exit",        "time",
                                                              "memory", "output_size", "lost"};
constexpr std::array<std::string_view, 5> kRefusalTexts{"undeclared", "malformed", "out_of_range",
                                                        "private_copy", "over_budget"};
constexpr std::array<std::string_view, 9> kVerdictTexts{
    "released",     "held_released", "held_withheld", "undeclared", "malformed",
    "out_of_range", "private_copy",  "over_budget",   "held"};

template <class Enum, std::size_t N>
std::optional<Enum> enum_of(const std::array<std::string_view, N>& texts, std::string_view text) {
  const auto found = std::find(texts.begin(), texts.end(), text);
  if (found == texts.end()) return {};
  return static_cast<Enum>(found - texts.begin());
}

std::uint64_t sum(std::uint64_t a, std::uint64_t b) {
  return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}
std::uint64_t product(std::uint64_t a, std::uint64_t b) {
  std::uint64_t out = 0;
  return __builtin_mul_overflow(a, b, &out) ? UINT64_MAX : out;
}
std::uint64_t difference(std::uint64_t a, std::uint64_t b) { return a > b ? a - b : 0; }

// What one grant alone would decide: the first output that passes a limit, and all after it, stop.
std::vector<Verdict> decide_alone(const AutomaticLimits& grant, std::uint64_t base,
                                  const std::vector<JudgedOutput>& judged) {
  const std::uint64_t total = auto_total_of(grant);
  const Verdict stopped = grant.approvals_needed > 0 ? Verdict::Held : Verdict::HeldWithheld;
  std::uint64_t run = base;
  bool stop = false;
  std::vector<Verdict> out;
  for (const auto& output : judged) {
    if (output.refusal) {
      out.push_back(verdict_of(*output.refusal));
      continue;
    }
    const std::uint64_t with = sum(run, output.object_bits);
    stop = stop || with > grant.auto_bits || sum(grant.spent_before, with) > total;
    if (!stop) run = with;
    out.push_back(stop ? stopped : Verdict::Released);
  }
  return out;
}

}  // namespace

Cost operator+(const Cost& a, const Cost& b) {
  return {.bits = sum(a.bits, b.bits),
          .epsilon_milli = sum(a.epsilon_milli, b.epsilon_milli),
          .runs = sum(a.runs, b.runs),
          .cpu_ms = sum(a.cpu_ms, b.cpu_ms)};
}

Cost operator-(const Cost& a, const Cost& b) {
  return {.bits = difference(a.bits, b.bits),
          .epsilon_milli = difference(a.epsilon_milli, b.epsilon_milli),
          .runs = difference(a.runs, b.runs),
          .cpu_ms = difference(a.cpu_ms, b.cpu_ms)};
}

bool Cost::within(const Cost& limit) const {
  return bits <= limit.bits && epsilon_milli <= limit.epsilon_milli && runs <= limit.runs &&
         cpu_ms <= limit.cpu_ms;
}

Json cost_json(const Cost& cost) {
  return Json::object({{"bits", cost.bits},
                       {"epsilon_milli", cost.epsilon_milli},
                       {"runs", cost.runs},
                       {"cpu_ms", cost.cpu_ms}});
}

Result<Cost> parse_cost(const Json& object) {
  StrictReader in{object};
  const Cost cost{.bits = in.uint("bits"),
                  .epsilon_milli = in.uint("epsilon_milli"),
                  .runs = in.uint("runs"),
                  .cpu_ms = in.uint("cpu_ms")};
  COFFER_CHECK(in.finish());
  return cost;
}

std::string_view text_of_ending(Ending ending) {
  return kEndingTexts[static_cast<std::size_t>(ending)];
}
std::optional<Ending> ending_of(std::string_view text) {
  return enum_of<Ending>(kEndingTexts, text);
}
std::string_view text_of_refusal(Refusal refusal) {
  return kRefusalTexts[static_cast<std::size_t>(refusal)];
}
std::optional<Refusal> refusal_of(std::string_view text) {
  return enum_of<Refusal>(kRefusalTexts, text);
}
std::string_view text_of_verdict(Verdict verdict) {
  return kVerdictTexts[static_cast<std::size_t>(verdict)];
}
std::optional<Verdict> verdict_of(std::string_view text) {
  return enum_of<Verdict>(kVerdictTexts, text);
}

Verdict verdict_of(Refusal refusal) {
  switch (refusal) {
    case Refusal::Undeclared:
      return Verdict::Undeclared;
    case Refusal::Malformed:
      return Verdict::Malformed;
    case Refusal::OutOfRange:
      return Verdict::OutOfRange;
    case Refusal::PrivateCopy:
      return Verdict::PrivateCopy;
    case Refusal::OverBudget:
      return Verdict::OverBudget;
  }
  return Verdict::Malformed;
}

std::uint64_t judging_allowance_s(std::uint64_t output_bytes) {
  constexpr std::uint64_t kStep = 16ULL << 20;
  return 2 + output_bytes / kStep + (output_bytes % kStep == 0 ? 0 : 1);
}

Slots make_slots(std::uint64_t time_s, std::uint64_t allowance_s) {
  Slots slots{.time_s = time_s, .allowance_s = allowance_s, .instants_s = {}};
  for (std::uint64_t slot = 1; slot < time_s; slot *= 2) {
    slots.instants_s.push_back(slot);
    if (slot > UINT64_MAX / 2) break;
  }
  slots.instants_s.push_back(sum(time_s, allowance_s));
  return slots;
}

Slots slots_of(const Resources& resources) {
  return make_slots(resources.time_s, judging_allowance_s(resources.output_bytes));
}

unsigned header_bits(const Slots& slots) { return bits_for(slots.instants_s.size() * kEndings); }

std::uint64_t slot_at(const Slots& slots, std::uint64_t elapsed_ms) {
  for (const auto slot : slots.instants_s) {
    if (elapsed_ms <= product(slot, 1000)) return slot;
  }
  return slots.last();
}

bool is_slot(const Slots& slots, std::uint64_t slot_s) {
  return std::binary_search(slots.instants_s.begin(), slots.instants_s.end(), slot_s);
}

Seen seen_at(const Slots& slots, Ending ending, std::uint64_t over_after_ms) {
  const bool late = over_after_ms > product(slots.last(), 1000);
  if (late || ending == Ending::Lost) return {.slot_s = slots.last(), .ending = Ending::Lost};
  return {.slot_s = slot_at(slots, over_after_ms), .ending = ending};
}

std::uint64_t cpu_ms(std::uint32_t cpus, std::uint64_t slot_s, std::uint64_t time_s) {
  return product(product(cpus, std::min(slot_s, time_s)), 1000);
}

UnixTime ended_at(UnixTime started, std::uint64_t slot_s) {
  return started + std::chrono::seconds{static_cast<std::int64_t>(slot_s)};
}

Quote quote_of(const Resources& resources, const std::vector<Output>& outputs) {
  const Slots slots = slots_of(resources);
  Quote quote{.cost = {},
              .header_bits = header_bits(slots),
              .judged_bits = 0,
              .allowance_s = slots.allowance_s,
              .slot_count = slots.instants_s.size(),
              .outputs = {}};
  for (const auto& output : outputs) {
    quote.outputs.push_back({.name = output.name, .object_bits_max = object_bits_max(output)});
    quote.judged_bits = sum(quote.judged_bits, kVerdictBits + quote.outputs.back().object_bits_max);
  }
  quote.cost = {
      .bits = sum(quote.header_bits, std::max<std::uint64_t>(kReportBits, quote.judged_bits)),
      .epsilon_milli = 0,
      .runs = 1,
      .cpu_ms = cpu_ms(resources.cpus, resources.time_s, resources.time_s)};
  return quote;
}

Json quote_json(const Quote& quote) {
  Json::Array outputs;
  for (const auto& output : quote.outputs) {
    outputs.push_back(Json::object({{"name", output.name},
                                    {"verdict_bits", kVerdictBits},
                                    {"max_object_bits", output.object_bits_max}}));
  }
  return Json::object({{"quote", cost_json(quote.cost)},
                       {"header_bits", quote.header_bits},
                       {"slot_count", std::uint64_t{quote.slot_count}},
                       {"judging_allowance_s", quote.allowance_s},
                       {"report_bits_at_most", kReportBits},
                       {"judged_bits", quote.judged_bits},
                       {"outputs", std::move(outputs)}});
}

std::uint64_t auto_total_of(const AutomaticLimits& limits) {
  return limits.auto_total.value_or(product(limits.runs, limits.auto_bits));
}

Automatic decide(std::span<const AutomaticLimits> grants, unsigned header_bits,
                 const std::vector<JudgedOutput>& judged) {
  const std::uint64_t base = header_bits + kVerdictBits * std::uint64_t{judged.size()};
  Automatic out{.verdicts = {}, .spent = base};
  for (const auto& output : judged) {
    out.verdicts.push_back(output.refusal ? verdict_of(*output.refusal) : Verdict::Released);
  }
  for (const auto& grant : grants) {
    const auto alone = decide_alone(grant, base, judged);
    for (std::size_t i = 0; i < alone.size(); ++i) {
      auto& verdict = out.verdicts[i];
      if (alone[i] == Verdict::HeldWithheld) verdict = Verdict::HeldWithheld;
      if (alone[i] == Verdict::Held && verdict == Verdict::Released) verdict = Verdict::Held;
    }
  }
  for (std::size_t i = 0; i < judged.size(); ++i) {
    if (out.verdicts[i] == Verdict::Released) out.spent = sum(out.spent, judged[i].object_bits);
  }
  return out;
}

std::uint64_t automatic_spend_unjudged(unsigned header_bits, Ending ending) {
  return header_bits + (ending == Ending::Exit ? std::uint64_t{kReportBits} : 0);
}

}  // namespace coffer::program
