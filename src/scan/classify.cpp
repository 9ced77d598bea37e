#include "scan/detail/classify.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/text.h"
#include "scan/decimal.h"
#include "scan/detail/words.h"

namespace coffer::scan {
namespace {

constexpr std::uint64_t kRowsToJudge = 20;  // fewer rows say nothing about uniqueness
constexpr std::uint64_t kRare = 5;          // a value of fewer rows is pointed out

struct Opinion {
  Kind kind;
  std::string reason;
};

// All but one in ten, at least: real data has slips.
bool nearly_all(std::uint64_t part, std::uint64_t whole) {
  return whole > 0 && 10 * part >= 9 * whole;
}

Type type_of(const ColumnStats& stats) {
  const std::uint64_t filled = stats.filled();
  if (filled == 0 || stats.padded() > 0) return Type::Text;  // 0042 is a code: digits would be lost
  if (stats.integers() == filled) return Type::Integer;
  if (stats.integers() + stats.decimals() == filled) return Type::Decimal;
  if (stats.dates() == filled) return Type::Date;
  if (stats.truths() == filled && stats.distinct() <= 2) return Type::Boolean;
  return Type::Text;
}

bool is_number(Type type) { return type == Type::Integer || type == Type::Decimal; }

// Different in nearly every row; decimals often are by nature, so they do not count.
bool is_unique(const ColumnStats& stats, Type type) {
  return type != Type::Decimal && stats.filled() >= kRowsToJudge &&
         20 * stats.distinct() >= 19 * stats.filled();
}

bool is_prose(const ColumnStats& stats) {
  return stats.mean_words() >= 5 || stats.mean_length() >= 60;
}

std::optional<Opinion> by_form(const ColumnStats& stats) {
  for (std::size_t i = 0; i < kForms; ++i) {
    const Form form = static_cast<Form>(i);
    if (!identifies(form) || !nearly_all(stats.of_form(form), stats.filled())) continue;
    return Opinion{Kind::Identifier, fmt::format("the values look like {}", describe(form))};
  }
  return {};
}

std::optional<Opinion> by_uniqueness(const ColumnStats& stats, Type type) {
  if (!is_unique(stats, type) || type == Type::Date || is_prose(stats)) return {};
  const std::string counts = fmt::format("{} of {} values differ", render_count(stats.distinct()),
                                         render_count(stats.filled()));
  if (type != Type::Integer) return Opinion{Kind::Identifier, counts};
  if (nearly_all(stats.steps() + 1, stats.filled())) {
    return Opinion{Kind::Identifier, counts + ", each one more than the one before: a row number"};
  }
  if (stats.one_length() && stats.length_max() >= 6) {
    return Opinion{Kind::Identifier,
                   fmt::format("{}, all of {} digits", counts, stats.length_max())};
  }
  return {};
}

std::optional<Opinion> by_name(const std::string& name, const ColumnStats& stats, Type type) {
  const auto hint = hint_of(words_of(name));
  if (!hint) return {};
  Opinion opinion{hint->kind, fmt::format("its name says '{}'", hint->word)};
  const bool few = stats.values_complete() && stats.distinct() <= 20;
  switch (hint->kind) {
    case Kind::Date:
      // "time" and "day" also name durations: those are numbers like any other.
      if (is_number(type) && hint->word != "year") return {};
      return opinion;
    case Kind::Label:
      return few || is_number(type) ? std::optional{opinion} : std::nullopt;
    case Kind::FreeText:
      return type == Type::Text && !few ? std::optional{opinion} : std::nullopt;
    case Kind::Identifier:
    case Kind::QuasiIdentifier:
    case Kind::Sensitive:
    case Kind::Numeric:
    case Kind::Other:
      return opinion;
  }
  return {};
}

std::optional<Opinion> by_values(const ColumnStats& stats, Type type, Place place) {
  if (type == Type::Date) return Opinion{Kind::Date, "the values are dates"};
  for (const Form form : {Form::Timestamp, Form::LocalDate}) {
    if (nearly_all(stats.of_form(form), stats.filled())) {
      return Opinion{Kind::Date, fmt::format("the values look like {}", describe(form))};
    }
  }
  if (type == Type::Text && is_prose(stats)) {
    return Opinion{Kind::FreeText,
                   fmt::format("{:.0f} words in a value, on average", stats.mean_words())};
  }
  const bool many_differ = 2 * stats.distinct() >= stats.filled();
  if (nearly_all(stats.of_form(Form::PersonName), stats.filled()) && many_differ) {
    return Opinion{Kind::Identifier, "the values look like names of persons"};
  }
  const bool few = stats.values_complete() && stats.distinct() >= 2 && stats.distinct() <= 20;
  if (place == Place::Last && few && stats.filled() >= 5 * stats.distinct() &&
      type != Type::Decimal) {
    return Opinion{Kind::Label, "the last column, with few values"};
  }
  return {};
}

Opinion opinion_of(const std::string& name, const ColumnStats& stats, Type type, Place place) {
  if (stats.filled() == 0) return {Kind::Other, "always blank"};
  if (auto opinion = by_form(stats)) return *opinion;
  if (auto opinion = by_name(name, stats, type)) {
    if (place == Place::Last && opinion->kind == Kind::Sensitive && stats.values_complete()) {
      opinion->reason += "; the last column, so perhaps the label too";
    }
    return *opinion;
  }
  if (auto opinion = by_uniqueness(stats, type)) return *opinion;
  if (auto opinion = by_values(stats, type, place)) return *opinion;
  if (type == Type::Integer) return {Kind::Numeric, "whole numbers"};
  if (type == Type::Decimal) return {Kind::Numeric, "decimal numbers"};
  if (stats.values_complete()) return {Kind::Other, "text with few values"};
  return {Kind::Other,
          fmt::format("text with {} different values: look at it", render_count(stats.distinct()))};
}

bool shows_values(const Column& column, const ColumnStats& stats) {
  if (!stats.values_complete() || stats.filled() == 0) return false;
  // A list of values that hardly repeat would be a copy of the column.
  if (stats.distinct() > 2 && stats.filled() < 2 * stats.distinct()) return false;
  if (!is_number(column.type) && column.type != Type::Date) return true;
  const bool category = column.kind == Kind::Label || column.kind == Kind::Sensitive;
  return category && column.type == Type::Integer && stats.distinct() <= 20;
}

void propose_values(Column& column, const ColumnStats& stats) {
  if (column.kind == Kind::Identifier || column.kind == Kind::FreeText) {
    column.reason += "; neither values nor range are proposed for publication";
    return;
  }
  if (shows_values(column, stats)) {
    std::uint64_t rare = 0;
    for (const auto& [value, count] : stats.values()) {
      column.values.push_back(value);
      if (count < kRare) ++rare;
    }
    if (column.type == Type::Integer) {
      const auto number = [](const std::string& text) {
        return canonical_decimal(text).value_or("0");
      };
      std::sort(column.values.begin(), column.values.end(), [&](const auto& a, const auto& b) {
        return compare_decimal(number(a), number(b)) < 0;
      });
    }
    if (rare > 0) {
      column.reason += fmt::format("; {} of the values stand in fewer than {} rows", rare, kRare);
    }
    return;
  }
  if (column.type == Type::Date) {
    column.min = stats.date_min();
    column.max = stats.date_max();
  } else if (is_number(column.type) && stats.range_known()) {
    column.min = stats.number_min();
    column.max = stats.number_max();
  }
  if (!column.min.empty()) column.reason += "; min and max are values of single rows: round them";
}

}  // namespace

Column classify(const std::string& name, const ColumnStats& stats, Place place) {
  Column column{.name = name};
  column.type = type_of(stats);
  Opinion opinion = opinion_of(name, stats, column.type, place);
  column.kind = opinion.kind;
  column.reason = std::move(opinion.reason);
  propose_values(column, stats);
  column.blanks = stats.blanks() > 0 ? Blanks::Allowed : Blanks::Required;
  if (stats.blanks() > 0) {
    column.reason += fmt::format("; {} blanks", render_count(stats.blanks()));
    if (!trim(stats.blank_word()).empty()) {
      column.reason += fmt::format(" (some written {})", printable(stats.blank_word(), 10));
    }
  }
  return column;
}

}  // namespace coffer::scan
