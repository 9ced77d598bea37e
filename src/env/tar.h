// The canonical tar: one header form per entry, and a reader that accepts no other.
//
// A header is a ustar block of 512 bytes (uid = gid = mtime = 0, no owner names), preceded by a pax
// block only for a path or target above 100 bytes or a size of 8 GiB and more. header() and
// TarReader are inverse: the reader renders what it read and compares.
// Invariants: a path is relative, without empty, "." or ".." components, at most kPathMax bytes.
// Errors: Corrupt (no canonical tar), and what the caller's `Pull` returns.
// Thread-safety: none.
// Source: POSIX.1-2001, "pax Interchange Format" and "ustar Interchange Format".
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "base/result.h"
#include "base/text.h"

namespace coffer::env {

inline constexpr std::size_t kBlock = 512;
inline constexpr std::size_t kPathMax = 4096;

enum class EntryKind : std::uint8_t {
  File,
  HardLink,  // only on the way from an image's cell to the builder, never in a sealed archive
  Link,      // symbolic
  Directory,
};

struct Entry {
  EntryKind kind{EntryKind::File};
  std::string path{};
  std::uint32_t mode{0};  // 9 bits
  std::uint64_t size{0};  // of a File, bytes
  std::string target{};   // of a Link as it stands, of a HardLink the path of an earlier File
  friend bool operator==(const Entry&, const Entry&) = default;
};

// Whether `path` may name an entry.
bool is_entry_path(std::string_view path);

// The header blocks of an entry; the content of a File follows, padded with zeros to a block.
std::string header(const Entry& entry);
inline std::string end_of_tar() { return std::string(2 * kBlock, '\0'); }
inline std::size_t padding_after(std::uint64_t size) {
  return static_cast<std::size_t>((kBlock - size % kBlock) % kBlock);
}

// Fills the span from its front; fewer bytes than asked only at the end of the stream.
using Pull = std::function<Result<std::size_t>(std::span<std::byte>)>;

class TarReader {
 public:
  explicit TarReader(Pull pull) : pull_(std::move(pull)) {}
  // The next entry, nothing after the last one. What is left of the content before is skipped.
  Result<std::optional<Entry>> next();
  // The next bytes of the entry's content, 0 at its end.
  Result<std::size_t> read(std::span<std::byte> into);

 private:
  Result<> block(std::span<std::byte> into);
  Result<> skip_content();
  Result<std::optional<Entry>> finish();
  Pull pull_;
  std::uint64_t left_{0};
  std::size_t padding_{0};
  bool ended_{false};
};

}  // namespace coffer::env
