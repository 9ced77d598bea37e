#include <fmt/format.h>

#include <variant>

#include "program/charge.h"

namespace coffer::program {
namespace {

Error bad(std::string message) { return Error{Code::InvalidArgument, std::move(message)}; }

// Whether a released object of this declaration can be so long. Only a table's length varies.
bool is_object_length(const Output& output, std::uint64_t bits) {
  if (bits > object_bits_max(output)) return false;
  const auto* table = std::get_if<Table>(&output.body);
  if (table == nullptr) return bits == object_bits_max(output);
  const std::uint64_t row = row_bits(*table);
  if (bits < row_count_bits(*table)) return false;
  const std::uint64_t rows = bits - row_count_bits(*table);
  return row == 0 ? rows == 0 : rows % row == 0;
}

Result<> check(const Slots& slots, const std::vector<Output>& outputs, const Outcome& outcome) {
  if (!is_slot(slots, outcome.slot_s)) {
    return bad(fmt::format("slot {} is none of this run's", outcome.slot_s));
  }
  if (outcome.ending == Ending::Lost && outcome.slot_s != slots.last()) {
    return bad(fmt::format("a lost run shows at its last slot, {}", slots.last()));
  }
  const std::size_t wanted = outcome.ending == Ending::Judged ? outputs.size() : 0;
  if (outcome.outputs.size() != wanted) {
    return bad(fmt::format("{} verdicts, {} wanted", outcome.outputs.size(), wanted));
  }
  return {};
}

}  // namespace

Result<Settlement> settle(const Resources& resources, const std::vector<Output>& outputs,
                          const Outcome& outcome) {
  const Slots slots = slots_of(resources);
  COFFER_CHECK(check(slots, outputs, outcome));
  Settlement out;
  out.charged.runs = 1;
  out.charged.cpu_ms = cpu_ms(resources.cpus, outcome.slot_s, resources.time_s);
  out.charged.bits = header_bits(slots);
  if (outcome.ending == Ending::Exit) out.charged.bits += kReportBits;
  for (std::size_t i = 0; i < outcome.outputs.size(); ++i) {
    const auto& entry = outcome.outputs[i];
    out.charged.bits += kVerdictBits;
    const bool released =
        entry.verdict == Verdict::Released || entry.verdict == Verdict::HeldReleased;
    if (released && !is_object_length(outputs[i], entry.bits)) {
      return bad(fmt::format("output {}: no object of its declaration has {} bits", outputs[i].name,
                             entry.bits));
    }
    if (released) out.charged.bits += entry.bits;
    if (entry.verdict == Verdict::Held) out.reserved.bits += object_bits_max(outputs[i]);
  }
  out.returned = quote_of(resources, outputs).cost - out.charged - out.reserved;
  return out;
}

}  // namespace coffer::program
