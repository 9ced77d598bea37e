// What a run costs: slots, header, quote, charge, automatic release.
//
// Invariants: everything is an integer; a charge is never above the quote of the same declaration;
// a charge is a function of what the outside sees (ending, slot, verdicts, released lengths) only.
// Errors: InvalidArgument (verdicts that do not fit the declaration).
// Thread-safety: plain values, pure functions.
// Source: protocol.md sections 5 and 7.
//
//   const Quote quote = quote_of(manifest.resources, manifest.outputs);   // reserve quote.cost
//   const Seen seen = seen_at(slots_of(resources), Ending::Judged, elapsed_ms);
//   const Automatic decided = decide(limits, quote.header_bits, judged);
//   COFFER_TRY(const Settlement settled, settle(resources, outputs, {…}));
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "program/declaration.h"
#include "program/manifest.h"

namespace coffer::program {

inline constexpr unsigned kVerdictBits = 3;
inline constexpr unsigned kReportBits = 32;
inline constexpr unsigned kEndings = 6;

// ---- Amounts ---------------------------------------------------------------------------------

struct Cost {
  std::uint64_t bits{0};
  std::uint64_t epsilon_milli{0};
  std::uint64_t runs{0};
  std::uint64_t cpu_ms{0};
  // Sums saturate at 2^64-1, so that an overflow never fits a budget.
  friend Cost operator+(const Cost& a, const Cost& b);
  // a - b; every component of b must be at most that of a, else it counts as 0.
  friend Cost operator-(const Cost& a, const Cost& b);
  // Whether every component fits.
  bool within(const Cost& limit) const;
  friend bool operator==(const Cost&, const Cost&) = default;
};

Json cost_json(const Cost& cost);             // bits, epsilon_milli, runs, cpu_ms
Result<Cost> parse_cost(const Json& object);  // strict

// ---- Endings and slots
// ---------------------------------------------------------------------------

// The six endings of a started run that the header tells apart.
enum class Ending : std::uint8_t { Judged, Exit, Time, Memory, OutputSize, Lost };
std::string_view text_of_ending(Ending ending);  // "judged" … "output_size", "lost"
std::optional<Ending> ending_of(std::string_view text);

// When a run may be seen to be over, in seconds since it started: 1, 2, 4, … below the limit, and
// last the limit plus the judging allowance.
struct Slots {
  std::uint64_t time_s{0};
  std::uint64_t allowance_s{0};
  std::vector<std::uint64_t> instants_s{};  // ascending, never empty
  std::uint64_t last() const { return instants_s.back(); }
};

// 2 s and 1 s more for each begun 16 MiB of output.
std::uint64_t judging_allowance_s(std::uint64_t output_bytes);
Slots make_slots(std::uint64_t time_s, std::uint64_t allowance_s);
Slots slots_of(const Resources& resources);
unsigned header_bits(const Slots& slots);

// The first slot at or after `elapsed_ms`; the last one when there is none.
std::uint64_t slot_at(const Slots& slots, std::uint64_t elapsed_ms);
// Whether `slot_s` is one of them.
bool is_slot(const Slots& slots, std::uint64_t slot_s);

// What the outside sees of a run that was over (judged, or ended without being judged) so long
// after its start: a run that was not over by the last slot is lost, and what is lost shows last.
struct Seen {
  std::uint64_t slot_s{0};
  Ending ending{Ending::Lost};
  friend bool operator==(const Seen&, const Seen&) = default;
};
Seen seen_at(const Slots& slots, Ending ending, std::uint64_t over_after_ms);

// cpus * min(slot, limit) * 1000.
std::uint64_t cpu_ms(std::uint32_t cpus, std::uint64_t slot_s, std::uint64_t time_s);
// started + slot.
UnixTime ended_at(UnixTime started, std::uint64_t slot_s);

// ---- Quote -----------------------------------------------------------------------------------

struct QuotedOutput {
  std::string name;
  std::uint64_t object_bits_max{0};
};

// The most that a run can cost, and how that comes about.
struct Quote {
  Cost cost{};
  unsigned header_bits{0};
  std::uint64_t judged_bits{0};  // all verdicts and all objects
  std::uint64_t allowance_s{0};  // for judging, after the time limit
  std::size_t slot_count{0};
  std::vector<QuotedOutput> outputs{};
};
Quote quote_of(const Resources& resources, const std::vector<Output>& outputs);
Json quote_json(const Quote& quote);

// ---- Verdicts --------------------------------------------------------------------------------

enum class Refusal : std::uint8_t { Undeclared, Malformed, OutOfRange, PrivateCopy, OverBudget };
std::string_view text_of_refusal(Refusal refusal);  // "out_of_range"
std::optional<Refusal> refusal_of(std::string_view text);

// What the judge found for one declared output: a refusal, or an object of so many bits.
struct JudgedOutput {
  std::optional<Refusal> refusal{};
  std::uint64_t object_bits{0};  // 0 when refused
  friend bool operator==(const JudgedOutput&, const JudgedOutput&) = default;
};

// The eight verdicts that three bits tell apart, and Held before the last word is spoken.
enum class Verdict : std::uint8_t {
  Released,
  HeldReleased,
  HeldWithheld,
  Undeclared,
  Malformed,
  OutOfRange,
  PrivateCopy,
  OverBudget,
  Held,
};
std::string_view text_of_verdict(Verdict verdict);  // "held_released"
std::optional<Verdict> verdict_of(std::string_view text);
Verdict verdict_of(Refusal refusal);

// ---- Automatic release
// -----------------------------------------------------------------------------

// One grant's terms, and what was charged to it before that no approver approved.
struct AutomaticLimits {
  std::uint64_t auto_bits{0};
  std::optional<std::uint64_t> auto_total{};  // default: runs * auto_bits
  std::uint64_t runs{0};                      // the grant's budget of runs
  std::uint64_t approvals_needed{0};          // 0: what would be held is withheld at once
  std::uint64_t spent_before{0};
};
std::uint64_t auto_total_of(const AutomaticLimits& limits);

struct Automatic {
  // One per declared output: Released, Held, HeldWithheld (no approvers) or a refusal's verdict.
  std::vector<Verdict> verdicts{};
  // What this run adds to each grant's `spent_before`: header, verdicts, objects released here.
  std::uint64_t spent{0};
};
// Several grants: an output is released only where each of them alone would release it, and
// withheld where one that holds it has no approvers. No grant (no protected input): all released.
Automatic decide(std::span<const AutomaticLimits> grants, unsigned header_bits,
                 const std::vector<JudgedOutput>& judged);

// What a started run that was not judged adds to `spent_before`: the header, and the report of
// Exit.
std::uint64_t automatic_spend_unjudged(unsigned header_bits, Ending ending);

// ---- Charge ----------------------------------------------------------------------------------

// How a started run ended, as the outside sees it.
struct Outcome {
  std::uint64_t slot_s{0};
  // Nothing: cancelled or revoked after it started, which shows neither report nor outputs.
  std::optional<Ending> ending{};
  // Judged only, one per declared output. `bits` is the object's length where it is released, and
  // not looked at elsewhere.
  struct Entry {
    Verdict verdict{Verdict::Held};
    std::uint64_t bits{0};
  };
  std::vector<Entry> outputs{};
};

struct Settlement {
  Cost charged{};   // header, report or verdicts, objects released so far
  Cost reserved{};  // still kept back: the declared maximum of each held output
  // What may be given back of the quote: quote - charged - reserved.
  Cost returned{};
};
// Errors: InvalidArgument (no slot of this run; a verdict too many or too few; an object longer
// than declared; outputs of a run that was not judged).
Result<Settlement> settle(const Resources& resources, const std::vector<Output>& outputs,
                          const Outcome& outcome);

}  // namespace coffer::program
