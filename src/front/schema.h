// The front's tables. Every statement of the front goes against these.
//
// Invariants: an `entries` row is there for each index that the keeper has answered and the front
// has heard of; `pending` holds what was sent and not yet answered, in the order of sending.
// Errors: none. Thread-safety: constants.
#pragma once

#include <array>
#include <string_view>

namespace coffer::front {

// Applied in order; never edited once released, only added to.
extern const std::array<std::string_view, 4> kMigrations;

}  // namespace coffer::front
