// The canonical file of an output, written from its bit string alone.
//
// metrics: one line of JSON without white space, numbers with exactly their digits, null written,
// a final newline. tensors: safetensors with a compact header padded with spaces to 8, no metadata.
// table: CSV with LF, quotes only where RFC 4180 needs them, null empty (a row of one null is `""`,
// for a blank line would be no row).
//
// Invariants: the file depends on declaration and object only; its size never passes
// canonical_size_max(), which depends on the declaration only.
// Errors: Corrupt (by decode(), when the string is the code of no value); whatever the sink
// returns. Thread-safety: as a plain value. Source: protocol.md section 7; docs/formats/release.md.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/result.h"
#include "crypto/crypto.h"
#include "gate/codec.h"
#include "program/declaration.h"

namespace coffer::gate {

// Takes the next bytes of a file.
using Sink = std::function<Result<>(ByteView)>;

// An output and an object of it that is known to be one.
class Canonical {
 public:
  static Result<Canonical> decode(program::Output output, BitString object);

  const program::Output& output() const { return output_; }
  const BitString& object() const { return object_; }
  std::uint64_t bits() const { return object_.length; }
  std::string file_name() const { return output_.file(); }
  std::uint64_t size() const { return size_; }      // of the file in bytes
  const Digest& digest() const { return digest_; }  // SHA-256 of the file
  // Writes the file in pieces of at most some hundred KiB.
  Result<> write(const Sink& sink) const;
  // Writes it to a descriptor.
  Result<> write_to(int fd) const;
  // The whole file; for small ones.
  Result<std::string> text() const;

 private:
  Canonical(program::Output output, BitString object)
      : output_(std::move(output)), object_(std::move(object)) {}
  program::Output output_;
  BitString object_;
  std::uint64_t size_{0};
  Digest digest_{};
};

std::uint64_t canonical_size_max(const program::Output& output);

// How long the plaintext of an output is when it is sealed: salt[32], the length as u64, the file
// and zeros up to here. A multiple of 4096, fixed by the declaration alone.
std::uint64_t sealed_size(const program::Output& output);

}  // namespace coffer::gate
