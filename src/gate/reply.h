// What the judge cell answers on its pipe, and how the worker reads it.
//
// For each output in declared order: one byte, 0 for an object or 1 undeclared, 2 malformed,
// 3 out_of_range; after a 0 the object's length in bits (u64, big-endian) and its bytes. Nothing
// else: the whole is at most reply_bytes_max() long, a bound fixed by the declaration.
//
// Invariants: the reader is total. Whatever bytes arrive, every output gets a finding, and an
// object in it passes check_object(): an unknown byte, a length that the declaration rules out, an
// early end or a code of no value is malformed, and so is what follows a frame of unknown length.
// Errors: Unavailable (the pipe cannot be written or read); none for what the bytes say.
// Thread-safety: as a plain value; the descriptor is borrowed.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "gate/judge.h"

namespace coffer::gate {

std::uint64_t reply_bytes_max(const std::vector<program::Output>& outputs);

Result<> write_finding(int pipe, const Finding& finding);

// Reads findings one by one; ask once for each declared output, in order.
class ReplyReader {
 public:
  explicit ReplyReader(int pipe) : pipe_(pipe) {}
  Result<Finding> next(const program::Output& output);
  // After the last: whether the pipe ended where it should have. If not, the judge was not ours:
  // treat every output as malformed.
  Result<bool> ended();

 private:
  Result<std::size_t> fill(std::byte* to, std::size_t length);  // as much as came before the end
  int pipe_;
  bool broken_{false};
};

// All of them, and the rule about the end applied.
Result<std::vector<Finding>> read_reply(int pipe, const std::vector<program::Output>& outputs);

}  // namespace coffer::gate
