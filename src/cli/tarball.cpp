#include "cli/tarball.h"

#include <array>
#include <cstdio>
#include <cstring>

#include "base/text.h"
#include "os/files.h"

namespace coffer::cli {
namespace {

constexpr std::size_t kBlock = 512;
constexpr std::size_t kNameMax = 100;
constexpr std::uint64_t kUstarSizeMax = 077777777777;

using Block = std::array<char, kBlock>;

void octal(Block& block, std::size_t at, std::size_t length, std::uint64_t value) {
  (void)std::snprintf(block.data() + at, length, "%0*llo", static_cast<int>(length - 1),
                      static_cast<unsigned long long>(value));
}

void put(Block& block, std::size_t at, std::string_view text) {
  std::memcpy(block.data() + at, text.data(), text.size());
}

// One pax record: its own decimal length, a space, key=value, a line end.
std::string pax_record(std::string_view key, std::string_view value) {
  const std::string body = " " + std::string(key) + "=" + std::string(value) + "\n";
  std::size_t length = body.size() + 1;
  while (std::to_string(length).size() + body.size() != length) {
    length = std::to_string(length).size() + body.size();
  }
  return std::to_string(length) + body;
}

}  // namespace

Result<> TarWriter::header(std::string_view name, std::uint64_t size, FileMode mode, char type) {
  Block block{};
  put(block, 0, name.substr(0, kNameMax));
  octal(block, 100, 8, mode == FileMode::Executable ? 0755 : 0644);
  octal(block, 108, 8, 0);
  octal(block, 116, 8, 0);
  octal(block, 124, 12, size);
  octal(block, 136, 12, 0);
  put(block, 148, "        ");
  block[156] = type;
  put(block, 257,
      std::string_view("ustar\0"
                       "00",
                       8));
  std::uint64_t sum = 0;
  for (const char byte : block) sum += static_cast<unsigned char>(byte);
  octal(block, 148, 7, sum);
  return write_all(fd_, std::as_bytes(std::span{block}));
}

Result<> TarWriter::begin(std::string_view path, std::uint64_t size, FileMode mode) {
  if (path.find('\0') != std::string_view::npos) {
    return Error{Code::InvalidArgument, "a path with a NUL byte cannot be sent"};
  }
  std::string records;
  if (path.size() > kNameMax) records += pax_record("path", path);
  if (size > kUstarSizeMax) records += pax_record("size", std::to_string(size));
  if (!records.empty()) {
    COFFER_CHECK(header("pax", records.size(), FileMode::Plain, 'x'));
    size_ = records.size();
    COFFER_CHECK(write(records));
    COFFER_CHECK(end());
  }
  size_ = size;
  return header(path, size > kUstarSizeMax ? 0 : size, mode, '0');
}

Result<> TarWriter::write(std::string_view piece) { return write_all(fd_, bytes_of(piece)); }

Result<> TarWriter::end() {
  const std::size_t over = static_cast<std::size_t>(size_ % kBlock);
  if (over == 0) return {};
  return write_all(fd_, bytes_of(std::string(kBlock - over, '\0')));
}

Result<> TarWriter::add(std::string_view path, std::string_view content, FileMode mode) {
  COFFER_CHECK(begin(path, content.size(), mode));
  COFFER_CHECK(write(content));
  return end();
}

Result<> TarWriter::finish() { return write_all(fd_, bytes_of(std::string(2 * kBlock, '\0'))); }

}  // namespace coffer::cli
