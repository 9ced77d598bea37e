// SimulatedDisk: what a disk may hold after a power failure at any moment of a run.
//
// While one is alive, every write, truncation, sync, creation, rename and removal that this process
// makes below its root is recorded, by its own definitions of those system calls, and carried out
// for real. From the record any crash can be made: what was synced is there; of the rest, a seed
// decides what arrived: writes in any order, whole, torn or not at all, names in the order in which
// they were made, but perhaps not all of them. Faults can be asked for too: from the n-th change
// on, writes and syncs fail. Invariants: a file's bytes are safe after fsync or fdatasync of it, a
// name after fsync of its directory and not before (POSIX promises no more). Errors: aborts the
// test program when the record cannot be kept. Thread-safety: all functions. Source: ALICE (Pillai
// et al., OSDI 2014) for the model of what may be persistent.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <random>

namespace coffer::simulation {

class SimulatedDisk {
 public:
  explicit SimulatedDisk(const std::filesystem::path& root);
  SimulatedDisk(const SimulatedDisk&) = delete;
  SimulatedDisk& operator=(const SimulatedDisk&) = delete;
  ~SimulatedDisk();

  // How many changes there were so far.
  std::size_t changes() const;

  // Writes into the fresh directory `target` what the disk may hold when the power fails right
  // after the first `changes` changes.
  void crash(std::size_t changes, std::uint64_t seed, const std::filesystem::path& target) const;

  // From the change `first` on, `count` changes fail with this errno.
  void fail(std::size_t first, std::size_t count, int error_number);
};

// Where simulations keep their files: in memory where the machine has such a place, since a real
// sync adds nothing to a recorded one.
inline std::filesystem::path scratch_place() {
  constexpr const char* kMemory = "/dev/shm";
  return ::access(kMemory, W_OK) == 0 ? std::filesystem::path{kMemory}
                                      : std::filesystem::temp_directory_path();
}

// COFFER_SEED, or a fresh one.
inline std::uint64_t seed_of_run() {
  const char* wanted = std::getenv("COFFER_SEED");
  return wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : std::random_device{}();
}

}  // namespace coffer::simulation
