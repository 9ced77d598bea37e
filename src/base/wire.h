// Fixed-format records between our own processes and in our own files.
//
// A field is a big-endian integer, or a u32 length and that many bytes. A Reader never reads past
// its input: after the first defect every read answers zero or empty, and finish() says so; read
// a whole record, then ask once.
// Writer and Reader are inverse. Errors: Corrupt (short, too long a field, bytes left over).
// Thread-safety: as plain values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/text.h"

namespace coffer {

class WireWriter {
 public:
  WireWriter& u8(std::uint8_t value);
  WireWriter& u32(std::uint32_t value);
  WireWriter& u64(std::uint64_t value);
  WireWriter& i64(std::int64_t value) { return u64(static_cast<std::uint64_t>(value)); }
  WireWriter& boolean(bool value) { return u8(value ? 1 : 0); }
  WireWriter& raw(ByteView bytes);    // without a length
  WireWriter& bytes(ByteView bytes);  // with its length
  WireWriter& text(std::string_view text) { return bytes(bytes_of(text)); }
  const ByteVector& data() const { return data_; }
  ByteVector take() && { return std::move(data_); }

 private:
  ByteVector data_;
};

class WireReader {
 public:
  explicit WireReader(ByteView data) : data_(data) {}
  std::uint8_t u8();
  std::uint32_t u32();
  std::uint64_t u64();
  std::int64_t i64() { return static_cast<std::int64_t>(u64()); }
  bool boolean();
  ByteView raw(std::size_t length);
  ByteView bytes();
  std::string text() { return std::string(text_of(bytes())); }
  // A count of items that follow, at most `count_max`.
  std::uint32_t count(std::uint32_t count_max);
  void fail() { failed_ = true; }  // for a caller who finds a value that may not be
  bool failed() const { return failed_; }
  std::size_t left() const { return data_.size() - at_; }
  Result<> finish() const;

 private:
  ByteView data_;
  std::size_t at_{0};
  bool failed_{false};
};

}  // namespace coffer
