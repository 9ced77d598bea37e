#include <algorithm>

#include "gate/detail/json_scan.h"
#include "gate/detail/judging.h"

namespace coffer::gate {
namespace {

using program::Field;
using program::Refusal;

const Field* find_field(const program::Metrics& metrics, std::string_view name) {
  const auto at = std::lower_bound(
      metrics.fields.begin(), metrics.fields.end(), name,
      [](const Field& field, std::string_view wanted) { return field.name < wanted; });
  return at != metrics.fields.end() && at->name == name ? &*at : nullptr;
}

// Reads one value and gives its code.
Coded read_value(JsonScan& in, const program::Domain& domain) {
  if (in.take_word("null") || in.take_word("NaN")) return code_of_null(domain);
  const char first = in.peek();
  const bool text_comes = first == '"';
  // An infinity, true, an array: number() finds no number and the file is malformed.
  if (const auto* number = std::get_if<program::Number>(&domain)) {
    if (text_comes) return Refusal::Malformed;
    const auto text = in.number();
    return in.ok() ? code_of_number(*number, text) : Refusal::Malformed;
  }
  if (!text_comes) return Refusal::Malformed;
  const std::string text = in.string();
  return in.ok() ? code_of_text(std::get<program::Choice>(domain), text) : Refusal::Malformed;
}

}  // namespace

std::uint64_t metrics_bytes_max(const program::Metrics& metrics) {
  return (64ULL << 10) + metrics.fields.size() * (8ULL << 10);
}

Judged judge_metrics(const program::Metrics& metrics, const RegularFile& file) {
  const std::uint64_t most = metrics_bytes_max(metrics);
  if (file.size > most) return Refusal::Malformed;
  ByteSource source{file.fd.get()};
  const ByteVector bytes = source.take(static_cast<std::size_t>(most) + 1);
  if (bytes.size() > most || source.failed()) return Refusal::Malformed;

  JsonScan in{text_of(bytes)};
  std::vector<bool> seen(metrics.fields.size());
  Codes codes(metrics.fields.size());
  in.expect('{');
  for (bool more = !in.take('}'); more && in.ok(); more = in.take(',')) {
    const std::string name = in.string();
    in.expect(':');
    const Field* field = find_field(metrics, name);
    if (!in.ok() || field == nullptr) return Refusal::Malformed;
    const auto index = static_cast<std::size_t>(field - metrics.fields.data());
    if (seen[index]) return Refusal::Malformed;
    seen[index] = true;
    const Coded coded = read_value(in, field->domain);
    if (const auto* refusal = std::get_if<Refusal>(&coded)) return *refusal;
    codes[index] = std::get<std::uint64_t>(coded);
    if (in.peek() != ',') in.expect('}');
  }
  if (!in.at_end()) return Refusal::Malformed;
  for (std::size_t i = 0; i < seen.size(); ++i) {
    if (seen[i]) continue;
    const Coded coded = code_of_null(metrics.fields[i].domain);
    if (const auto* refusal = std::get_if<Refusal>(&coded)) return *refusal;
    codes[i] = std::get<std::uint64_t>(coded);
  }
  return encode_metrics(metrics, codes);
}

}  // namespace coffer::gate
