// Makes the values of one column, row by row, each from seed, column and row alone.
//
// Invariants: a value depends on nothing but the seed, the file's path, the column and the row, so
// tables of any length need no memory. Within the published range or list always.
// Errors: InvalidArgument (a range that holds no value of the column's type).
// Thread-safety: as a plain value; lifetime: borrows nothing.
// Source of the generator: G. Steele et al., "Fast splittable pseudorandom number generators",
// 2014.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "scan/proposal.h"

namespace coffer::twin {

// A counter, well mixed: SplitMix64. Deterministic on every machine.
class Prng {
 public:
  explicit Prng(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next();
  std::uint64_t below(std::uint64_t limit);  // limit > 0

 private:
  std::uint64_t state_;
};

std::uint64_t mix(std::uint64_t seed, std::string_view text);

class ColumnMaker {
 public:
  struct Table {
    std::uint64_t seed;  // already of this file
    std::uint64_t rows;
  };
  static Result<ColumnMaker> create(const scan::Column& column, const Table& table);
  std::string value(std::uint64_t row) const;

 private:
  ColumnMaker(const scan::Column& column, const Table& table);
  Result<> prepare_range();
  void place_specials();
  std::string plain(std::uint64_t row, Prng& prng) const;
  std::string number(Prng& prng) const;
  std::string date(Prng& prng) const;
  std::string text(std::uint64_t row, Prng& prng) const;
  std::uint64_t shuffled(std::uint64_t row) const;  // a permutation of the rows

  scan::Column column_;
  std::uint64_t seed_;
  std::uint64_t rows_;
  std::uint64_t stride_{1};
  // Numbers are low_ + 0..span_ in units of 10^-digits_; dates the same in days.
  std::int64_t low_{0};
  std::uint64_t span_{0};
  unsigned digits_{0};
  bool only_extremes_{false};
  // Rows that show what must be shown at least once: extremes, each value, a blank.
  std::unordered_map<std::uint64_t, std::string> specials_;
};

}  // namespace coffer::twin
