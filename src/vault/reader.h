// Opens a version: its files, every byte verified on the way.
//
// Each chunk is checked by its GCM tag, under a key of its own, and by its id, the list by its
// segments' tags, counts, the content digest over all ids and, where given, its own digest. Nothing
// is given out of a chunk that did not pass.
// Memory: four chunks, and four more while their ids are computed.
// Errors: Corrupt (names the chunk; the path is in `detail`), NotFound (a chunk that is gone),
// Denied (another version's list), and what the sink answers. Thread-safety: as a plain value.
// Lifetime: borrows the ChunkSource.
#pragma once

#include <functional>
#include <optional>

#include "grant/permit.h"
#include "vault/list.h"

namespace coffer::vault {

class Store;

using ByteSink = std::function<Result<>(ByteView)>;

class Reader {
 public:
  struct Version {
    UniqueFd list;       // the sealed list
    Digest list_digest;  // as the manifest has it
    const Key& key;
  };
  // For whoever holds the key: the owner, and readers of public data.
  static Result<Reader> open(Version version, ChunkSource& chunks);
  // For a run: the permit's input of that alias, its key, and the digests that the permit names.
  // Public inputs are opened with the key that the store publishes.
  static Result<Reader> open(const grant::Permit& permit, std::string_view alias, Store& store);
  Visibility visibility() const { return list_.visibility(); }
  // The next file in byte order of path; nothing after the last, when the list as a whole was
  // verified.
  Result<std::optional<FileEntry>> next();
  // Gives the file's content to `sink`, chunk by chunk.
  Result<> read(const FileEntry& file, const ByteSink& sink);

 private:
  Reader(ListReader list, ChunkSource& chunks, Digest expected)
      : list_(std::move(list)), chunks_(&chunks), expected_(expected) {}

  ListReader list_;
  ChunkSource* chunks_;
  Digest expected_;
  std::optional<Digest> expected_content_{};
};

struct Staged {
  std::uint64_t files{0};
  std::uint64_t bytes{0};
};

// Writes all files that are left below `directory` (empty, borrowed): 0444 (0555 executable),
// directories 0555. On an error the tree is partial: destroy it.
Result<Staged> stage(Reader reader, int directory);

}  // namespace coffer::vault
