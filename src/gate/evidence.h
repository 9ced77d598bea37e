// What an approver should know of an output before it goes out, and the one thing that a machine
// may refuse it for: that it repeats what stands in one row of the private data.
//
// `private_copy` is set when either holds.
//  Bytes: 31 bytes of one row stand, one after the other, in one of the views below. The bytes of a
//   row of a CSV file (*.csv, *.tsv; the header is none) are its line as it stands, and its cells
//   with numbers in their shortest form, joined by commas. Any other file is one sequence of bytes.
//   Not counted are windows of 31 bytes that are common (in more than 8 rows, or that often in
//   other files), that say little (fewer than 13 different runs of three bytes, as in 0,0,1,0,...),
//   or that hold fewer than 8 bytes which are not of a declared text (the labels of a table).
//  Cells: at least 4 cells of one row, all different, stand in one output, and the chance that an
//   unrelated row matches as well is below 2^-40. A cell is compared as the release rounds it: to
//   the declared digits or dtype, or divided by the scale of an i8; texts as they are. The chance
//   is C(m,j) * product(a * p) over j cells, of m different values in view: p is the largest of
//   1/(values in the published range, on the coarser grid of cell and release), 1/(values that the
//   declaration allows) and, for a value that more than 8 rows of the column hold, their share; a
//   is 1 where column and field bear one name, else the columns that could hold the value; where
//   the cells stand in the order of their columns, C(columns,j) takes the place of all a. What is
//   in view is a row of a table, metrics or a tensor's innermost dimension where these have at most
//   64 values, any 33 consecutive values of metrics, a column or a tensor, and the whole output (a
//   tensor: each Mi of values). Ends of a published range count for nothing, being public; nor does
//   a value that the output repeats more than 32 times. A range that is not published is that of
//   the data.
//
// Views: numbers of a table, of metrics or of a tensor as text, by row and by column; as bytes of
// both orders and the lowest byte of each; their codes without gaps at every shift: of all columns
// by row, of all but the keys, and of each column; of tensors each byte plane, the low eight bit
// planes and the sign, floats as bytes when integral, and times 255, 256 and 128; texts of one or
// two characters joined; base64 and hex in all but text and bits; and everything backwards.
//
// NOT promised: anything keyed, compressed, permuted, differenced or spread otherwise than above
// (no scan can find what is encrypted); dates and texts written as numbers. The bits charged bound
// those. What more than 8 persons share is no copy of one.
//
// Invariants: the record has one size whatever was found. It reads each input several times and
// keeps no more than evidence_memory().
// Units: bytes, rows, values; chance in bits (40 is 2^-40).
// Errors: Unavailable (an input or the directory cannot be read).
// Thread-safety: pure but for reading.
// Source: protocol.md section 5; gate.md sections 2 (proposition 5) and 3.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "base/text.h"
#include "gate/codec.h"
#include "program/declaration.h"

namespace coffer::gate {

inline constexpr std::size_t kCopyBytes = 31;    // of one row
inline constexpr std::size_t kCopyCells = 4;     // of one row
inline constexpr unsigned kCopyChanceBits = 40;  // and a chance below 2^-40
inline constexpr std::uint32_t kCommonRows = 8;  // what more rows than this share is common
inline constexpr std::size_t kEvidenceBytes = 96;

struct Evidence {
  bool examined{false};                // false: there was no object to examine
  bool copies_bytes{false};            // the first rule
  bool copies_cells{false};            // the second
  std::uint32_t longest_match{0};      // bytes of one row, 0 or from 31 up, at most 65535
  std::uint32_t cells_matched{0};      // of the row that matches least by chance
  std::uint32_t chance_bits{0};        // of that match; 0: nothing to speak of
  std::uint32_t views{0};              // in which bytes were sought
  std::uint32_t zstd_bits_per_row{0};  // of the first MiB of rows at level 19; 0: no rows
  std::uint64_t rows_touched{0};       // with a window that counts, or 4 cells below 2^-20
  std::uint64_t windows_matched{0};    // that count
  std::uint64_t rows{0};               // examined
  std::uint64_t input_bytes{0};        // examined
  std::uint64_t view_bytes{0};         // searched

  bool private_copy() const { return copies_bytes || copies_cells; }
  friend bool operator==(const Evidence&, const Evidence&) = default;
};

// Exactly kEvidenceBytes. parse_evidence() takes any bytes of that length: a flag is any byte but
// 0.
ByteVector evidence_bytes(const Evidence& evidence);
Result<Evidence> parse_evidence(ByteView bytes);  // Corrupt: another length
Json evidence_json(const Evidence& evidence);     // for the approver's eyes

// The protected inputs, each a directory `alias` below one directory, with its published card.
struct ProtectedInput {
  std::string alias;
  Json card{};  // payload of the card, null when there is none
};

// Examines one object against all inputs.
Result<Evidence> examine(int inputs_directory, const std::vector<ProtectedInput>& inputs,
                         const program::Output& output, const BitString& object);

// The most memory in bytes that examining these outputs needs.
std::uint64_t evidence_memory(const std::vector<program::Output>& outputs);

}  // namespace coffer::gate
