#include "cli/infer.h"

#include <algorithm>

namespace coffer::cli {
namespace {

using program::Decimal;

constexpr unsigned kDigitsInferred = 3;
constexpr std::size_t kTextsMax = 64;

// 1, 10, 100 … at least `value`, which is not negative.
Decimal round_above(const Decimal& value) {
  std::int64_t power = 1;
  while (power < 100'000'000'000'000'000 && Decimal::from_integer(power) < value) power *= 10;
  return Decimal::from_integer(power);
}

program::Domain domain_of(const ValueFacts& facts) {
  if (!facts.min) return program::Choice{facts.texts, facts.blanks};
  program::Number number;
  number.digits = std::min(facts.digits, kDigitsInferred);
  number.optional = facts.blanks;
  const Decimal zero;
  number.min = *facts.min < zero ? -round_above(-*facts.min) : zero;
  number.max = *facts.max < zero ? zero : round_above(*facts.max);
  return number;
}

// Outward to the grid of the declaration.
Decimal outward(const Decimal& value, unsigned digits, bool up) {
  Decimal nearest = value.rounded(digits);
  const auto scaled = nearest.scaled(digits);
  if (!scaled) return nearest;
  if (up && nearest < value) return Decimal::from_scaled(*scaled + 1, digits);
  if (!up && nearest > value) return Decimal::from_scaled(*scaled - 1, digits);
  return nearest;
}

program::Domain widened(const program::Domain& declared, const ValueFacts& facts) {
  if (const auto* number = std::get_if<program::Number>(&declared)) {
    if (!facts.texts.empty()) return domain_of(facts);
    program::Number wide = *number;
    wide.optional = wide.optional || facts.blanks;
    if (!facts.min || wide.clamp) return wide;
    // What is rounded into the range needs no wider one.
    if (facts.min->rounded(wide.digits) < wide.min) {
      wide.min = outward(*facts.min, wide.digits, false);
    }
    if (facts.max->rounded(wide.digits) > wide.max) {
      wide.max = outward(*facts.max, wide.digits, true);
    }
    return wide;
  }
  const auto& choice = std::get<program::Choice>(declared);
  if (facts.min) return domain_of(facts);
  program::Choice wide = choice;
  wide.optional = wide.optional || facts.blanks;
  for (const auto& text : facts.texts) {
    if (std::find(wide.values.begin(), wide.values.end(), text) == wide.values.end()) {
      wide.values.push_back(text);
    }
  }
  return wide;
}

const ValueFacts* find(const std::vector<ValueFacts>& facts, const std::string& name) {
  const auto found = std::find_if(facts.begin(), facts.end(),
                                  [&](const ValueFacts& one) { return one.name == name; });
  return found == facts.end() ? nullptr : &*found;
}

bool can_be_declared(const ValueFacts& facts) {
  return facts.min || (!facts.texts.empty() && facts.texts.size() <= kTextsMax);
}

// `Named` is a Field or a Column: what is declared is widened, what is new is added.
template <class Named>
std::vector<Named> widened_all(const std::vector<Named>& declared,
                               const std::vector<ValueFacts>& facts) {
  std::vector<Named> all;
  for (const auto& one : declared) {
    Named wide = one;
    if (const auto* seen = find(facts, one.name)) {
      wide.domain = widened(one.domain, *seen);
    } else {
      std::visit([](auto& domain) { domain.optional = true; }, wide.domain);
    }
    all.push_back(std::move(wide));
  }
  for (const auto& seen : facts) {
    const bool known = std::any_of(declared.begin(), declared.end(),
                                   [&](const Named& one) { return one.name == seen.name; });
    if (known || !can_be_declared(seen)) continue;
    Named fresh;
    fresh.name = seen.name;
    fresh.domain = domain_of(seen);
    all.push_back(std::move(fresh));
  }
  return all;
}

program::Tensor tensor_of(const TensorFacts& facts) {
  program::Tensor tensor;
  tensor.name = facts.name;
  tensor.shape = facts.shape;
  tensor.dtype = facts.dtype;
  if (facts.dtype == program::Dtype::I8) tensor.scale = Decimal::from_integer(1);
  if (facts.dtype == program::Dtype::I32) {
    tensor.min = facts.min;
    tensor.max = facts.max;
  }
  return tensor;
}

program::Tensors widened_tensors(const program::Tensors& declared, const FileFacts& facts) {
  program::Tensors wide;
  wide.drop = declared.drop;
  for (const auto& seen : facts.tensors) {
    const auto known =
        std::find_if(declared.tensors.begin(), declared.tensors.end(),
                     [&](const program::Tensor& one) { return one.name == seen.name; });
    if (known == declared.tensors.end()) {
      const bool dropped = std::any_of(
          wide.drop.begin(), wide.drop.end(),
          [&](const auto& pattern) { return program::drop_matches(pattern, seen.name); });
      if (!dropped) wide.tensors.push_back(tensor_of(seen));
      continue;
    }
    program::Tensor same = *known;
    same.shape = seen.shape;
    if (same.dtype == program::Dtype::I32) {
      same.min = std::min(same.min, seen.min);
      same.max = std::max(same.max, seen.max);
    }
    wide.tensors.push_back(std::move(same));
  }
  return wide;
}

Result<program::Output> checked(program::Output output) {
  std::vector<program::Output> one;
  one.push_back(std::move(output));
  COFFER_TRY(auto good, program::check_outputs(std::move(one)));
  return std::move(good[0]);
}

template <class Named>
std::vector<Named> fresh_all(const std::vector<ValueFacts>& facts) {
  return widened_all<Named>({}, facts);
}

}  // namespace

Result<program::Output> infer(const FileFacts& facts) {
  program::Output output;
  output.name = facts.name;
  switch (facts.kind) {
    case program::Kind::Metrics:
      output.body = program::Metrics{fresh_all<program::Field>(facts.values)};
      break;
    case program::Kind::Tensors:
      output.body = widened_tensors({}, facts);
      break;
    case program::Kind::Table:
      output.body = program::Table{std::max<std::uint64_t>(facts.rows, 1),
                                   fresh_all<program::Column>(facts.values)};
      break;
  }
  return checked(std::move(output));
}

Result<program::Output> widen(const program::Output& declared, const FileFacts& facts) {
  program::Output output = declared;
  if (const auto* metrics = std::get_if<program::Metrics>(&declared.body)) {
    output.body = program::Metrics{widened_all(metrics->fields, facts.values)};
  } else if (const auto* tensors = std::get_if<program::Tensors>(&declared.body)) {
    output.body = widened_tensors(*tensors, facts);
  } else if (const auto* table = std::get_if<program::Table>(&declared.body)) {
    output.body = program::Table{std::max(table->rows_max, facts.rows),
                                 widened_all(table->columns, facts.values)};
  }
  return checked(std::move(output));
}

}  // namespace coffer::cli
