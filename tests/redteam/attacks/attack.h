// Hostile programs for the red-team tests, all in one static executable without a runtime.
//
//   attacks NAME [ARGUMENT]   runs one, prints "open" or "refused ERRNO", exits 0
//   attacks many NAME...      the same for several, each in a child: "NAME open", "NAME refused
//   EPERM"
//
// An attack answers 0 when it succeeded and the errno that refused it otherwise; kKilled when the
// kernel killed it for trying. Run outside a cell each one must succeed: that is its control.
#pragma once

#include <cerrno>
#include <span>
#include <string_view>

namespace attacks {

inline constexpr int kOpen = 0;
inline constexpr int kNothingFound = 4001;  // it was allowed to look and saw nothing of the host

struct Attack {
  const char* name;
  int (*run)(const char* argument);
};

inline int result_of(long answer) { return answer < 0 ? errno : kOpen; }

std::span<const Attack> on_sockets();
std::span<const Attack> on_files();
std::span<const Attack> on_kernel();
std::span<const Attack> on_processes();
std::span<const Attack> on_resources();

}  // namespace attacks
