// Tries each wall of the cell from inside, as the program could.
//
// Invariants: leaves nothing behind; a wall is Held only when every attempt on it was refused for
// the reason expected. Errors: none. Thread-safety: call once, from the cell's first process.
#pragma once

#include "cell/detail/walls.h"

namespace coffer::cell::kit {

detail::SelfTest try_walls(const detail::Config& config);

}  // namespace coffer::cell::kit
