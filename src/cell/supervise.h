// The process that holds one cell from outside: its private mounts and its staging memory.
//
// supervised() forks a helper that leaves the machine's mount table (as root by a mount namespace,
// otherwise by a user and a mount namespace that map one user) and gets a tmpfs of its own to stage
// inputs in; whatever is mounted or staged is gone with the helper, however it ends.
// Units: bytes. Errors: FailedPrecondition (no such namespaces for this user; names what mends it),
// Unavailable (the helper died), Cancelled (the timeout passed; the helper was killed), and what
// `body` returned.
// Thread-safety: forks; call from a process of one thread.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <functional>

#include "base/clock.h"
#include "base/result.h"
#include "base/text.h"

namespace coffer::cell {

// The host's user and group of one cell. Only root can choose: one of its own for each live cell,
// so that cells share no per-user limit. Rootless cells run as the server's one user.
struct Ids {
  uid_t uid{992000};
  gid_t gid{992000};
};

// A place for the plain inputs of one run, in memory, visible to nobody outside.
class Stage {
 public:
  // The supervisor's tmpfs; make directories below it and name them in Spec::binds.
  const std::filesystem::path& inputs() const { return inputs_; }
  const std::filesystem::path& root() const { return root_; }
  bool as_root() const { return as_root_; }
  // A fresh directory for one cell's mounts.
  std::filesystem::path next_cell() { return root_ / ("cell" + std::to_string(++cells_)); }

  // Enters private namespaces in the calling process for good and mounts the stage on
  // `mount_point`, an existing directory whose content is hidden from this process then.
  static Result<Stage> enter(const std::filesystem::path& mount_point,
                             std::uint64_t input_bytes_max, std::uint64_t entries_max);

 private:
  Stage(std::filesystem::path root, bool as_root)
      : root_(std::move(root)), inputs_(root_ / "inputs"), as_root_(as_root) {}
  std::filesystem::path root_;
  std::filesystem::path inputs_;
  bool as_root_;
  unsigned cells_{0};
};

struct SuperviseOptions {
  std::filesystem::path mount_point;  // an existing directory, may be in use by others
  std::uint64_t input_bytes_max{std::uint64_t{1} << 30};
  std::uint64_t entries_max{1000000};
  Duration timeout{std::chrono::hours{24}};
  std::size_t answer_max{std::size_t{16} << 20};
};

// Forks, enters a stage, runs `body` there and brings back its answer.
Result<ByteVector> supervised(const SuperviseOptions& options,
                              const std::function<Result<ByteVector>(Stage&)>& body);

// Supervisor ids for the callers of run(): uid of the n-th live cell.
Ids cell_ids(std::uint32_t slot);

}  // namespace coffer::cell
