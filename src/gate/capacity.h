// How much a number of bits could carry: what owners and approvers are told before they agree.
//
// First the cheapest sensitive column: with B bits at most floor(B / log2(values)) persons can be
// named a value of it. Then, as an illustration only, rows at zstd-19 bits a row (a compressor
// overestimates entropy, so it is no bound).
// Units: bits; persons are rows of the largest published file.
// Errors: none; a card without a usable column answers for one bit a person.
// Thread-safety: pure functions.
// Source: protocol.md section 5, gate.md section 2 (corollary).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/json.h"

namespace coffer::gate {

struct Capacity {
  std::uint64_t bits{0};
  std::string column;  // the cheapest; empty: none is published, counted at one bit a person
  std::uint64_t persons{
      0};  // for how many its value could be stated, at most `of_persons` if known
  std::uint64_t of_persons{0};  // rows of the file; 0: unknown
};

// `card`: the payload of a signed card; sensitive columns before labels before all others.
Capacity capacity_of(std::uint64_t bits, const Json& card);

// "at most 64,000 bits: enough to state `diagnosis` for all 569 persons".
std::string capacity_sentence(const Capacity& capacity);

// "about 167 rows of 569 (29 percent) at 382 bits a row"; above 100 percent the sentence
// "this cannot be judged by reading: you are trusting the program and its author" follows.
// Empty when a figure is unknown (0).
std::string rows_sentence(std::uint64_t bits, std::uint64_t bits_per_row, std::uint64_t rows);

}  // namespace coffer::gate
