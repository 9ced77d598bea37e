// Where a tree puts the hashes of leaves, which it seldom needs, out of memory.
//
// A file without a name, which ends with the process: a cache, made again from what the tree was
// made of. Only ever appended to. Who reads checks what comes against a hash of its own.
// Errors: read(): Unavailable (the file does not give what was written).
// Thread-safety: one thread.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>

#include "base/result.h"
#include "base/unique_fd.h"
#include "crypto/crypto.h"

namespace coffer::ledger {

class LeafFile {
 public:
  static constexpr std::size_t kGroup = 16;  // leaves that are written and read together
  using Group = std::array<Digest, kGroup>;

  // Nothing where `directory` can have no such file.
  static std::shared_ptr<LeafFile> below(const std::filesystem::path& directory);
  explicit LeafFile(UniqueFd file) : file_(std::move(file)) {}  // an empty one

  // Its place; nothing where it could not be written (a full disk).
  std::optional<std::uint64_t> append(const Group& leaves);
  Result<Group> read(std::uint64_t place) const;
  int fd() const { return file_.get(); }

 private:
  UniqueFd file_;
  std::uint64_t end_{0};
};

}  // namespace coffer::ledger
