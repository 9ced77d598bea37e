#include "twin/detail/png.h"

#include <cstdint>

#include "base/wire.h"
#include "twin/detail/column_maker.h"

namespace coffer::twin {
namespace {

constexpr std::uint32_t kSide = 8;

std::uint32_t crc32(ByteView bytes) {
  std::uint32_t crc = 0xffffffff;
  for (const std::byte byte : bytes) {
    crc ^= std::to_integer<std::uint32_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0xedb88320U : 0U);
  }
  return ~crc;
}

std::uint32_t adler32(ByteView bytes) {
  std::uint32_t a = 1;
  std::uint32_t b = 0;
  for (const std::byte byte : bytes) {
    a = (a + std::to_integer<std::uint32_t>(byte)) % 65521;
    b = (b + a) % 65521;
  }
  return b << 16 | a;
}

void chunk(WireWriter& out, std::string_view type, ByteView data) {
  WireWriter body;
  body.raw(bytes_of(type)).raw(data);
  out.u32(static_cast<std::uint32_t>(data.size())).raw(body.data()).u32(crc32(body.data()));
}

}  // namespace

ByteVector small_png(std::uint64_t seed) {
  Prng prng{seed};
  WireWriter pixels;
  for (std::uint32_t y = 0; y < kSide; ++y) {
    pixels.u8(0);  // no filter
    for (std::uint32_t x = 0; x < kSide; ++x) pixels.u8(static_cast<std::uint8_t>(prng.below(256)));
  }
  const auto length = static_cast<std::uint8_t>(pixels.data().size());
  WireWriter stream;
  // zlib header; one stored block, the last: its length and that inverted, low byte first.
  stream.u8(0x78).u8(0x01).u8(1).u8(length).u8(0).u8(static_cast<std::uint8_t>(~length)).u8(0xff);
  stream.raw(pixels.data()).u32(adler32(pixels.data()));
  WireWriter header;
  header.u32(kSide).u32(kSide).u8(8).u8(0).u8(0).u8(0).u8(0);
  WireWriter out;
  out.raw(bytes_of("\x89PNG\r\n\x1a\n"));
  chunk(out, "IHDR", header.data());
  chunk(out, "IDAT", stream.data());
  chunk(out, "IEND", {});
  return std::move(out).take();
}

}  // namespace coffer::twin
