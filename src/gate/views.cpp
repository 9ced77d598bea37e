#include "gate/detail/views.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <numeric>
#include <optional>
#include <vector>

#include "gate/detail/canonical_form.h"
#include "gate/detail/floats.h"

namespace coffer::gate {
namespace {

using program::Domain;
using program::Dtype;
using program::Tensor;

// What a view is of; its id is this, and how often it was varied, in one number.
enum class Way : std::uint8_t {
  Text,
  ShortText,
  Labels,
  Bytes,
  Planes,
  Packed,
  Bits,
  Integral,
  Scaled,
};

constexpr int base64_digit(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+' || c == '-') return 62;
  return c == '/' || c == '_' ? 63 : -1;
}

constexpr int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char low = static_cast<char>(c | 0x20);
  return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

// A function of bytes, looked up.
template <class F>
constexpr auto table_of_bytes(F f) {
  std::array<std::int16_t, 256> table{};
  for (std::size_t i = 0; i < 256; ++i) {
    table[i] = static_cast<std::int16_t>(f(static_cast<char>(static_cast<unsigned char>(i))));
  }
  return table;
}
using ByteTable = std::array<std::int16_t, 256>;
constexpr ByteTable kBase64 = table_of_bytes(base64_digit);
constexpr ByteTable kHex = table_of_bytes(hex_digit);
constexpr ByteTable kMirror = table_of_bytes([](char c) {
  int out = 0;
  for (int bit = 0; bit < 8; ++bit) out |= (static_cast<unsigned char>(c) >> bit & 1) << (7 - bit);
  return out;
});

// The digits of a code that stand in the text, in order. Other characters are left out, so that
// line ends and padding do no harm.
std::string digits_in(std::string_view text, const ByteTable& table) {
  std::string digits(text.size(), '\0');
  std::size_t count = 0;
  for (const char c : text) {
    const std::int16_t digit = table[static_cast<unsigned char>(c)];
    digits[count] = static_cast<char>(digit);
    count += digit >= 0 ? 1U : 0U;
  }
  digits.resize(count);
  return digits;
}

// The bytes that digits of `width` bits stand for.
std::string joined(std::string_view digits, unsigned width) {
  std::string out;
  out.reserve(digits.size() * width / 8);
  unsigned pending = 0;
  unsigned bits = 0;
  for (const char digit : digits) {
    pending = (pending << width | static_cast<unsigned char>(digit)) & 0xffff;
    bits += width;
    if (bits < 8) continue;
    bits -= 8;
    out += static_cast<char>(pending >> bits & 0xff);
  }
  return out;
}

// Collects codes of fixed widths, most significant bit first.
std::string packed(const BitString& bits, unsigned shift) {
  std::string out;
  for (std::size_t i = 0; i + 1 < bits.bytes.size() + (shift == 0 ? 1 : 0); ++i) {
    const auto byte = [&](std::size_t at) {
      return at < bits.bytes.size() ? std::to_integer<unsigned>(bits.bytes[at]) : 0U;
    };
    out += static_cast<char>((byte(i) << shift | byte(i + 1) >> (8 - shift)) & 0xff);
  }
  return out;
}

enum class Decode : std::uint8_t { No, Base64AndHex };

class Emitter {
 public:
  explicit Emitter(const ViewSink& sink) : sink_(sink) {}
  bool ended() const { return ended_; }

  // Sends the bytes, decoded where asked.
  void send(Way way, std::uint32_t variant, std::string_view bytes, Decode decode = Decode::No,
            std::string_view labels = {}) {
    const std::uint32_t id = static_cast<std::uint32_t>(way) << 16 | variant << 4;
    one_way(id, bytes, labels);
    if (decode == Decode::No) return;
    const std::string base64 = digits_in(bytes, kBase64);
    for (std::uint32_t skip = 0; skip < std::min<std::size_t>(4, base64.size()); ++skip) {
      one_way(id | (1 + skip), joined(std::string_view{base64}.substr(skip), 6));
    }
    const std::string hex = digits_in(bytes, kHex);
    for (std::uint32_t skip = 0; skip < std::min<std::size_t>(2, hex.size()); ++skip) {
      one_way(id | (5 + skip), joined(std::string_view{hex}.substr(skip), 4));
    }
  }
  void send_packed(Way way, std::uint32_t variant, const BitString& bits) {
    for (unsigned shift = 0; shift < 8; ++shift) {
      send(way, variant << 3 | shift, packed(bits, shift));
    }
  }

 private:
  void one_way(std::uint32_t id, std::string_view bytes, std::string_view labels = {}) {
    if (!ended_ && bytes.size() >= 16) ended_ = !sink_({id, bytes, labels});
  }
  const ViewSink& sink_;
  bool ended_{false};
};

// ---- Tables and metrics ----------------------------------------------------------------------

std::string trimmed(std::string text) {
  if (text.find('.') == std::string::npos) return text;
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
  return text;
}

// Whole bytes that hold every value of the domain.
unsigned bytes_of_domain(const Domain& domain) {
  const auto* number = std::get_if<program::Number>(&domain);
  if (number == nullptr) return 1 + (program::domain_bits(domain) - 1) / 8 % 8;
  const auto magnitude = [](std::int64_t value) {
    return static_cast<std::uint64_t>(value < 0 ? -(value + 1) : value);
  };
  const bool is_signed = number->min_scaled() < 0;
  const std::uint64_t most =
      std::max(magnitude(number->min_scaled()), magnitude(number->max_scaled()));
  const auto bits = static_cast<unsigned>(std::bit_width(most)) + (is_signed ? 1 : 0);
  return std::max(1U, (bits + 7) / 8);
}

void append_bytes(std::string& out, std::uint64_t value, unsigned width, std::endian order) {
  for (unsigned i = 0; i < width; ++i) {
    const unsigned place = order == std::endian::little ? i : width - 1 - i;
    out += static_cast<char>(value >> (8 * place) & 0xff);
  }
}

// Rows of codes: a table, or metrics as one row.
struct Grid {
  std::vector<const Domain*> domains;
  Codes codes;  // row by row
  std::size_t rows() const { return domains.empty() ? 0 : codes.size() / domains.size(); }
  bool is_null(std::size_t row, std::size_t column) const {
    const Domain& domain = *domains[column];
    return program::is_optional(domain) &&
           codes[row * domains.size() + column] + 1 == program::value_count(domain);
  }
  std::uint64_t code(std::size_t row, std::size_t column) const {
    return codes[row * domains.size() + column];
  }
  // The number times 10^digits, or the code of a text.
  std::uint64_t value(std::size_t row, std::size_t column) const {
    const auto* number = std::get_if<program::Number>(domains[column]);
    const std::uint64_t base =
        number != nullptr ? static_cast<std::uint64_t>(number->min_scaled()) : 0;
    return base + code(row, column);
  }
};

enum class Along : std::uint8_t { Rows, Columns };
enum class Digits : std::uint8_t { Declared, Needed };

// All cells as text; numbers with their digits or in their shortest form.
void send_text(Emitter& out, const Grid& grid, Along along, Digits digits) {
  const bool by_column = along == Along::Columns;
  const bool shortest = digits == Digits::Needed;
  std::string text;
  std::string labels;
  const std::size_t columns = grid.domains.size();
  const std::size_t outer = by_column ? columns : grid.rows();
  const std::size_t inner = by_column ? grid.rows() : columns;
  for (std::size_t i = 0; i < outer; ++i) {
    for (std::size_t j = 0; j < inner; ++j) {
      const std::size_t row = by_column ? j : i;
      const std::size_t column = by_column ? i : j;
      const Domain& domain = *grid.domains[column];
      auto cell = text_of_code(domain, grid.code(row, column)).value_or("");
      const bool label = std::holds_alternative<program::Choice>(domain);
      if (!label && shortest) cell = trimmed(std::move(cell));
      text += cell;
      labels.append(cell.size(), label ? '1' : '0');
      text += j + 1 < inner ? ',' : '\n';
      labels += label ? '1' : '0';
    }
  }
  out.send(shortest ? Way::ShortText : Way::Text, by_column ? 1 : 0, text, Decode::No, labels);
}

// Some columns of a grid, in order.
using Columns = std::vector<std::size_t>;

// Numbers of these columns, by row, as bytes of both orders, and the lowest byte of each alone.
void send_bytes(Emitter& out, const Grid& grid, const Columns& columns) {
  std::string big, little, codes, low, low_codes;
  for (std::size_t row = 0; row < grid.rows(); ++row) {
    for (const std::size_t i : columns) {
      if (grid.is_null(row, i)) continue;
      const unsigned width = bytes_of_domain(*grid.domains[i]);
      append_bytes(big, grid.value(row, i), width, std::endian::big);
      append_bytes(little, grid.value(row, i), width, std::endian::little);
      append_bytes(codes, grid.code(row, i), width, std::endian::big);
      append_bytes(low, grid.value(row, i), 1, std::endian::big);
      append_bytes(low_codes, grid.code(row, i), 1, std::endian::big);
    }
  }
  out.send(Way::Bytes, 0, big, Decode::Base64AndHex);
  out.send(Way::Bytes, 1, little, Decode::Base64AndHex);
  out.send(Way::Bytes, 2, codes, Decode::Base64AndHex);
  if (low != big) out.send(Way::Planes, 0, low, Decode::Base64AndHex);
  if (low_codes != codes) out.send(Way::Planes, 1, low_codes, Decode::Base64AndHex);
}

// The codes of these columns without gaps, at every shift. A null of its own does not widen what a
// sender has in mind, and is left out.
void send_codes(Emitter& out, const Grid& grid, const Columns& columns) {
  BitWriter bits;
  for (std::size_t row = 0; row < grid.rows(); ++row) {
    for (const std::size_t i : columns) {
      const Domain& domain = *grid.domains[i];
      if (grid.is_null(row, i)) continue;
      const std::uint64_t nulls = program::is_optional(domain) ? 1 : 0;
      bits.put(grid.code(row, i), program::bits_for(program::value_count(domain) - nulls));
    }
  }
  out.send_packed(Way::Packed, 1, std::move(bits).take());
}

// Texts of one or two characters, joined: an alphabet that something may be spelt in.
void send_labels(Emitter& out, const Grid& grid, std::size_t column) {
  const auto* choice = std::get_if<program::Choice>(grid.domains[column]);
  if (choice == nullptr) return;
  const bool letters = std::all_of(choice->values.begin(), choice->values.end(),
                                   [](const std::string& value) { return value.size() <= 2; });
  std::string text;
  for (std::size_t row = 0; letters && row < grid.rows(); ++row) {
    if (!grid.is_null(row, column)) text += choice->values[grid.code(row, column)];
  }
  out.send(Way::Labels, 0, text, Decode::Base64AndHex);
}

// `rest`: all columns but the keys, which may be there only to keep the rows in order.
void each_grid_view(Emitter& out, const Grid& grid, const Columns& rest) {
  for (const Along along : {Along::Rows, Along::Columns}) {
    send_text(out, grid, along, Digits::Declared);
    send_text(out, grid, along, Digits::Needed);
  }
  Columns all(grid.domains.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  send_bytes(out, grid, all);
  send_codes(out, grid, all);
  if (!rest.empty() && rest != all) {
    send_bytes(out, grid, rest);
    send_codes(out, grid, rest);
  }
  for (std::size_t i = 0; i < all.size() && !out.ended(); ++i) {
    send_bytes(out, grid, {i});
    send_codes(out, grid, {i});
    send_labels(out, grid, i);
  }
}

// ---- Tensors
// -------------------------------------------------------------------------------------

double real_of(const Tensor& tensor, std::uint64_t code) {
  const auto bits = static_cast<std::uint32_t>(code);
  switch (tensor.dtype) {
    case Dtype::F32:
      return value_of(kFloat32, bits);
    case Dtype::F16:
      return value_of(kFloat16, bits);
    case Dtype::Bf16:
      return value_of(kBfloat16, bits);
    case Dtype::I8:
      return static_cast<double>(code) - 128;
    case Dtype::I32:
      return static_cast<double>(code) + tensor.min;
    case Dtype::Bool:
      return static_cast<double>(code);
  }
  std::abort();
}

// The element's bits as the file has them.
std::uint32_t stored_of_code(const Tensor& tensor, std::uint64_t code) {
  if (tensor.dtype == Dtype::I8) return static_cast<std::uint32_t>(code - 128) & 0xff;
  if (tensor.dtype == Dtype::I32) {
    return static_cast<std::uint32_t>(tensor.min) + static_cast<std::uint32_t>(code);
  }
  return static_cast<std::uint32_t>(code);
}

bool is_float(Dtype dtype) {
  return dtype == Dtype::F32 || dtype == Dtype::F16 || dtype == Dtype::Bf16;
}

// The bits of one place, eight to a byte in both orders, at every shift.
void send_bit_plane(Emitter& out, const std::vector<std::uint32_t>& stored, unsigned plane) {
  BitString bits{ByteVector((stored.size() + 7) / 8), stored.size()};
  for (std::size_t i = 0; i < stored.size(); ++i) {
    bits.bytes[i / 8] |= static_cast<std::byte>((stored[i] >> plane & 1) << (7 - i % 8));
  }
  for (std::uint32_t shift = 0; shift < 8; ++shift) {
    std::string bytes = packed(bits, shift);
    out.send(Way::Bits, (2 * plane) << 3 | shift, bytes);
    for (char& c : bytes) c = static_cast<char>(kMirror[static_cast<unsigned char>(c)]);
    out.send(Way::Bits, (2 * plane + 1) << 3 | shift, bytes);
  }
}

// Floats taken for bytes: `times` the value, rounded.
void send_as_bytes(Emitter& out, const std::vector<double>& reals, double times,
                   std::uint32_t variant) {
  std::string bytes;
  for (const double real : reals) {
    const double value = std::nearbyint(real * times);
    const bool fits = value >= -128 && value <= 255;
    bytes += static_cast<char>(fits ? static_cast<int>(value) & 0xff : 0);
  }
  out.send(Way::Scaled, variant, bytes, Decode::Base64AndHex);
}

void send_numbers_as_text(Emitter& out, const Tensor& tensor, const std::vector<double>& reals) {
  std::string text;
  char buffer[64];
  for (const double real : reals) {
    const auto end =
        is_float(tensor.dtype)
            ? std::to_chars(buffer, buffer + sizeof buffer, static_cast<float>(real),
                            std::chars_format::fixed)
            : std::to_chars(buffer, buffer + sizeof buffer, static_cast<std::int64_t>(real));
    text.append(buffer, end.ptr);
    text += ',';
  }
  out.send(Way::ShortText, 0, text);
}

void each_part_view(Emitter& out, const Tensor& tensor, const Codes& codes) {
  std::vector<std::uint32_t> stored;
  std::vector<double> reals;
  for (const std::uint64_t code : codes) {
    stored.push_back(stored_of_code(tensor, code));
    reals.push_back(real_of(tensor, code));
  }
  const unsigned width = bytes_of_dtype(tensor.dtype);
  std::string little, big;
  for (const std::uint32_t bits : stored) {
    append_bytes(little, bits, width, std::endian::little);
    append_bytes(big, bits, width, std::endian::big);
  }
  out.send(Way::Bytes, 0, little, Decode::Base64AndHex);
  if (width > 1) out.send(Way::Bytes, 1, big, Decode::Base64AndHex);
  for (unsigned place = 0; place < width && width > 1; ++place) {
    std::string plane;
    for (const std::uint32_t bits : stored) plane += static_cast<char>(bits >> (8 * place) & 0xff);
    out.send(Way::Planes, place, plane, Decode::Base64AndHex);
  }
  const unsigned planes = tensor.dtype == Dtype::Bool ? 1 : 8;
  for (unsigned plane = 0; plane < planes; ++plane) send_bit_plane(out, stored, plane);
  if (width > 1) send_bit_plane(out, stored, 8 * width - 1);
  if (tensor.dtype == Dtype::I8) {  // counted from -128
    std::string bytes;
    for (const std::uint64_t code : codes) bytes += static_cast<char>(code);
    out.send(Way::Integral, 1, bytes, Decode::Base64AndHex);
  }
  if (is_float(tensor.dtype)) {
    send_as_bytes(out, reals, 1, 0);
    send_as_bytes(out, reals, 255, 1);
    send_as_bytes(out, reals, 256, 2);
    send_as_bytes(out, reals, 128, 3);
  }
  if (tensor.dtype != Dtype::Bool) send_numbers_as_text(out, tensor, reals);
}

void each_tensor_view(Emitter& out, const Tensor& tensor, BitReader& in) {
  const unsigned width = program::element_bits(tensor);
  std::uint64_t left = program::element_count(tensor);
  Codes part;
  while (left > 0 && !out.ended()) {
    part.erase(part.begin(),
               part.end() - static_cast<std::ptrdiff_t>(std::min(part.size(), kOverlap)));
    for (; left > 0 && part.size() < kPartElements; --left) part.push_back(in.take(width));
    each_part_view(out, tensor, part);
  }
}

}  // namespace

void each_view(const program::Output& output, const BitString& object, const ViewSink& sink) {
  Emitter out{sink};
  if (const auto* tensors = std::get_if<program::Tensors>(&output.body)) {
    BitReader in{object};
    for (const Tensor& tensor : tensors->tensors) each_tensor_view(out, tensor, in);
    return;
  }
  Grid grid;
  Columns rest;
  if (const auto* table = std::get_if<program::Table>(&output.body)) {
    for (const auto& column : table->columns) {
      if (!column.key) rest.push_back(grid.domains.size());
      grid.domains.push_back(&column.domain);
    }
    if (auto rows = decode_table(*table, object)) grid.codes = *std::move(rows);
  } else {
    const auto& metrics = std::get<program::Metrics>(output.body);
    for (const auto& field : metrics.fields) grid.domains.push_back(&field.domain);
    if (auto codes = decode_metrics(metrics, object)) grid.codes = *std::move(codes);
  }
  each_grid_view(out, grid, rest);
}

}  // namespace coffer::gate
