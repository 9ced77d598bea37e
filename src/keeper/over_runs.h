// The runs that are over: most of what a keeper remembers, and seldom asked for.
//
// They lie in a file without a name, which ends with the process and is made again from the
// journal; memory holds where. Nothing in it is secret that is not in the journal too: output keys
// are sealed.
// Invariants: get() answers what was put last, or an error; each record is authenticated under a
// key of this process alone. What the file cannot take (a full disk, a file system that has no such
// files) stays in memory.
// Errors: get(): Corrupt (the file is not what was written), Unavailable (input or output).
// Thread-safety: one thread.
#pragma once

#include <filesystem>
#include <map>
#include <optional>

#include "base/unique_fd.h"
#include "keeper/digest_index.h"
#include "keeper/memory.h"

namespace coffer::keeper {

class OverRuns {
 public:
  OverRuns() = default;  // in memory
  static OverRuns below(const std::filesystem::path& directory);

  void put(const Digest& digest, const RunMemory& run);
  Result<std::optional<RunMemory>> get(const Digest& digest) const;
  std::optional<int> fd() const;  // the file, where there is one

 private:
  struct Found {
    std::uint64_t place;
    ByteVector packed;
  };
  Result<std::optional<Found>> find(const Digest& digest) const;
  bool write(ByteView record);

  UniqueFd file_;
  Key key_{random_key()};
  std::uint64_t end_{1};  // 0 is no place
  DigestIndex places_;
  std::map<Digest, ByteVector> unwritten_;
};

}  // namespace coffer::keeper
