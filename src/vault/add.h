// Adds a version: reads a tree once, encrypts what the server has not, writes the sealed list.
//
// Everything streams: memory is some 32 MiB of chunks, the list's (vault/list.h) and the index of
// known chunks. A file that changes while it is read is refused.
// Append: the parent's files stay, given paths are added or take the place of equal paths.
// Replace: the version has the given paths and nothing else.
// Errors: as vault/tree.h and vault/list.h; whatever sink or observer answer.
// Thread-safety: none needed; all on the caller's thread.
// Example:
//   PackWriter packs{[&](Pack pack) -> Result<> {
//     COFFER_CHECK(upload(pack.bytes));
//     return journal.acknowledge(pack.chunks);
//   }};
//   COFFER_TRY(auto added, add({.paths = {"export"}}, {.dataset_key = journal.dataset_key(),
//   ...})); COFFER_CHECK(packs.flush());
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "vault/chunk.h"
#include "vault/list.h"

namespace coffer::vault {

enum class Mode : std::uint8_t { Append, Replace };

struct AddPlan {
  std::vector<std::string> paths;
  Mode mode{Mode::Replace};
  Visibility visibility{Visibility::Protected};
};

// Sees every byte while it is added (the scan does).
class AddObserver {
 public:
  virtual ~AddObserver() = default;
  virtual Result<> begin(const std::string& path, std::uint64_t size) = 0;
  virtual Result<> bytes(ByteView bytes) = 0;
  virtual Result<> end() = 0;
};

struct ParentVersion {
  int list_fd;  // borrowed; a regular file
  const Key& version_key;
};

struct Diff {
  std::uint64_t added{0};
  std::uint64_t removed{0};
  std::uint64_t changed{0};
  std::uint64_t unchanged{0};
  // "+412 files, -3, 9,880 unchanged"; ", 5 changed" only where there are.
  std::string text() const;
};

struct Added {
  Key version_key;  // fresh; seals this list only
  ListSummary summary;
  Diff diff;
  std::uint64_t new_chunks{0};
  std::uint64_t new_bytes{0};  // ciphertext given to the sink
};

struct AddWork {
  const Key& dataset_key;
  std::optional<ParentVersion> parent;  // none: the first version
  const ChunkIndex& known;              // chunks on the server besides the parent's: a journal's
  ChunkSink& sink;
  AddObserver& observer;
  int list_fd;  // borrowed; an empty file that receives the sealed list
};

Result<Added> add(const AddPlan& plan, const AddWork& work);

// The same decided by names and sizes alone, before anything is read: `unchanged` counts files of
// equal size, which may prove changed. For the question whether files may be removed.
Result<Diff> preview(const AddPlan& plan, const std::optional<ParentVersion>& parent);

}  // namespace coffer::vault
