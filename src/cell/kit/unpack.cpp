#include "cell/kit/unpack.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>

#include "base/file_path.h"
#include "base/io.h"
#include "base/text.h"
#include "base/unique_fd.h"
#include "cell/kit/modes.h"

namespace coffer::cell::kit {
namespace {

constexpr std::size_t kBlock = 512;
constexpr std::uint64_t kPaxMax = std::uint64_t{1} << 16;

// The fields of a ustar header that are read, at their places.
struct Header {
  std::array<char, kBlock> bytes{};
  std::string_view field(std::size_t at, std::size_t length) const {
    const std::string_view whole{bytes.data() + at, length};
    return whole.substr(0, std::min(whole.find('\0'), whole.size()));
  }
  bool is_zero() const {
    return std::all_of(bytes.begin(), bytes.end(), [](char c) { return c == '\0'; });
  }
  char type() const { return bytes[156]; }
};

// Octal digits with spaces around them; nothing for any other form.
std::optional<std::uint64_t> octal(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  std::uint64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value, 8);
  if (parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

class Unpacker {
 public:
  Unpacker(int stream, int directory, UnpackLimits limits)
      : stream_(stream), directory_(directory), limits_(limits) {}

  Result<Unpacked> all() {
    while (true) {
      Header header;
      COFFER_CHECK(read_exactly(header.bytes.data(), kBlock));
      if (header.is_zero()) return done_;
      if (++entry_ > limits_.entries_max) return refuse("there are more entries than allowed");
      COFFER_CHECK(check_sum(header));
      COFFER_CHECK(take(header));
    }
  }

 private:
  Error refuse(std::string_view why) const {
    return {Code::InvalidArgument, fmt::format("archive entry {}: {}", entry_, why)};
  }

  Result<> read_exactly(char* to, std::size_t length) {
    const auto room = std::as_writable_bytes(std::span{to, length});
    if (read_fully(stream_, room) != length) return refuse("the archive ends too early");
    return {};
  }

  Result<> check_sum(const Header& header) const {
    constexpr std::size_t kSumAt = 148;
    constexpr std::size_t kSumSize = 8;
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < kBlock; ++i) {
      const bool own = i >= kSumAt && i < kSumAt + kSumSize;
      sum += own ? static_cast<unsigned char>(' ') : static_cast<unsigned char>(header.bytes[i]);
    }
    if (octal(header.field(kSumAt, kSumSize)) != sum) return refuse("its checksum is wrong");
    return {};
  }

  Result<> take(const Header& header) {
    const auto size = pax_size_ ? pax_size_ : octal(header.field(124, 12));
    if (!size) return refuse("its size is no octal number");
    switch (header.type()) {
      case 'x':
      case 'g':
        return take_pax(*size, header.type() == 'x');
      case '5':
        if (*size != 0) return refuse("a directory has content");
        return with_path(header, [&](const std::string& path) { return make_directory(path); });
      case '0':
      case '\0': {
        const bool executable = (octal(header.field(100, 8)).value_or(0) & 0100) != 0;
        return with_path(header, [&](const std::string& path) {
          return make_file(path, *size, executable ? FileMode::Executable : FileMode::Plain);
        });
      }
      default:
        return refuse("is neither a regular file nor a directory");
    }
  }

  // "length key=value\n" lines; only path and size mean anything here.
  Result<> take_pax(std::uint64_t size, bool for_next) {
    if (size > kPaxMax) return refuse("its extended header is too long");
    std::string text(static_cast<std::size_t>((size + kBlock - 1) / kBlock * kBlock), '\0');
    COFFER_CHECK(read_exactly(text.data(), text.size()));
    text.resize(static_cast<std::size_t>(size));
    std::string_view rest{text};
    while (!rest.empty()) {
      std::size_t length = 0;
      const auto parsed = std::from_chars(rest.data(), rest.data() + rest.size(), length);
      const auto used = static_cast<std::size_t>(parsed.ptr - rest.data());
      if (parsed.ec != std::errc{} || length <= used + 1 || length > rest.size() ||
          rest[used] != ' ' || rest[length - 1] != '\n') {
        return refuse("its extended header is malformed");
      }
      const std::string_view pair = rest.substr(used + 1, length - used - 2);
      rest.remove_prefix(length);
      const auto equals = pair.find('=');
      if (equals == std::string_view::npos) return refuse("its extended header is malformed");
      if (pair.starts_with("GNU.sparse")) return refuse("is a sparse file");
      if (!for_next) continue;  // a global header may not name or size anything
      if (pair.starts_with("path=")) pax_path_ = std::string(pair.substr(equals + 1));
      if (pair.starts_with("size=")) COFFER_CHECK(take_pax_size(pair.substr(equals + 1)));
    }
    return {};
  }

  Result<> take_pax_size(std::string_view text) {
    std::uint64_t value = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
    if (parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size()) {
      return refuse("its size is no number");
    }
    pax_size_ = value;
    return {};
  }

  template <class Make>
  Result<> with_path(const Header& header, Make make) {
    std::string path{header.field(0, 100)};
    const auto prefix = header.field(345, 155);
    if (header.field(257, 5) == "ustar" && !prefix.empty()) {
      path = std::string(prefix) + "/" + path;
    }
    if (pax_path_) path = *std::exchange(pax_path_, std::nullopt);
    pax_size_.reset();
    while (path.starts_with("./")) path.erase(0, 2);
    while (path.ends_with('/')) path.pop_back();
    if (path.empty() || path == ".") {
      return header.type() == '5' ? Result<>{} : Result<>{refuse("has no path")};
    }
    if (!check_path(path)) return refuse("its path is not plain and relative");
    if (const auto slash = path.rfind('/'); slash != std::string::npos) {
      COFFER_CHECK(make_parents(path.substr(0, slash)));
    }
    return make(path);
  }

  // No link was ever made below the directory, so a plain path cannot lead out of it.
  Result<> make_directory(const std::string& path) const {
    if (::mkdirat(directory_, path.c_str(), 0755) == 0) return {};
    const int error_number = errno;
    struct stat status {};
    if (error_number == EEXIST &&
        ::fstatat(directory_, path.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISDIR(status.st_mode)) {
      return {};
    }
    return refuse(error_number == ENOSPC ? "there is no room for it" : "is in the way of another");
  }

  Result<> make_parents(const std::string& path) const {
    for (std::size_t at = path.find('/'); at != std::string::npos; at = path.find('/', at + 1)) {
      COFFER_CHECK(make_directory(path.substr(0, at)));
    }
    return make_directory(path);
  }

  Result<> make_file(const std::string& path, std::uint64_t size, FileMode mode) {
    if (size > limits_.bytes_max - done_.bytes) return refuse("there are more bytes than allowed");
    const UniqueFd file{::openat(directory_, path.c_str(),
                                 O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                                 mode == FileMode::Executable ? 0755 : 0644)};
    if (!file) return refuse(errno == ENOSPC ? "there is no room for it" : "is given twice");
    std::array<char, kBlock * 64> block{};
    for (std::uint64_t left = (size + kBlock - 1) / kBlock * kBlock, kept = size; left > 0;) {
      const auto step = static_cast<std::size_t>(std::min<std::uint64_t>(left, block.size()));
      COFFER_CHECK(read_exactly(block.data(), step));
      const auto used = static_cast<std::size_t>(std::min<std::uint64_t>(kept, step));
      if (!write_fully(file.get(), std::as_bytes(std::span{block}.first(used)))) {
        return refuse("there is no room for it");
      }
      left -= step;
      kept -= used;
    }
    done_.bytes += size;
    ++done_.files;
    return {};
  }

  int stream_;
  int directory_;
  UnpackLimits limits_;
  Unpacked done_;
  std::uint32_t entry_{0};
  std::optional<std::string> pax_path_;
  std::optional<std::uint64_t> pax_size_;
};

}  // namespace

Result<Unpacked> unpack(int stream, int directory, UnpackLimits limits) {
  return Unpacker{stream, directory, limits}.all();
}

int unpack_main(int argc, char** argv) {
  constexpr int kMostArguments = 4;
  if (argc > kMostArguments) return 2;
  UnpackLimits limits;
  const UniqueFd directory{::open(argc > 1 ? argv[1] : "/out", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  const auto number = [&](int at, std::uint64_t otherwise) {
    return argc > at ? std::strtoull(argv[at], nullptr, 10) : otherwise;
  };
  limits.bytes_max = number(2, limits.bytes_max);
  limits.entries_max = static_cast<std::uint32_t>(number(3, limits.entries_max));
  if (!directory) return 2;
  ::umask(022);
  const auto done = unpack(0, directory.get(), limits);
  const std::string answer =
      done ? fmt::format("{{\"bytes\":{},\"files\":{}}}\n", done->bytes, done->files)
           : done.error().message + "\n";
  [[maybe_unused]] const auto told = ::write(done ? 1 : 2, answer.data(), answer.size());
  return done ? 0 : 1;
}

}  // namespace coffer::cell::kit
