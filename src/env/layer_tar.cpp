#include "env/layer_tar.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace coffer::env {
namespace {

constexpr std::uint64_t kSizeMax = std::uint64_t{1} << 45;
constexpr std::size_t kExtraMax = 1 << 20;

Error malformed(std::string_view what) {
  return {Code::InvalidArgument, "layer: " + std::string(what)};
}

std::string_view text_field(std::string_view block, std::size_t at, std::size_t length) {
  const auto field = block.substr(at, length);
  return field.substr(0, field.find('\0'));
}

// Octal with blanks around, or GNU's base-256 for what does not fit.
Result<std::uint64_t> number_field(std::string_view block, std::size_t at, std::size_t length) {
  const auto field = block.substr(at, length);
  if ((static_cast<unsigned char>(field[0]) & 0x80) != 0) {
    std::uint64_t value = static_cast<unsigned char>(field[0]) & 0x7F;
    for (const char c : field.substr(1)) {
      if (value > (kSizeMax >> 8)) return malformed("a number too large");
      value = value << 8 | static_cast<unsigned char>(c);
    }
    return value;
  }
  const auto text = trim(field.substr(0, field.find('\0')));
  std::uint64_t value = 0;
  if (text.empty()) return value;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 8);
  if (error != std::errc{} || end != text.data() + text.size() || value > kSizeMax) {
    return malformed("a number is malformed");
  }
  return value;
}

bool checksum_holds(std::string_view block) {
  std::uint64_t sum = 8ULL * ' ';
  for (std::size_t i = 0; i < block.size(); ++i) {
    if (i < 148 || i >= 156) sum += static_cast<unsigned char>(block[i]);
  }
  const auto stated = number_field(block, 148, 8);
  return stated && *stated == sum;
}

}  // namespace

Result<> LayerTar::fill(std::span<std::byte> into) {
  COFFER_TRY(const std::size_t got, pull_(into));
  at_ += got;
  if (got != into.size()) return malformed("ends early");
  return {};
}

Result<std::size_t> LayerTar::read(std::span<std::byte> into) {
  const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(left_, into.size()));
  if (wanted == 0) return std::size_t{0};
  COFFER_CHECK(fill(into.first(wanted)));
  left_ -= wanted;
  return wanted;
}

Result<> LayerTar::skip() {
  std::array<std::byte, 64 << 10> waste;
  while (left_ > 0) {
    COFFER_TRY(const std::size_t got, read(waste));
    (void)got;
  }
  return fill(std::span{waste}.first(std::exchange(padding_, 0)));
}

Result<std::string> LayerTar::text_content() {
  if (left_ > kExtraMax) return malformed("an extended header too long");
  std::string text(static_cast<std::size_t>(left_), '\0');
  COFFER_TRY(const std::size_t got, read(std::as_writable_bytes(std::span{text})));
  (void)got;
  return text;
}

Result<> LayerTar::read_pax(Extra& extra) {
  COFFER_TRY(const std::string content, text_content());
  std::string_view text{content};
  while (!text.empty()) {
    std::size_t length = 0;
    const auto space = text.find(' ');
    if (space == text.npos) return malformed("a pax record is malformed");
    const auto [end, error] = std::from_chars(text.data(), text.data() + space, length);
    if (error != std::errc{} || end != text.data() + space || length < space + 3 ||
        length > text.size() || text[length - 1] != '\n') {
      return malformed("a pax record is malformed");
    }
    const auto record = text.substr(space + 1, length - space - 2);
    const auto equals = std::min(record.find('='), record.size());
    const auto key = record.substr(0, equals);
    const auto value = record.substr(std::min(equals + 1, record.size()));
    if (key.starts_with("GNU.sparse.")) return malformed("a sparse file");
    if (key == "path") extra.path = value;
    if (key == "linkpath") extra.target = value;
    if (key == "size") {
      std::uint64_t size = 0;
      const auto [stop, bad] = std::from_chars(value.data(), value.data() + value.size(), size);
      if (bad != std::errc{} || stop != value.data() + value.size() || size > kSizeMax) {
        return malformed("a size is malformed");
      }
      extra.size = size;
    }
    text.remove_prefix(length);
  }
  return {};
}

Result<LayerEntry> LayerTar::entry_of(std::string_view block, const Extra& extra) {
  LayerEntry entry;
  const char type = block[156];
  if (type == '0' || type == '\0' || type == '7') entry.kind = EntryKind::File;
  if (type == '1') entry.kind = EntryKind::HardLink;
  if (type == '2') entry.kind = EntryKind::Link;
  if (type == '5') entry.kind = EntryKind::Directory;
  if (!entry.kind && type != '3' && type != '4' && type != '6')
    return malformed("an unknown entry");
  std::string name(text_field(block, 0, 100));
  if (block.substr(257, 6) == std::string_view("ustar\0", 6)) {
    const auto prefix = text_field(block, 345, 155);
    if (!prefix.empty()) name = std::string(prefix) + "/" + name;
  }
  entry.path = extra.path.value_or(name);
  entry.target = extra.target.value_or(std::string(text_field(block, 157, 100)));
  if (entry.path.size() > kPathMax || entry.target.size() > kPathMax ||
      entry.path.find('\0') != entry.path.npos || entry.target.find('\0') != entry.target.npos) {
    return malformed("a name too long or with a zero byte");
  }
  // An old way to say directory.
  if (entry.kind == EntryKind::File && entry.path.ends_with('/')) entry.kind = EntryKind::Directory;
  COFFER_TRY(const auto mode, number_field(block, 100, 8));
  entry.mode = static_cast<std::uint32_t>(mode & 0777);
  COFFER_TRY(const auto size, number_field(block, 124, 12));
  if (entry.kind == EntryKind::File) entry.size = extra.size.value_or(size);
  entry.content_at = at_;
  return entry;
}

Result<std::optional<LayerEntry>> LayerTar::next() {
  if (ended_) return std::optional<LayerEntry>{};
  Extra extra;
  for (;;) {
    COFFER_CHECK(skip());
    std::string block(kBlock, '\0');
    COFFER_CHECK(fill(std::as_writable_bytes(std::span{block})));
    if (block == std::string(kBlock, '\0')) {
      ended_ = true;
      return std::optional<LayerEntry>{};
    }
    if (!checksum_holds(block)) return malformed("no tar, or a damaged one");
    const char type = block[156];
    const bool extends = type == 'L' || type == 'K' || type == 'x' || type == 'g';
    if (extends) {
      COFFER_TRY(left_, number_field(block, 124, 12));
      padding_ = padding_after(left_);
    }
    if (type == 'L' || type == 'K') {
      COFFER_TRY(std::string text, text_content());
      text.resize(std::min(text.find('\0'), text.size()));
      (type == 'L' ? extra.path : extra.target) = std::move(text);
    } else if (type == 'x') {
      COFFER_CHECK(read_pax(extra));
    } else if (type != 'g') {
      COFFER_TRY(LayerEntry entry, entry_of(block, extra));
      left_ = entry.size;
      padding_ = padding_after(left_);
      return std::optional<LayerEntry>{std::move(entry)};
    }
  }
}

}  // namespace coffer::env
