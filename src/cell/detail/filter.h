// The seccomp filter of each profile.
//
// Unknown architectures and x32 are killed; calls that the profile does not need answer EPERM, or
// ENOSYS where libraries then fall back. File locks of guests are granted without effect: every
// eventfd, epoll and timerfd of the whole machine shares one inode, on which a lock would be seen
// by other cells, and a filter cannot tell on which descriptor a lock is asked for.
// Errors: FailedPrecondition (no seccomp here), Internal. Thread-safety: pure functions.
#pragma once

#include <linux/filter.h>

#include <vector>

#include "base/result.h"
#include "cell/cell.h"

namespace coffer::cell::detail {

Result<std::vector<sock_filter>> compile_filter(Profile profile);

}  // namespace coffer::cell::detail
