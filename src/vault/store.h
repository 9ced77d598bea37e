// The server's side: sealed chunks and sealed lists of one dataset, on disk, without any key.
//
//   DIR/vault/<dataset id>/chunks/ab/<64 hex>   a sealed chunk, named by its SHA-256
//   DIR/vault/<dataset id>/lists/<64 hex>       a sealed list, named by its SHA-256
//   DIR/vault/<dataset id>/public/<64 hex>      32 bytes: the version key of that list, published
//   DIR/vault/<dataset id>/tmp/                 being written
// Invariants, also across a crash: a file under its final name is complete and has that digest
// (temp, fsync, rename, fsync of the directory); a list is stored only when all its chunks are.
// Errors: Corrupt (bytes that do not fit their name), NotFound (chunk, list, key),
// FailedPrecondition (a list whose chunks are not all here: how many), InvalidArgument (dataset
// id), Unavailable (file system).
// Thread-safety: from several processes: readers at any time; one writer at a time, which also runs
// collect_garbage.
// Source: docs/formats/vault.md, "Store".
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/unique_fd.h"
#include "vault/chunk.h"
#include "vault/list.h"

namespace coffer::vault {

class Store final : public ChunkSource {
 public:
  // `vault`: DIR/vault. create() makes what is missing; open() is NotFound for an unknown dataset.
  static Result<Store> create(const std::string& vault, const std::string& dataset_id);
  static Result<Store> open(const std::string& vault, const std::string& dataset_id);

  Result<> put(const Digest& name, ByteView sealed);  // nothing new when it is there already
  struct PackResult {
    std::uint64_t chunks{0};
    std::uint64_t bytes{0};
  };
  Result<PackResult> put_pack(int fd);  // borrows; read to its end

  // As it lies there: bytes were compared with the name when they came, and whoever opens a chunk
  // finds by its tag what a disk has done to it since.
  Result<ByteVector> chunk(const Digest& name) override;
  // Those of `names` that are not here. What is here counts as just written, so that garbage
  // collection leaves it alone while a client relies on the answer.
  Result<std::vector<Digest>> missing(std::span<const Digest> names);

  struct Collected {
    std::uint64_t chunks{0};
    std::uint64_t bytes{0};
  };

  // `fd`: the uploaded list, borrowed; `list` its digest as the signed manifest has it.
  Result<> put_list(int fd, const Digest& list);
  Result<UniqueFd> open_list(const Digest& list) const;
  Result<std::vector<Digest>> lists() const;  // ascending
  // With its published key, and every chunk that it alone names: how many, and their bytes. An add
  // under way that counted on one of them is told at its end that it is missing.
  Result<Collected> remove_list(const Digest& list);

  // Public datasets: the version key in clear.
  Result<> publish_key(const Digest& list, const Key& version_key);
  Result<Key> public_key(const Digest& list) const;

  // Deletes what a writer that was killed left in tmp/; called when nobody writes.
  Result<> remove_leftovers();

  // Deletes chunks that no list names and that were written before `unused_since` (uploads
  // under way are younger), and temporary files as old.
  Result<Collected> collect_garbage(UnixTime unused_since);

 private:
  explicit Store(UniqueFd root) : root_(std::move(root)) {}
  Result<std::vector<Digest>> names_of(const Digest& list) const;  // ascending
  Result<std::vector<Digest>> named_chunks() const;                // by any list, ascending
  Result<> write_atomically(const std::string& path, ByteView bytes);

  UniqueFd root_;
};

}  // namespace coffer::vault
