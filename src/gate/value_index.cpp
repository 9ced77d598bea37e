#include <algorithm>
#include <array>
#include <cmath>

#include "gate/detail/cells.h"

namespace coffer::gate {
namespace {

using program::Domain;
using program::Dtype;
using program::Tensor;

constexpr std::uint64_t kOverlapLines = 2 * kSpan;

constexpr std::array<std::int64_t, 19> kPowers = [] {
  std::array<std::int64_t, 19> powers{1};
  for (std::size_t i = 1; i < powers.size(); ++i) powers[i] = 10 * powers[i - 1];
  return powers;
}();

std::uint64_t hash_text(std::string_view text) {
  std::uint64_t hash = spread(text.size());
  for (const char c : text) hash = spread(hash ^ static_cast<unsigned char>(c));
  return hash;
}

std::uint64_t key_of(std::uint32_t form, std::uint64_t value) {
  return spread(value) ^ spread(0x51ed270b0a1f0000 + form);
}

// value / divisor, ties to even.
std::int64_t divided(std::int64_t value, std::int64_t divisor) {
  std::int64_t quotient = value / divisor;
  const std::int64_t rest = value % divisor;
  const std::int64_t twice = rest < 0 ? -rest : rest;
  const std::int64_t other = divisor - twice;
  const bool away = twice > other || (twice == other && quotient % 2 != 0);
  if (away) quotient += value < 0 ? -1 : 1;
  return quotient;
}

double real_of(ScaledNumber number) {
  return static_cast<double>(number.value) / static_cast<double>(kPowers[number.digits]);
}

Form form_of(const Domain& domain) {
  const auto* number = std::get_if<program::Number>(&domain);
  if (number == nullptr) return {.kind = Form::Kind::Text};
  return {.kind = Form::Kind::Digits, .digits = number->digits};
}

double log_count_of(const Domain& domain) {
  const std::uint64_t count = program::value_count(domain) - (program::is_optional(domain) ? 1 : 0);
  return std::log2(static_cast<double>(count));
}

Form form_of(const Tensor& tensor) {
  switch (tensor.dtype) {
    case Dtype::F32:
      return {.kind = Form::Kind::Float, .format = kFloat32};
    case Dtype::F16:
      return {.kind = Form::Kind::Float, .format = kFloat16};
    case Dtype::Bf16:
      return {.kind = Form::Kind::Float, .format = kBfloat16};
    case Dtype::I8:
      return {.kind = Form::Kind::Scale,
              .scale = std::strtod(tensor.scale->text().c_str(), nullptr)};
    case Dtype::I32:
    case Dtype::Bool:
      return {.kind = Form::Kind::Digits};
  }
  std::abort();
}

std::int64_t value_of_code(const Tensor& tensor, std::uint64_t code) {
  const auto value = static_cast<std::int64_t>(code);
  if (tensor.dtype == Dtype::I8) return value - 128;
  return tensor.dtype == Dtype::I32 ? value + tensor.min : value;
}

// Adds one value of a table or of metrics; null is no value.
void add_code(ValueIndex& index, const Domain& domain, std::uint64_t code, const Place& place) {
  if (program::is_optional(domain) && code + 1 == program::value_count(domain)) return;
  if (const auto* choice = std::get_if<program::Choice>(&domain)) {
    index.add_text(choice->values[code], place);
  } else {
    const auto& number = std::get<program::Number>(domain);
    index.add(number.min_scaled() + static_cast<std::int64_t>(code), place);
  }
}

Result<> index_metrics(const program::Metrics& metrics, const BitString& object,
                       const IndexSink& sink) {
  COFFER_TRY(const Codes codes, decode_metrics(metrics, object));
  ValueIndex index;
  const std::uint32_t record = codes.size() <= kRecordMax ? 0 : kNoRecord;
  for (std::size_t i = 0; i < codes.size(); ++i) {
    const auto& [name, domain] = metrics.fields[i];
    const auto source = index.add_source(name, form_of(domain), log_count_of(domain));
    add_code(index, domain, codes[i], {.source = source, .record = record, .line = i});
  }
  return sink(index);
}

Result<> index_table(const program::Table& table, const BitString& object, const IndexSink& sink) {
  COFFER_TRY(const Codes codes, decode_table(table, object));
  ValueIndex index;
  std::vector<std::uint32_t> sources;
  for (const auto& column : table.columns) {
    sources.push_back(
        index.add_source(column.name, form_of(column.domain), log_count_of(column.domain)));
  }
  const std::size_t width = sources.size();
  const std::size_t rows = codes.size() / width;
  const std::size_t step = std::max(kCellsPartElements / width, std::size_t{4 * kOverlapLines});
  for (std::size_t begin = 0; begin < rows;) {
    const std::size_t end = std::min(rows, begin + step);
    for (std::size_t row = begin; row < end; ++row) {
      for (std::size_t i = 0; i < width; ++i) {
        add_code(index, table.columns[i].domain, codes[row * width + i],
                 {.source = sources[i],
                  .stream = static_cast<std::uint32_t>(i),
                  .record = static_cast<std::uint32_t>(row - begin),
                  .line = row});
      }
    }
    COFFER_CHECK(sink(index));
    index.clear_values();
    begin = end == rows ? rows : end - kOverlapLines;
  }
  return {};
}

// Gathers tensors one after the other into one index, which is handed on when it is full.
class TensorIndexer {
 public:
  explicit TensorIndexer(const IndexSink& sink) : sink_(sink) {}

  Result<> add(const Tensor& tensor, std::uint32_t stream, BitReader& in) {
    const Form form = form_of(tensor);
    const unsigned width = program::element_bits(tensor);
    const double bits = form.kind == Form::Kind::Digits
                            ? std::log2(static_cast<double>(tensor.max) - tensor.min + 1)
                            : width;
    const bool is_bool = tensor.dtype == Dtype::Bool;
    const auto source = index_.add_source(tensor.name, form, is_bool ? 1 : bits);
    const std::uint64_t count = program::element_count(tensor);
    const std::uint64_t inner = tensor.shape.empty() ? 1 : tensor.shape.back();
    Codes last(kOverlapLines);  // the codes before, by line modulo their number
    for (std::uint64_t line = 0; line < count; ++line) {
      const std::uint64_t code = in.take(width);
      if (is_bool) continue;
      if (index_.size() >= kCellsPartElements) {
        COFFER_CHECK(pass());
        for (std::uint64_t back = std::min(line, kOverlapLines); back > 0; --back) {
          put(tensor, last[(line - back) % kOverlapLines],
              {source, stream, kNoRecord, line - back});
        }
      }
      last[line % kOverlapLines] = code;
      if (line % inner == 0 && inner <= kRecordMax) ++record_;
      put(tensor, code, {source, stream, inner <= kRecordMax ? record_ : kNoRecord, line});
    }
    return {};
  }
  Result<> pass() {
    if (index_.size() > 0) COFFER_CHECK(sink_(index_));
    index_.clear_values();
    record_ = 0;
    return {};
  }

 private:
  void put(const Tensor& tensor, std::uint64_t code, const Place& place) {
    index_.add(value_of_code(tensor, code), place);
  }
  const IndexSink& sink_;
  ValueIndex index_;
  std::uint32_t record_{0};
};

}  // namespace

std::optional<std::int64_t> in_form(const Form& form, ScaledNumber number) {
  switch (form.kind) {
    case Form::Kind::Digits: {
      if (number.digits > form.digits) {
        return divided(number.value, kPowers[number.digits - form.digits]);
      }
      std::int64_t scaled = 0;
      if (__builtin_mul_overflow(number.value, kPowers[form.digits - number.digits], &scaled)) {
        return std::nullopt;
      }
      return scaled;
    }
    case Form::Kind::Float: {
      const auto bits = round_to(form.format, real_of(number));
      return bits ? std::optional<std::int64_t>{*bits} : std::nullopt;
    }
    case Form::Kind::Scale: {
      const double steps = std::nearbyint(real_of(number) / form.scale);
      if (!(steps >= -128 && steps <= 127)) return std::nullopt;
      return static_cast<std::int64_t>(steps);
    }
    case Form::Kind::Text:
      return std::nullopt;
  }
  std::abort();
}

std::uint32_t ValueIndex::add_source(std::string name, const Form& form, double log_count) {
  auto at = std::find(forms_.begin(), forms_.end(), form);
  if (at == forms_.end()) at = forms_.insert(at, form);
  const auto place = static_cast<std::uint32_t>(at - forms_.begin());
  sources_.push_back({std::move(name), place, log_count});
  return static_cast<std::uint32_t>(sources_.size() - 1);
}

void ValueIndex::add(std::int64_t value, const Place& place) {
  add_key(key_of(sources_[place.source].form, static_cast<std::uint64_t>(value)), place);
}

void ValueIndex::add_text(std::string_view text, const Place& place) {
  add_key(key_of(sources_[place.source].form, hash_text(text)), place);
}

void ValueIndex::add_key(std::uint64_t key, const Place& place) {
  ++size_;
  if (place.record != kNoRecord) {
    if (records_.size() <= place.record) records_.resize(place.record + std::size_t{1});
    ++records_[place.record];
  }
  std::uint32_t& id = ids_[key];
  if (id == 0) {
    values_.emplace_back();
    id = static_cast<std::uint32_t>(values_.size());
  }
  Value& value = values_[id - 1];
  if (++value.places > kRepeatsMax) return;
  nodes_.push_back({place, value.last});
  value.last = static_cast<std::uint32_t>(nodes_.size());
}

void ValueIndex::clear_values() {
  ids_.clear();
  values_.clear();
  nodes_.clear();
  records_.clear();
  size_ = 0;
}

std::optional<std::uint32_t> ValueIndex::find_key(std::uint64_t key) const {
  const std::uint32_t* id = ids_.find(key);
  if (id == nullptr || values_[*id - 1].places > kRepeatsMax) return std::nullopt;
  return *id - 1;
}

std::optional<std::uint32_t> ValueIndex::find(std::uint32_t form, std::int64_t value) const {
  return find_key(key_of(form, static_cast<std::uint64_t>(value)));
}

std::optional<std::uint32_t> ValueIndex::find_text(std::uint32_t form,
                                                   std::string_view text) const {
  return find_key(key_of(form, hash_text(text)));
}

Result<> each_index(const program::Output& output, const BitString& object, const IndexSink& sink) {
  if (const auto* metrics = std::get_if<program::Metrics>(&output.body)) {
    return index_metrics(*metrics, object, sink);
  }
  if (const auto* table = std::get_if<program::Table>(&output.body)) {
    return index_table(*table, object, sink);
  }
  TensorIndexer indexer{sink};
  BitReader in{object};
  std::uint32_t stream = 0;
  for (const Tensor& tensor : std::get<program::Tensors>(output.body).tensors) {
    COFFER_CHECK(indexer.add(tensor, stream++, in));
  }
  return indexer.pass();
}

}  // namespace coffer::gate
