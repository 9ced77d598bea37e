// Pieces of canonical files that the evidence reads too.
//
// Errors: as canonical.h. Thread-safety: pure functions. Source: protocol.md section 7.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "gate/canonical.h"
#include "program/declaration.h"

namespace coffer::gate {

// The value of a code as canonical text, nothing for null. `code` < value_count().
std::optional<std::string> text_of_code(const program::Domain& domain, std::uint64_t code);
// scaled / 10^digits with exactly so many digits after the point.
std::string scaled_text(std::int64_t scaled, unsigned digits);
// Quoted where it must be.
std::string csv_field(const std::string& text);
unsigned bytes_of_dtype(program::Dtype dtype);
// The length and the header, padded.
std::string safetensors_head(const program::Tensors& tensors);
// What Canonical::write() does, without its hash.
Result<> write_canonical(const program::Output& output, const BitString& object, const Sink& sink);

}  // namespace coffer::gate
