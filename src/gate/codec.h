// The codec: one released object as a string of bits, and back.
//
// A value is a code: the index of a number counted from its min, of a text in its declared order;
// null is the last. A tensor's element: an integer counted from its min (i8: from -128), a float by
// its IEEE bits, a bool 0 or 1. Codes are written most significant bit first in fixed widths, one
// after the other, without gaps: fields and tensors in byte order of names, elements in row-major
// order; a table is its row count and its rows, sorted.
//
// Invariants: one object has one string; its length is fixed by the declaration (and, for a table,
// by the row count at its head) and is what is charged; the bits that fill the last byte are 0.
// Units: bits, not bytes, wherever a name says so.
// Errors: Corrupt (a string that is the code of no value: a code above the last, a float that is
// NaN, infinite or -0, rows unsorted, repeated or too many, a length that does not fit).
// Thread-safety: plain values, pure functions.
// Source: protocol.md sections 5 and 7; docs/formats/codec.md has the layout and an example.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "base/text.h"
#include "program/declaration.h"

namespace coffer::gate {

struct BitString {
  ByteVector bytes{};  // ceil(length / 8)
  std::uint64_t length{0};
  friend bool operator==(const BitString&, const BitString&) = default;
};

// Appends codes to a string.
class BitWriter {
 public:
  // Room for so many bits, so that a large object is never moved.
  void reserve(std::uint64_t bits) {
    string_.bytes.reserve(static_cast<std::size_t>((bits + 7) / 8));
  }
  // `code` < 2^width, width <= 64.
  void put(std::uint64_t code, unsigned width);
  BitString take() &&;

 private:
  BitString string_;
  std::uint8_t pending_{0};  // the bits of the byte begun, at its upper end
};

// Reads codes from a string, which must outlive it. Past the end it reads zeros.
class BitReader {
 public:
  explicit BitReader(const BitString& string) : string_(string) {}
  std::uint64_t take(unsigned width);  // width <= 64
  std::uint64_t left() const { return string_.length - at_; }

 private:
  const BitString& string_;
  std::uint64_t at_{0};
};

// ---- Metrics and tables: codes -----------------------------------------------------------------

using Codes = std::vector<std::uint64_t>;

// One code a field, in the order of the declaration, each below its value_count().
BitString encode_metrics(const program::Metrics& metrics, const Codes& codes);
Result<Codes> decode_metrics(const program::Metrics& metrics, const BitString& string);

// The rows one after the other, each of one code a column, sorted as below.
BitString encode_table(const program::Table& table, const Codes& rows);
Result<Codes> decode_table(const program::Table& table, const BitString& string);

// How the rows of a release stand: by the key columns in declared order, without keys by all;
// texts in the order of their declaration, numbers by value, null first.
class RowOrder {
 public:
  explicit RowOrder(const program::Table& table);
  // < 0, 0, > 0 as the first row stands before, at or after the second.
  int compare(const std::uint64_t* first, const std::uint64_t* second) const;
  bool has_keys() const { return has_keys_; }

 private:
  struct Part {
    std::size_t column;
    std::uint64_t null_code;  // above every code when the column has no null
  };
  std::vector<Part> parts_;
  bool has_keys_{false};
};

// ---- Tensors: elements -------------------------------------------------------------------------

// Whether `code` is that of a value of this tensor: finite, not -0, within its range.
bool is_element(const program::Tensor& tensor, std::uint64_t code);

// ---- Any object
// ----------------------------------------------------------------------------------

// Whether the string is the code of a value; never fails for another reason than Corrupt.
Result<> check_object(const program::Output& output, const BitString& string);

}  // namespace coffer::gate
