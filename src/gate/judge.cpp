#include "gate/judge.h"

#include <algorithm>

#include "gate/detail/judging.h"

namespace coffer::gate {
namespace {

using program::Output;
using program::Refusal;

Judged judge_one(int directory, const Output& output) {
  auto file = open_regular(directory, output.file());
  if (!file) return Refusal::Malformed;
  if (const auto* metrics = std::get_if<program::Metrics>(&output.body)) {
    return judge_metrics(*metrics, *file);
  }
  if (const auto* table = std::get_if<program::Table>(&output.body)) {
    return judge_table(*table, *file);
  }
  return judge_tensors(std::get<program::Tensors>(output.body), *file);
}

Finding finding_of(Judged judged) {
  if (const auto* refusal = std::get_if<Refusal>(&judged)) return {.refusal = *refusal};
  return {.object = std::get<BitString>(std::move(judged))};
}

}  // namespace

Coded code_of_number(const program::Number& number, std::string_view text) {
  const auto parsed = program::Decimal::parse(text);
  if (!parsed) return Refusal::Malformed;
  const auto rounded = parsed->rounded(number.digits);
  const bool above = rounded > number.max;
  if (above || rounded < number.min) {
    if (!number.clamp) return Refusal::OutOfRange;
    const std::int64_t end = above ? number.max_scaled() : number.min_scaled();
    return static_cast<std::uint64_t>(end - number.min_scaled());
  }
  const auto scaled = rounded.scaled(number.digits);
  if (!scaled) return Refusal::OutOfRange;
  return static_cast<std::uint64_t>(*scaled - number.min_scaled());
}

Coded code_of_text(const program::Choice& choice, std::string_view text) {
  const auto found = std::find(choice.values.begin(), choice.values.end(), text);
  if (found == choice.values.end()) {
    return is_utf8(text) ? Refusal::OutOfRange : Refusal::Malformed;
  }
  return static_cast<std::uint64_t>(found - choice.values.begin());
}

Coded code_of_null(const program::Domain& domain) {
  if (!program::is_optional(domain)) return Refusal::Malformed;
  return program::value_count(domain) - 1;
}

Result<> judge(int out_directory, const std::vector<Output>& outputs, const TakeFinding& take) {
  std::vector<std::string> declared;
  for (const Output& output : outputs) declared.push_back(output.file());
  std::sort(declared.begin(), declared.end());
  // One entry more than declared cannot all be declared: no need to read on.
  COFFER_TRY(const auto names, list_directory(out_directory, outputs.size() + 3));
  const bool undeclared = std::any_of(names.begin(), names.end(), [&](const std::string& name) {
    return !std::binary_search(declared.begin(), declared.end(), name);
  });
  for (const Output& output : outputs) {
    COFFER_CHECK(take(output, undeclared ? Finding{.refusal = Refusal::Undeclared}
                                         : finding_of(judge_one(out_directory, output))));
  }
  return {};
}

Result<std::vector<Finding>> judge_all(int out_directory, const std::vector<Output>& outputs) {
  std::vector<Finding> findings;
  COFFER_CHECK(judge(out_directory, outputs, [&](const Output&, Finding finding) -> Result<> {
    findings.push_back(std::move(finding));
    return {};
  }));
  return findings;
}

std::uint64_t judge_memory(const std::vector<Output>& outputs, std::uint64_t output_bytes) {
  constexpr std::uint64_t kFixed = 32ULL << 20;
  std::uint64_t most = 0;
  for (const Output& output : outputs) {
    std::uint64_t need = program::object_bits_max(output) / 8;
    if (const auto* table = std::get_if<program::Table>(&output.body)) {
      // A row takes at least two bytes of the file for each column; codes are held twice to sort.
      const std::uint64_t width = table->columns.size();
      const std::uint64_t rows = std::min(table->rows_max, output_bytes / (2 * width) + 1);
      need = std::min(need, rows * program::row_bits(*table) / 8 + 8) + rows * (16 * width + 4);
    } else if (const auto* metrics = std::get_if<program::Metrics>(&output.body)) {
      need += 2 * std::min(metrics_bytes_max(*metrics), output_bytes);
    } else {
      const auto& tensors = std::get<program::Tensors>(output.body);
      need += 4 * std::min(header_bytes_max(tensors), output_bytes);
    }
    most = std::max(most, need);
  }
  return kFixed + most;
}

}  // namespace coffer::gate
