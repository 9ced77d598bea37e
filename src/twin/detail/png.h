// The smallest picture that any PNG reader takes.
//
// Errors: none.
// Thread-safety: pure.
// Source: PNG, third edition; RFC 1950, RFC 1951 (stored block).
#pragma once

#include "base/text.h"

namespace coffer::twin {

// 8 by 8 grey pixels, 8 bits each, derived from `seed`.
ByteVector small_png(std::uint64_t seed);

}  // namespace coffer::twin
