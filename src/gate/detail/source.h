// Hostile files, read forwards: opened only when regular, with one name and by no link.
//
// Errors: NotFound (no such entry), Denied (a link, no regular file, or more than one name),
// Unavailable (it cannot be read). Thread-safety: as a plain value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/text.h"
#include "base/unique_fd.h"

namespace coffer::gate {

// `name` is one component. The entry is looked at before it is opened, so that no device or pipe
// ever is.
struct RegularFile {
  UniqueFd fd;
  std::uint64_t size{0};
};
Result<RegularFile> open_regular(int directory, const std::string& name);

// The names in a directory, without . and ..; at most `count_max`, in no order.
Result<std::vector<std::string>> list_directory(int directory, std::size_t count_max);

// Reads a file, or bytes in memory, one buffer after the other. After an error it is at its end.
class ByteSource {
 public:
  explicit ByteSource(int fd);                           // borrowed; read from its start
  explicit ByteSource(ByteView bytes) : view_(bytes) {}  // borrowed
  // The next byte, or -1 at the end.
  int next() {
    if (at_ == view_.size() && !refill()) return -1;
    return std::to_integer<int>(view_[at_++]);
  }
  int peek() {
    if (at_ == view_.size() && !refill()) return -1;
    return std::to_integer<int>(view_[at_]);
  }
  // Up to buffer size many bytes that come next; empty at the end. Valid until the next call.
  ByteView chunk(std::size_t length_max);
  // Exactly so many, or fewer at the end.
  ByteVector take(std::size_t length);
  // Goes on at `offset` (files only).
  void seek(std::uint64_t offset);
  bool failed() const { return failed_; }

 private:
  bool refill();
  int fd_{-1};
  std::uint64_t offset_{0};  // of the byte after the buffer
  std::vector<std::byte> buffer_;
  ByteView view_{};
  std::size_t at_{0};
  bool failed_{false};
};

}  // namespace coffer::gate
