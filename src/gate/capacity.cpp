#include "gate/capacity.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "program/decimal.h"

namespace coffer::gate {
namespace {

// Sensitive columns first, then what a program would be asked to predict, then the rest.
int rank_of_kind(const std::string& kind) {
  if (kind == "sensitive") return 0;
  return kind == "label" ? 1 : 2;
}

// log2 of the values that a column may hold by its card; nothing when the card does not say.
std::optional<double> bits_of_column(const Json& column) {
  double count = 0;
  if (const auto* values = column["values"].as_array(); values != nullptr && !values->empty()) {
    count = static_cast<double>(values->size());
  } else if (column.text_or("type", "") == "boolean") {
    count = 2;
  } else {
    const auto low = program::Decimal::parse(column.text_or("min", ""));
    const auto high = program::Decimal::parse(column.text_or("max", ""));
    if (!low || !high) return std::nullopt;
    // As fine as its published ends: a coarser reading states it for more persons.
    unsigned digits = 0;
    while (digits < program::kDigitsMax && !(low->on_grid(digits) && high->on_grid(digits))) {
      ++digits;
    }
    const auto from = low->scaled(digits);
    const auto to = high->scaled(digits);
    if (!from || !to) return std::nullopt;
    count = static_cast<double>(*to) - static_cast<double>(*from) + 1;
  }
  if (column.bool_or("blanks", false)) count += 1;
  return count >= 2 ? std::optional<double>{std::log2(count)} : std::nullopt;
}

}  // namespace

Capacity capacity_of(std::uint64_t bits, const Json& card) {
  Capacity capacity{.bits = bits, .column = {}};
  int best_rank = 3;
  double best_bits = 1;
  const Json::Array none;
  const auto* files = card["files"].as_array();
  for (const Json& file : files != nullptr ? *files : none) {
    const auto rows = static_cast<std::uint64_t>(std::max<std::int64_t>(file.int_or("rows", 0), 0));
    capacity.of_persons = std::max(capacity.of_persons, rows);
    const auto* columns = file["columns"].as_array();
    for (const Json& column : columns != nullptr ? *columns : none) {
      const int rank = rank_of_kind(column.text_or("kind", ""));
      const auto cost = bits_of_column(column);
      const bool better = cost && (rank < best_rank || (rank == best_rank && *cost < best_bits));
      if (!better) continue;
      best_rank = rank;
      best_bits = *cost;
      capacity.column = column.text_or("name", "");
    }
  }
  const double persons = std::floor(static_cast<double>(bits) / best_bits * (1 + 1e-12));
  capacity.persons = persons < 9e18 ? static_cast<std::uint64_t>(persons) : bits;
  if (capacity.of_persons > 0) capacity.persons = std::min(capacity.persons, capacity.of_persons);
  return capacity;
}

std::string capacity_sentence(const Capacity& capacity) {
  const std::string what = capacity.column.empty() ? "one yes or no" : "`" + capacity.column + "`";
  const bool all = capacity.of_persons > 0 && capacity.persons == capacity.of_persons;
  return fmt::format("at most {} bits: enough to state {} for {} {} person{}",
                     render_count(capacity.bits), what, all ? "all" : "up to",
                     render_count(capacity.persons), capacity.persons == 1 ? "" : "s");
}

std::string rows_sentence(std::uint64_t bits, std::uint64_t bits_per_row, std::uint64_t rows) {
  if (bits_per_row == 0 || rows == 0) return {};
  const double worth = static_cast<double>(bits) / static_cast<double>(bits_per_row);
  const double percent = 100 * worth / static_cast<double>(rows);
  std::string text = fmt::format(
      "as an illustration, about {} rows of {} ({} percent) at {} bits a row",
      render_count(static_cast<std::uint64_t>(worth)), render_count(rows),
      percent >= 1 ? fmt::format("{:.0f}", percent) : "under 1", render_count(bits_per_row));
  if (percent > 100) {
    text += "; this cannot be judged by reading: you are trusting the program and its author";
  }
  return text;
}

}  // namespace coffer::gate
