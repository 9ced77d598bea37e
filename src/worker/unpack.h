// A program from outside: an archive is unpacked in an empty cell, digested, put in its place.
//
// Invariants: DIR/programs/<64 hex>/ holds exactly the tree of that digest, or does not exist.
// Errors: in Unpacked::problem. Thread-safety: owns its process. Source: protocol.md section 6.
#pragma once

#include <filesystem>

#include "cell/cell.h"
#include "worker/messages.h"

namespace coffer::worker {

struct UnpackPlace {
  std::filesystem::path data;  // DIR
  const cell::Launcher& launcher;
  cell::Ids ids;
};

Unpacked unpack_program(const UnpackPlace& place, const Unpack& order);

}  // namespace coffer::worker
