// The blobs of an OCI archive: where each lies in the outer tar, read plain or decompressed.
//
// Errors: InvalidArgument (malformed, absent, above a limit), Corrupt (another digest).
// Thread-safety: none.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "base/json.h"
#include "base/result.h"
#include "crypto/crypto.h"
#include "env/tar.h"

namespace coffer::env {

struct Extent {
  std::uint64_t at;
  std::uint64_t size;
};

// The regular files of a tar archive that can be read at any place.
class BlobStore {
 public:
  static Result<BlobStore> open(int archive, std::uint64_t entries_max);
  // A small file by name. Errors: InvalidArgument (absent or above 4 MiB).
  Result<std::string> text(const std::string& name) const;
  // A small blob, checked. Errors: also Corrupt.
  Result<Json> json(const Digest& digest) const;
  Result<Extent> find(const Digest& digest) const;
  bool has(const std::string& name) const { return files_.contains(name); }
  int fd() const { return fd_; }

 private:
  explicit BlobStore(int fd) : fd_(fd) {}
  int fd_;
  std::map<std::string, Extent> files_;
};

// What is left of the bytes that all layers together may unpack to.
struct Allowance {
  std::uint64_t bytes;        // left
  std::uint64_t most{bytes};  // from the start
};

// The unpacked bytes of a layer blob: plain, gzip or zstd, told apart by their first bytes.
class LayerStream {
 public:
  // `allowance` must outlive the stream.
  static Result<LayerStream> open(const BlobStore& blobs, const Digest& digest,
                                  Allowance& allowance);
  LayerStream(LayerStream&&) noexcept;
  LayerStream& operator=(LayerStream&&) noexcept;
  ~LayerStream();
  Result<std::size_t> pull(std::span<std::byte> into);
  // Reads what is left and compares the digest of the blob with its name.
  Result<> finish();

 private:
  struct State;
  explicit LayerStream(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace coffer::env
