// The chunk list: what a version consists of, sealed under the version's key.
//
// Invariants: files in ascending byte order of path, each once, none both file and directory; paths
// as base/file_path.h allows; a list has at least one file. The plaintext is cut into segments,
// each sealed under the version key with its number as nonce, the last one marked, so that neither
// a change nor a truncation passes. Behind them, in clear, stand the names (SHA-256 of ciphertext)
// of all chunks, so that a server can collect garbage without a key. Writer and reader are inverse.
// Memory: one segment, and one file's chunk references (136 bytes for each MiB of it); a writer
// keeps 32 bytes for each chunk besides.
// Errors: InvalidArgument (an entry that breaks an invariant), Corrupt (changed, truncated, another
// key), Unavailable (the file system).
// Thread-safety: as plain values.
// Source: docs/formats/vault.md, "Chunk list".
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/file_path.h"
#include "base/unique_fd.h"
#include "vault/chunk.h"
#include "vault/keys.h"

namespace coffer::vault {

// Of the first layout, which is read and no longer written, each file has a salt and a digest.
enum class ListLayout : std::uint8_t { First, Second };

inline constexpr std::size_t kListSegment = std::size_t{64} << 10;
inline constexpr std::uint32_t kFileChunksMax = 1U << 22;

struct FileEntry {
  std::string path;
  std::uint64_t size{0};
  FileMode mode{FileMode::Plain};
  std::vector<ChunkRef> chunks;
  FileEntry copy() const;
};

// What the manifest says about a list.
struct ListSummary {
  Digest list;     // SHA-256 of the whole sealed file: the manifest's chunk_list
  Digest content;  // the manifest's content
  std::uint64_t files{0};
  std::uint64_t bytes{0};
};

class ListWriter {
 public:
  // Borrows `fd`, an empty file open for writing, until it is destroyed. `version_key` must have
  // sealed nothing before.
  static Result<ListWriter> create(int fd, const Key& version_key, const Key& dataset_key,
                                   Visibility visibility);
  Result<> add(const FileEntry& entry);
  Result<ListSummary> finish();  // once; syncs the file

 private:
  enum class Place : std::uint8_t { Inner, Last };
  ListWriter(int fd, Key version_key) : fd_(fd), version_key_(std::move(version_key)) {}
  Result<> append(ByteView plain);
  Result<> seal_segment(ByteView plain, Place place);
  Result<> put(ByteView bytes);

  int fd_;
  Key version_key_;
  ByteVector pending_;
  std::uint64_t segments_{0};
  std::vector<Digest> names_;
  PathOrder order_;
  Sha256 whole_;
  Sha256 content_;
  ListSummary summary_;
};

class ListReader {
 public:
  // Reads from the start of `fd`.
  static Result<ListReader> open(UniqueFd fd, const Key& version_key);
  const Key& dataset_key() const { return dataset_key_; }
  Visibility visibility() const { return visibility_; }
  // The next file, nothing after the last one; then everything was verified.
  Result<std::optional<FileEntry>> next();
  // Nothing before next() answered nothing.
  const std::optional<ListSummary>& summary() const { return summary_; }

 private:
  ListReader(UniqueFd fd, Key version_key)
      : fd_(std::move(fd)), version_key_(std::move(version_key)), dataset_key_(random_key()) {}
  Result<> read_head();
  Result<ByteVector> take(std::size_t length);
  Result<std::uint32_t> take_u32();
  Result<> next_segment();
  Result<ByteVector> take_file(std::size_t length);
  Result<FileEntry> read_entry();
  Result<Digest> read_first_digest();
  Result<ChunkRef> read_chunk();
  Result<> read_end();

  UniqueFd fd_;
  Key version_key_;
  ListLayout layout_{ListLayout::Second};
  Key dataset_key_;
  Visibility visibility_{Visibility::Protected};
  ByteVector plain_;
  std::size_t at_{0};
  std::uint64_t segments_{0};
  bool last_seen_{false};
  PathOrder order_;
  Sha256 whole_;
  Sha256 content_;
  std::uint64_t files_{0};
  std::uint64_t bytes_{0};
  std::optional<ListSummary> summary_;
};

// Names of all chunks of a sealed list, ascending, without any key (for servers). Corrupt when the
// file has not the shape of a list.
Result<std::vector<Digest>> list_chunk_names(int fd);

// Adds all chunks of a version to what is known to be on the server.
Result<> absorb(ChunkIndex& index, ListReader list);

}  // namespace coffer::vault
