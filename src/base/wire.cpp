#include "base/wire.h"

namespace coffer {
namespace {

template <class T>
void put(ByteVector& out, T value) {
  for (std::size_t i = sizeof(T); i-- > 0;) {
    out.push_back(static_cast<std::byte>(value >> (8 * i) & 255));
  }
}

template <class T>
T get(ByteView bytes) {
  T value = 0;
  for (const std::byte b : bytes) value = static_cast<T>(value << 8 | std::to_integer<T>(b));
  return value;
}

}  // namespace

WireWriter& WireWriter::u8(std::uint8_t value) {
  data_.push_back(static_cast<std::byte>(value));
  return *this;
}

WireWriter& WireWriter::u32(std::uint32_t value) {
  put(data_, value);
  return *this;
}

WireWriter& WireWriter::u64(std::uint64_t value) {
  put(data_, value);
  return *this;
}

WireWriter& WireWriter::raw(ByteView bytes) {
  data_.insert(data_.end(), bytes.begin(), bytes.end());
  return *this;
}

WireWriter& WireWriter::bytes(ByteView bytes) {
  return u32(static_cast<std::uint32_t>(bytes.size())).raw(bytes);
}

ByteView WireReader::raw(std::size_t length) {
  if (failed_ || length > left()) {
    failed_ = true;
    return {};
  }
  at_ += length;
  return data_.subspan(at_ - length, length);
}

std::uint8_t WireReader::u8() {
  const ByteView one = raw(1);
  return one.empty() ? std::uint8_t{0} : std::to_integer<std::uint8_t>(one[0]);
}

std::uint32_t WireReader::u32() { return get<std::uint32_t>(raw(4)); }
std::uint64_t WireReader::u64() { return get<std::uint64_t>(raw(8)); }

bool WireReader::boolean() {
  const auto value = u8();
  if (value > 1) fail();
  return value == 1;
}

ByteView WireReader::bytes() { return raw(u32()); }

std::uint32_t WireReader::count(std::uint32_t count_max) {
  const auto value = u32();
  if (value <= count_max) return value;
  fail();
  return 0;
}

Result<> WireReader::finish() const {
  if (failed_) return Error{Code::Corrupt, "a record is cut short or holds a bad value"};
  if (left() > 0) return Error{Code::Corrupt, "a record has bytes left over"};
  return {};
}

}  // namespace coffer
