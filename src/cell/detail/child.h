// The cell's first process between clone and our own program: every step gives up a right.
//
// Invariants: runs in the fresh namespaces, single-threaded; any failing step is reported on the
// line and ends the process, nothing is skipped. Errors: none are returned; it never comes back.
// Thread-safety: the only thread of its process.
#pragma once

#include <linux/filter.h>

#include <vector>

#include "cell/detail/mounts.h"
#include "cell/detail/walls.h"

namespace coffer::cell::detail {

struct ChildPlan {
  const Assembly* assembly;
  const std::vector<sock_filter>* filter;
  Profile profile;
  std::uint32_t inside_id;
  int landlock_abi;
  // Descriptors before they are moved to their places.
  int line;
  int config;
  int kit;
  int standard_input;
  int standard_output;
  int standard_error;
};

[[noreturn]] void enter_cell(const ChildPlan& plan);

}  // namespace coffer::cell::detail
