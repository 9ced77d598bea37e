// What an unfinished add has sent already, on the owner's disk.
//
// Holds the dataset's id and key, and references (with keys) of every chunk that the server
// acknowledged; all of it sealed: the head to the owner's sealing key, each batch under a key
// derived from the dataset key and a fresh salt. Mode 600. What acknowledge() answered for stays
// across a crash; a batch that was torn off or damaged is dropped at the next open, with all after
// it, and its chunks are sent again. Before use, ask the server which of known().names() it still
// has and forget_name() the others. Remove the file when the version was accepted.
// Errors: Corrupt (another owner's journal, a damaged head), AlreadyExists (create), NotFound
// (open), Unavailable (file system).
// Thread-safety: as a plain value; one process at a time (open takes a lock, else Unavailable).
// Source: docs/formats/vault.md, "Journal".
#pragma once

#include <span>
#include <string>

#include "base/unique_fd.h"
#include "vault/chunk.h"

namespace coffer::vault {

class Journal {
 public:
  struct Head {
    std::string dataset_id;
    Key dataset_key;
  };
  static Result<Journal> create(const std::string& path, Head head, const SealPublic& owner);
  static Result<Journal> open(const std::string& path, const SealKey& owner);

  const std::string& dataset_id() const { return head_.dataset_id; }
  const Key& dataset_key() const { return head_.dataset_key; }
  ChunkIndex& known() { return known_; }
  // Returns once the batch is on disk.
  Result<> acknowledge(std::span<const ChunkRef> chunks);

 private:
  Journal(UniqueFd fd, Head head) : fd_(std::move(fd)), head_(std::move(head)) {}
  Result<> replay(std::size_t from);

  UniqueFd fd_;
  Head head_;
  ChunkIndex known_;
};

}  // namespace coffer::vault
