// What the launcher sees of a cell from outside, before it says go.
//
// Errors: FailedPrecondition "cell_unproven: WALL". Thread-safety: pure functions over /proc.
#pragma once

#include <sys/types.h>

#include "base/result.h"
#include "cell/cell.h"
#include "cell/detail/walls.h"
#include "os/cgroup.h"

namespace coffer::cell::detail {

struct OutsideView {
  pid_t pid;
  Profile profile;
  std::uint32_t seen_uid;  // of the cell, as this process sees it
  std::uint32_t seen_gid;
  GroupLimits limits;
};

Result<> check_from_outside(const OutsideView& view, const Group& group);

// The error for a wall that does not hold, naming what mends it.
Error unproven(Wall wall, std::string_view found = {});
Error unproven(const StepFailure& failure);

}  // namespace coffer::cell::detail
