// A run that is over, in few bytes: most of what the keeper remembers are such runs.
//
// Kept is what may still be asked: who may fetch which output, how it ended, what was charged, and
// what makes an operation that is sent again one that was done.
// Invariants: unpack_over(pack_over(run)) answers every question and every operation as `run` does.
// Errors: none; bytes that pack_over() did not make end the process. Thread-safety: pure functions.
#pragma once

#include "keeper/memory.h"

namespace coffer::keeper {

ByteVector pack_over(const RunMemory& run);
RunMemory unpack_over(ByteView bytes);

}  // namespace coffer::keeper
