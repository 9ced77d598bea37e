// Judges what a program left in /out: a refusal, or the codec's bit string, for every output.
//
// Meant to run in an empty cell: the files are hostile. It follows no link, opens nothing but
// regular files with one name, reads no byte twice, and never writes.
// An entry of the directory that no output declares refuses every output as undeclared. Otherwise
// each output is judged alone: missing, a link, no regular file or not by its format: malformed; a
// value that parses and lies outside range, values, dtype or rows_max: out_of_range. The first
// defect in the order of the file is the one that counts.
//
// Invariants: an object that is returned passes check_object(). Memory is bounded by
// judge_memory(): the largest object declared, once (a table's rows wider), and fixed buffers;
// nothing in a file can raise it. Errors: Unavailable (the directory cannot be read). A defect of a
// file is a refusal, no error. Thread-safety: pure but for reading the directory, which nobody may
// write meanwhile. Source: protocol.md sections 5 and 7; RFC 8259, RFC 4180, safetensors.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "base/result.h"
#include "gate/codec.h"
#include "program/charge.h"
#include "program/declaration.h"

namespace coffer::gate {

// Either a refusal (Undeclared, Malformed or OutOfRange), or an object.
struct Finding {
  std::optional<program::Refusal> refusal{};
  BitString object{};  // empty when refused
  // As the accounts want it.
  program::JudgedOutput judged() const { return {refusal, refusal ? 0 : object.length}; }
  friend bool operator==(const Finding&, const Finding&) = default;
};

// Judges every output of the directory, in declared order, handing each finding on before the
// next file is opened, so that one object is held at a time. Ends with the first error of `take`.
using TakeFinding = std::function<Result<>(const program::Output&, Finding)>;
Result<> judge(int out_directory, const std::vector<program::Output>& outputs,
               const TakeFinding& take);
Result<std::vector<Finding>> judge_all(int out_directory,
                                       const std::vector<program::Output>& outputs);

// The most memory in bytes that judging needs, /out being no larger than `output_bytes`.
std::uint64_t judge_memory(const std::vector<program::Output>& outputs, std::uint64_t output_bytes);

}  // namespace coffer::gate
