// Watches one living cell until it is gone, whatever it does.
//
// Errors: system errors of polling only; how the cell ended is a value. Thread-safety: none.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "cell/detail/walls.h"

namespace coffer::cell::detail {

struct Watched {
  int line;   // from the first process
  int pidfd;  // of the first process
  int cancel{-1};
  int memory_event{-1};
  int standard_output{-1};
  int standard_error{-1};
  std::size_t output_max{0};
  Instant deadline{};
};

struct Seen {
  std::optional<EndReport> end{};
  bool timed_out{false};
  bool cancelled{false};
  bool memory_event{false};
  std::string standard_output{};
  std::string standard_error{};
};

// Kills through the pidfd when it must; returns when the first process, and with it every other,
// is gone (it is not reaped yet).
Result<Seen> watch(const Watched& watched);

// One record of the line: its type byte first, its length by the type.
// Errors: Unavailable (the other side ended), Cancelled (deadline), Corrupt.
Result<ByteVector> read_record(int line, Instant deadline);

}  // namespace coffer::cell::detail
