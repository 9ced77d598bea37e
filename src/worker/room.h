// Disk space set aside for what a run will seal.
//
// It is taken before the program starts: on a full disk a run waits, instead of being lost, and
// charged, after it has worked. It is given back just before the files are written.
// Invariants: has no name in the file system, so nothing is left behind however the process ends.
// Errors: Unavailable (disk full), Denied. A file system that cannot set space aside gives an empty
// Room. Thread-safety: one thread.
#pragma once

#include <filesystem>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "program/declaration.h"

namespace coffer::worker {

class Room {
 public:
  Room() = default;
  // For the sealed outputs and their evidence, in the file system of `folder`.
  static Result<Room> reserve(const std::filesystem::path& folder,
                              const std::vector<program::Output>& outputs);
  void give_back() { file_.reset(); }

 private:
  explicit Room(UniqueFd file) : file_(std::move(file)) {}
  UniqueFd file_;
};

}  // namespace coffer::worker
