// Reads the tar of an image layer as other tools write it: ustar, GNU long names, pax.
//
// It is as hostile as its author: names and targets are handed on as they stand. Runs inside a
// cell. Errors: InvalidArgument (malformed, sparse, a name above kPathMax), and what `Pull`
// returns. Thread-safety: none. Source: POSIX.1-2001 pax; GNU tar manual, "Basic Tar Format".
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "base/result.h"
#include "env/tar.h"

namespace coffer::env {

struct LayerEntry {
  std::optional<EntryKind> kind;  // none: a device, FIFO or socket, which no environment needs
  std::string path;
  std::string target;
  std::uint32_t mode{0};
  std::uint64_t size{0};
  std::uint64_t content_at{0};  // position of the content in the stream
};

class LayerTar {
 public:
  explicit LayerTar(Pull pull) : pull_(std::move(pull)) {}
  Result<std::optional<LayerEntry>> next();
  // The next bytes of the entry's content, 0 at its end.
  Result<std::size_t> read(std::span<std::byte> into);
  // For a caller whose `Pull` has just been moved past the content: only its padding is left.
  void content_was_passed() {
    at_ += left_;
    left_ = 0;
  }

 private:
  struct Extra {
    std::optional<std::string> path, target;
    std::optional<std::uint64_t> size;
  };
  Result<> fill(std::span<std::byte> into);
  Result<> skip();
  Result<std::string> text_content();
  Result<> read_pax(Extra& extra);
  Result<LayerEntry> entry_of(std::string_view block, const Extra& extra);
  Pull pull_;
  std::uint64_t at_{0};
  std::uint64_t left_{0};
  std::size_t padding_{0};
  bool ended_{false};
};

}  // namespace coffer::env
