#include "env/tar.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <vector>

namespace coffer::env {
namespace {

// Where the fields of a ustar block begin, and how long they are.
struct Field {
  std::size_t at, length;
};
constexpr Field kName{0, 100}, kMode{100, 8}, kUid{108, 8}, kGid{116, 8}, kSize{124, 12},
    kTime{136, 12}, kSum{148, 8}, kType{156, 1}, kTarget{157, 100}, kMagic{257, 8};
constexpr std::uint64_t kOctalSizeMax = 077777777777;
constexpr std::size_t kPaxMax = 2 * kPathMax + 256;

void put(std::string& block, Field field, std::string_view text) {
  std::copy_n(text.begin(), std::min(text.size(), field.length),
              block.begin() + static_cast<std::ptrdiff_t>(field.at));
}

std::string octal(std::uint64_t value, std::size_t digits) {
  std::string text(digits, '0');
  for (std::size_t i = digits; i-- > 0; value >>= 3) text[i] = static_cast<char>('0' + (value & 7));
  return text;
}

char type_of(EntryKind kind) {
  switch (kind) {
    case EntryKind::File:
      return '0';
    case EntryKind::HardLink:
      return '1';
    case EntryKind::Link:
      return '2';
    case EntryKind::Directory:
      return '5';
  }
  std::abort();
}

struct Plain {
  std::string_view name, target;
  std::uint32_t mode;
  std::uint64_t size;
  char type;
};

std::string ustar(const Plain& plain) {
  std::string block(kBlock, '\0');
  put(block, kName, plain.name);
  put(block, kMode, octal(plain.mode, 7));
  put(block, kUid, octal(0, 7));
  put(block, kGid, octal(0, 7));
  put(block, kSize, octal(plain.size > kOctalSizeMax ? 0 : plain.size, 11));
  put(block, kTime, octal(0, 11));
  put(block, kSum, "        ");
  put(block, kType, std::string_view(&plain.type, 1));
  put(block, kTarget, plain.target);
  put(block, kMagic, std::string_view("ustar\00000", 8));
  std::uint64_t sum = 0;
  for (const char c : block) sum += static_cast<unsigned char>(c);
  put(block, kSum, octal(sum, 6) + std::string("\0 ", 2));
  return block;
}

// "LENGTH key=value\n", where LENGTH counts its own digits.
std::string pax_record(std::string_view key, std::string_view value) {
  const std::size_t rest = key.size() + value.size() + 3;
  std::size_t length = rest + 1;
  while (length != rest + std::to_string(length).size()) {
    length = rest + std::to_string(length).size();
  }
  return std::to_string(length) + " " + std::string(key) + "=" + std::string(value) + "\n";
}

std::string_view field_of(std::string_view block, Field field) {
  const auto text = block.substr(field.at, field.length);
  return text.substr(0, text.find('\0'));
}

Result<std::uint64_t> number_of(std::string_view text, int base) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) {
    return Error{Code::Corrupt, "tar: a number is malformed"};
  }
  return value;
}

struct Pax {
  std::optional<std::string> path, target;
  std::optional<std::uint64_t> size;
};

Result<Pax> parse_pax(std::string_view text) {
  Pax pax;
  while (!text.empty()) {
    const auto space = text.find(' ');
    if (space == text.npos) return Error{Code::Corrupt, "tar: a pax record is malformed"};
    COFFER_TRY(const auto length, number_of(text.substr(0, space), 10));
    if (length <= space + 1 || length > text.size() || text[length - 1] != '\n') {
      return Error{Code::Corrupt, "tar: a pax record is malformed"};
    }
    const auto record = text.substr(space + 1, length - space - 2);
    const auto equals = record.find('=');
    const auto key = record.substr(0, equals);
    const auto value = equals == record.npos ? std::string_view{} : record.substr(equals + 1);
    if (key == "path") {
      pax.path = value;
    } else if (key == "linkpath") {
      pax.target = value;
    } else if (key == "size") {
      COFFER_TRY(pax.size, number_of(value, 10));
    } else {
      return Error{Code::Corrupt, "tar: a pax record that is not canonical"};
    }
    text.remove_prefix(length);
  }
  return pax;
}

std::optional<EntryKind> kind_of(char type) {
  switch (type) {
    case '0':
      return EntryKind::File;
    case '1':
      return EntryKind::HardLink;
    case '2':
      return EntryKind::Link;
    case '5':
      return EntryKind::Directory;
    default:
      return std::nullopt;
  }
}

Result<Entry> entry_of(std::string_view block, const Pax& pax) {
  const auto kind = kind_of(block[kType.at]);
  if (!kind) return Error{Code::Corrupt, "tar: an entry of a kind that may not be"};
  Entry entry{.kind = *kind, .path = pax.path.value_or(std::string(field_of(block, kName)))};
  if (entry.kind == EntryKind::Directory && entry.path.ends_with('/')) entry.path.pop_back();
  if (!is_entry_path(entry.path)) return Error{Code::Corrupt, "tar: a path that may not be"};
  COFFER_TRY(const auto mode, number_of(field_of(block, kMode), 8));
  entry.mode = static_cast<std::uint32_t>(mode);
  COFFER_TRY(const auto size, number_of(field_of(block, kSize), 8));
  if (entry.kind == EntryKind::File) entry.size = pax.size.value_or(size);
  if (entry.kind == EntryKind::Link || entry.kind == EntryKind::HardLink) {
    entry.target = pax.target.value_or(std::string(field_of(block, kTarget)));
  }
  return entry;
}

}  // namespace

bool is_entry_path(std::string_view path) {
  if (path.empty() || path.size() > kPathMax || path.find('\0') != path.npos) return false;
  for (const auto& component : split(path, '/')) {
    if (component.empty() || component == "." || component == ".." || component.size() > 255) {
      return false;
    }
  }
  return true;
}

std::string header(const Entry& entry) {
  const std::string name = entry.kind == EntryKind::Directory ? entry.path + "/" : entry.path;
  std::string pax;
  if (name.size() > kName.length) pax += pax_record("path", name);
  if (entry.target.size() > kTarget.length) pax += pax_record("linkpath", entry.target);
  if (entry.size > kOctalSizeMax) pax += pax_record("size", std::to_string(entry.size));
  std::string result;
  if (!pax.empty()) {
    result = ustar({"././@PaxHeader", "", 0644, pax.size(), 'x'});
    pax.append(padding_after(pax.size()), '\0');
    result += pax;
  }
  return result + ustar({name, entry.target, entry.mode & 0777, entry.size, type_of(entry.kind)});
}

Result<> TarReader::block(std::span<std::byte> into) {
  COFFER_TRY(const std::size_t got, pull_(into));
  if (got != into.size()) return Error{Code::Corrupt, "tar: ends early"};
  return {};
}

Result<> TarReader::skip_content() {
  std::array<std::byte, 64 << 10> waste;
  while (left_ > 0) {
    COFFER_TRY(const std::size_t got, read(waste));
    (void)got;
  }
  if (padding_ == 0) return {};
  const auto zeros = std::span{waste}.first(std::exchange(padding_, 0));
  COFFER_CHECK(block(zeros));
  if (std::any_of(zeros.begin(), zeros.end(), [](std::byte b) { return b != std::byte{0}; })) {
    return Error{Code::Corrupt, "tar: padding that is not zero"};
  }
  return {};
}

Result<std::optional<Entry>> TarReader::finish() {
  ended_ = true;
  std::array<std::byte, kBlock> last;
  COFFER_CHECK(block(last));
  if (text_of(last) != std::string(kBlock, '\0')) return Error{Code::Corrupt, "tar: no proper end"};
  std::array<std::byte, 1> more;
  COFFER_TRY(const std::size_t got, pull_(more));
  if (got != 0) return Error{Code::Corrupt, "tar: bytes after its end"};
  return std::optional<Entry>{};
}

Result<std::optional<Entry>> TarReader::next() {
  if (ended_) return std::optional<Entry>{};
  COFFER_CHECK(skip_content());
  std::string raw(kBlock, '\0');
  COFFER_CHECK(block(std::as_writable_bytes(std::span{raw})));
  if (raw == std::string(kBlock, '\0')) return finish();
  Pax pax;
  std::size_t at = 0;
  if (raw[kType.at] == 'x') {
    COFFER_TRY(const auto size, number_of(field_of(raw, kSize), 8));
    if (size > kPaxMax) return Error{Code::Corrupt, "tar: a pax header that is too long"};
    at = kBlock + static_cast<std::size_t>(size) + padding_after(size);
    raw.resize(at + kBlock);
    COFFER_CHECK(block(std::as_writable_bytes(std::span{raw}.subspan(kBlock))));
    COFFER_TRY(pax,
               parse_pax(std::string_view{raw}.substr(kBlock, static_cast<std::size_t>(size))));
  }
  COFFER_TRY(Entry entry, entry_of(std::string_view{raw}.substr(at), pax));
  if (header(entry) != raw) return Error{Code::Corrupt, "tar: a header that is not canonical"};
  left_ = entry.size;
  padding_ = padding_after(entry.size);
  return std::optional<Entry>{std::move(entry)};
}

Result<std::size_t> TarReader::read(std::span<std::byte> into) {
  const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(left_, into.size()));
  if (wanted == 0) return std::size_t{0};
  COFFER_CHECK(block(into.first(wanted)));
  left_ -= wanted;
  return wanted;
}

}  // namespace coffer::env
