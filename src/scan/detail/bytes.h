// Reads numbers out of a buffer that may be hostile: what lies outside is nothing.
//
// Errors: none.
// Thread-safety: as a plain value.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/text.h"

namespace coffer::scan {

enum class ByteOrder : std::uint8_t { Little, Big };

class Bytes {
 public:
  explicit Bytes(ByteView data, ByteOrder order = ByteOrder::Little) : data_(data), order_(order) {}
  std::size_t size() const { return data_.size(); }
  std::optional<std::uint32_t> u16(std::size_t at) const { return number(at, 2); }
  std::optional<std::uint32_t> u32(std::size_t at) const { return number(at, 4); }
  // Empty when any of it lies outside.
  ByteView part(std::size_t at, std::size_t length) const {
    if (at > data_.size() || length > data_.size() - at) return {};
    return data_.subspan(at, length);
  }
  std::string_view text(std::size_t at, std::size_t length) const {
    return text_of(part(at, length));
  }

 private:
  std::optional<std::uint32_t> number(std::size_t at, std::size_t length) const {
    const ByteView bytes = part(at, length);
    if (bytes.empty()) return {};
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < length; ++i) {
      const std::size_t from = order_ == ByteOrder::Big ? i : length - 1 - i;
      value = value << 8 | std::to_integer<std::uint32_t>(bytes[from]);
    }
    return value;
  }

  ByteView data_;
  ByteOrder order_;
};

}  // namespace coffer::scan
