#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <optional>

#include "gate/detail/floats.h"
#include "gate/detail/judging.h"
#include "gate/detail/safetensors.h"

namespace coffer::gate {
namespace {

using program::Dtype;
using program::Refusal;
using program::Tensor;

constexpr std::size_t kLengthBytes = 8;

// One arriving element: its integer, or its exact value as a double, as the type has it.
struct Element {
  std::int64_t integer{0};
  double real{0};
};

template <class T>
T load(const std::byte* from) {
  T value{};
  std::memcpy(&value, from, sizeof value);  // little-endian, as this machine is
  return value;
}
static_assert(std::endian::native == std::endian::little);

bool is_float(Stored stored) {
  switch (stored) {
    case Stored::F8E5:
    case Stored::F8E4:
    case Stored::F16:
    case Stored::Bf16:
    case Stored::F32:
    case Stored::F64:
      return true;
    case Stored::Bool:
    case Stored::U8:
    case Stored::I8:
    case Stored::I16:
    case Stored::U16:
    case Stored::I32:
    case Stored::U32:
    case Stored::I64:
    case Stored::U64:
      return false;
  }
  return false;
}

double load_float(Stored stored, const std::byte* from) {
  switch (stored) {
    case Stored::F64:
      return load<double>(from);
    case Stored::F32:
      return static_cast<double>(load<float>(from));
    case Stored::F16:
      return value_of(kFloat16, load<std::uint16_t>(from));
    case Stored::Bf16:
      return value_of(kBfloat16, load<std::uint16_t>(from));
    case Stored::F8E5:
      return value_of(kFloat8E5, load<std::uint8_t>(from));
    case Stored::F8E4:
      return value_of_e4m3(load<std::uint8_t>(from));
    case Stored::Bool:
    case Stored::U8:
    case Stored::I8:
    case Stored::I16:
    case Stored::U16:
    case Stored::I32:
    case Stored::U32:
    case Stored::I64:
    case Stored::U64:
      break;
  }
  std::abort();  // is_float() was asked before
}

// Whether a declared tensor may arrive in this type.
bool is_taken(Dtype declared, Stored stored) {
  switch (declared) {
    case Dtype::F32:
    case Dtype::Bf16:
    case Dtype::F16:
      return is_float(stored);
    case Dtype::I8:
      return stored == Stored::I8 || is_float(stored);
    case Dtype::I32:
      return stored == Stored::I32 || stored == Stored::I64 || is_float(stored);
    case Dtype::Bool:
      return stored == Stored::Bool;
  }
  return false;
}

Coded code_of_float(FloatFormat format, double value) {
  if (!std::isfinite(value)) return Refusal::Malformed;
  const auto bits = round_to(format, value);
  if (!bits) return Refusal::OutOfRange;
  return std::uint64_t{*bits};
}

// value / scale to the nearest integer. In doubles, but near a tie, where only decimals can tell.
std::optional<std::int64_t> quantised(double value, const program::Decimal& scale, double inverse) {
  const bool precise = inverse > 1e-200 && inverse < 1e200;
  const double quotient = precise ? value * inverse : 0.5;
  if (!(std::abs(quotient) < 1000)) return std::nullopt;
  const double nearest = std::nearbyint(quotient);
  if (std::abs(std::abs(quotient - nearest) - 0.5) > 1e-6)
    return static_cast<std::int64_t>(nearest);
  const auto exact = program::Decimal::from_double(value);
  return exact ? program::rounded_quotient(*exact, scale) : std::nullopt;
}

Coded code_of_i32(const Tensor& tensor, const Element& element, Stored stored) {
  std::int64_t value = element.integer;
  if (is_float(stored)) {
    if (!std::isfinite(element.real)) return Refusal::Malformed;
    const double nearest = std::nearbyint(element.real);  // ties to even, the default mode
    if (std::abs(nearest) > 4e9) return Refusal::OutOfRange;
    value = static_cast<std::int64_t>(nearest);
  }
  if (value < tensor.min || value > tensor.max) return Refusal::OutOfRange;
  return static_cast<std::uint64_t>(value - tensor.min);
}

// The decimal scale of an i8 tensor, and its inverse as a double.
struct Scale {
  program::Decimal exact{};
  double inverse{0};
};

Coded code_of_i8(const Element& element, Stored stored, const Scale& scale) {
  if (stored == Stored::I8) return static_cast<std::uint64_t>(element.integer + 128);
  if (!std::isfinite(element.real)) return Refusal::Malformed;
  const auto value = quantised(element.real, scale.exact, scale.inverse);
  if (!value || *value < -128 || *value > 127) return Refusal::OutOfRange;
  return static_cast<std::uint64_t>(*value + 128);
}

Coded code_of_element(const Tensor& tensor, const Element& element, Stored stored,
                      const Scale& scale) {
  switch (tensor.dtype) {
    case Dtype::F32:
      return code_of_float(kFloat32, element.real);
    case Dtype::Bf16:
      return code_of_float(kBfloat16, element.real);
    case Dtype::F16:
      return code_of_float(kFloat16, element.real);
    case Dtype::I8:
      return code_of_i8(element, stored, scale);
    case Dtype::I32:
      return code_of_i32(tensor, element, stored);
    case Dtype::Bool:
      if (element.integer > 1) return Refusal::Malformed;
      return static_cast<std::uint64_t>(element.integer);
  }
  std::abort();
}

Element load_element(Stored stored, const std::byte* from) {
  if (is_float(stored)) return {.real = load_float(stored, from)};
  if (stored == Stored::I64) return {.integer = load<std::int64_t>(from)};
  if (stored == Stored::I32) return {.integer = load<std::int32_t>(from)};
  if (stored == Stored::I8) return {.integer = load<std::int8_t>(from)};
  return {.integer = load<std::uint8_t>(from)};  // Bool; is_taken() knows no other
}

// Reads one tensor and appends its codes. Nothing, or why it is refused.
std::optional<Refusal> append(const Tensor& tensor, const StoredTensor& stored, ByteSource& source,
                              BitWriter& out) {
  Scale scale;
  if (tensor.dtype == Dtype::I8) {
    scale.exact = *tensor.scale;
    scale.inverse = 1 / std::strtod(scale.exact.text().c_str(), nullptr);
  }
  const unsigned width = program::element_bits(tensor);
  const std::size_t size = bytes_of_stored(stored.dtype);
  std::uint64_t left = stored.end - stored.begin;
  while (left > 0) {
    const auto length = static_cast<std::size_t>(std::min<std::uint64_t>(left, 1U << 16));
    const ByteVector part = source.take(length);
    if (part.size() != length) return Refusal::Malformed;
    for (std::size_t at = 0; at < length; at += size) {
      const Coded coded =
          code_of_element(tensor, load_element(stored.dtype, &part[at]), stored.dtype, scale);
      if (const auto* refusal = std::get_if<Refusal>(&coded)) return *refusal;
      out.put(std::get<std::uint64_t>(coded), width);
    }
    left -= length;
  }
  return std::nullopt;
}

bool is_dropped(const program::Tensors& tensors, std::string_view name) {
  return std::any_of(tensors.drop.begin(), tensors.drop.end(), [&](const std::string& pattern) {
    return program::drop_matches(pattern, name);
  });
}

// The stored tensor of each declared one, in its order; nothing when one is missing, of another
// shape or type, or when there is one too many.
std::optional<std::vector<const StoredTensor*>> match(const program::Tensors& tensors,
                                                      const std::vector<StoredTensor>& stored) {
  std::vector<const StoredTensor*> found;
  std::size_t next = 0;  // both are in byte order of names
  for (const StoredTensor& candidate : stored) {
    if (next < tensors.tensors.size() && candidate.name == tensors.tensors[next].name) {
      const Tensor& wanted = tensors.tensors[next++];
      if (candidate.shape != wanted.shape || !is_taken(wanted.dtype, candidate.dtype)) return {};
      found.push_back(&candidate);
    } else if (!is_dropped(tensors, candidate.name)) {
      return {};
    }
  }
  if (next != tensors.tensors.size()) return {};
  return found;
}

}  // namespace

std::uint64_t header_bytes_max(const program::Tensors& tensors) {
  return (1ULL << 20) + tensors.tensors.size() * 1024;
}

Judged judge_tensors(const program::Tensors& tensors, const RegularFile& file) {
  ByteSource source{file.fd.get()};
  const ByteVector prefix = source.take(kLengthBytes);
  if (prefix.size() != kLengthBytes) return Refusal::Malformed;
  const auto header_bytes = load<std::uint64_t>(prefix.data());
  if (header_bytes > header_bytes_max(tensors) || file.size - kLengthBytes < header_bytes) {
    return Refusal::Malformed;
  }
  const std::uint64_t data_begin = kLengthBytes + header_bytes;
  const ByteVector header = source.take(static_cast<std::size_t>(header_bytes));
  const auto stored = parse_header(text_of(header), file.size - data_begin);
  if (!stored) return Refusal::Malformed;
  const auto found = match(tensors, *stored);
  if (!found) return Refusal::Malformed;

  std::uint64_t bits = 0;
  for (const Tensor& tensor : tensors.tensors) {
    bits += program::element_count(tensor) * program::element_bits(tensor);
  }
  BitWriter out;
  out.reserve(bits);
  for (std::size_t i = 0; i < found->size(); ++i) {
    source.seek(data_begin + (*found)[i]->begin);
    if (const auto refusal = append(tensors.tensors[i], *(*found)[i], source, out)) return *refusal;
  }
  return std::move(out).take();
}

}  // namespace coffer::gate
