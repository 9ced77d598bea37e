// The judges of the three kinds of file, and what they share: a value's code, or why there is none.
//
// Errors: none; a defect is the refusal that it means. Thread-safety: pure functions.
// Source: protocol.md section 7.
#pragma once

#include <cstdint>
#include <string_view>
#include <variant>

#include "gate/codec.h"
#include "gate/detail/source.h"
#include "program/charge.h"
#include "program/declaration.h"

namespace coffer::gate {

using Coded = std::variant<std::uint64_t, program::Refusal>;
using Judged = std::variant<BitString, program::Refusal>;

// The code of a number given as decimal text: rounded, then checked or clamped.
Coded code_of_number(const program::Number& number, std::string_view text);
// The code of a text of the list; OutOfRange for any other valid text.
Coded code_of_text(const program::Choice& choice, std::string_view text);
// The code of null; Malformed where nothing may be absent.
Coded code_of_null(const program::Domain& domain);

// The longest metrics.json and safetensors header that are read.
std::uint64_t metrics_bytes_max(const program::Metrics& metrics);
std::uint64_t header_bytes_max(const program::Tensors& tensors);

Judged judge_metrics(const program::Metrics& metrics, const RegularFile& file);
Judged judge_table(const program::Table& table, const RegularFile& file);
Judged judge_tensors(const program::Tensors& tensors, const RegularFile& file);

}  // namespace coffer::gate
