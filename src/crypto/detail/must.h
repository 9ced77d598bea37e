// What becomes of a failure of the library itself (no memory, no entropy): there is nothing to go
// on with.
//
// Errors: ends the process. Thread-safety: any thread.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace coffer {

inline void must(bool ok) {
  if (ok) return;
  (void)std::fputs("crypto: the library failed\n", stderr);
  std::abort();
}

}  // namespace coffer
