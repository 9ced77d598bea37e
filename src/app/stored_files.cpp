#include "app/stored_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "base/file_path.h"
#include "base/text.h"
#include "net/http.h"
#include "os/files.h"

namespace coffer::app {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kHexLength = 64;

bool is_hex_name(std::string_view name) {
  return name.size() == kHexLength &&
         name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool is_kept(const std::string& path) {
  const auto parts = split(path, '/');
  const std::string& name = parts.back();
  if (parts.front() == "vault") return is_hex_name(name) && parts[parts.size() - 2] != "tmp";
  if (parts.size() < 3 || !is_hex_name(parts[1])) return false;
  if (parts.front() == "programs") return true;
  if (parts.front() == "runs") return name.ends_with(".sealed");
  return parts.size() == 3 && (name == "env.json" || name == "env.tar.zst");
}

// The tree of an environment and what is being written are not looked into.
bool is_passed_by(const std::string& path) {
  return path.ends_with("/tmp") || (path.starts_with("env/") && path.ends_with("/root"));
}

// What comes and goes meanwhile is either seen or not.
void list_below(const fs::path& data, const std::string& folder, std::vector<std::string>& out) {
  std::error_code error;
  for (fs::directory_iterator it{data / folder, error}; !error && it != fs::directory_iterator{};
       it.increment(error)) {
    const std::string path = folder + '/' + it->path().filename().string();
    std::error_code gone;
    const auto kind = it->symlink_status(gone).type();
    if (kind == fs::file_type::directory && !is_passed_by(path)) list_below(data, path, out);
    if (kind == fs::file_type::regular && is_kept(path)) out.push_back(path);
  }
}

Result<> make_way(int root, const std::string& path) {
  for (auto slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    const std::string folder = path.substr(0, slash);
    if (::mkdirat(root, folder.c_str(), 0755) != 0 && errno != EEXIST) {
      return system_error("make " + folder, errno);
    }
  }
  return {};
}

FileVersion version_of(const struct stat& status) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  return {.inode = status.st_ino,
          .changed_ns = status.st_mtim.tv_sec * kSecond + status.st_mtim.tv_nsec};
}

Error bad_line(std::size_t number) {
  return Error{Code::Corrupt, fmt::format("line {} of the backup's list is none", number)};
}

template <class T>
bool read_number(std::string_view text, T& out, int base) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out, base);
  return error == std::errc{} && end == text.data() + text.size();
}

}  // namespace

std::vector<std::string> stored_paths(const fs::path& data) {
  std::vector<std::string> out;
  for (const char* folder : {"env", "programs", "runs", "vault"}) list_below(data, folder, out);
  std::sort(out.begin(), out.end());
  return out;
}

Result<StoredFile> copy_stored(const CopyOrder& order) {
  // Archives of environments are linked to from the builder's cache.
  COFFER_TRY(const UniqueFd from, open_beneath(order.from, order.path, O_RDONLY | O_NONBLOCK));
  struct stat status {};
  if (::fstat(from.get(), &status) != 0) return system_error("read a file", errno);
  if (!S_ISREG(status.st_mode)) {
    return Error{Code::InvalidArgument, order.path + " is no regular file"};
  }
  COFFER_CHECK(make_way(order.to, order.path));
  COFFER_TRY(const UniqueFd to,
             open_beneath(order.to, order.path, O_WRONLY | O_CREAT | O_EXCL, 0600));
  StoredFile out{.path = order.path,
                 .digest = {},
                 .mode = status.st_mode & 0777U,
                 .version = version_of(status)};
  Sha256 digest;
  const auto keep = [&](ByteView piece) {
    digest.update(piece);
    out.bytes += piece.size();
    order.progress(piece.size());
    return write_all(to.get(), piece);
  };
  COFFER_CHECK(for_each_piece(from.get(), "read " + order.path, keep));
  out.digest = digest.finish();
  if (::fchmod(to.get(), out.mode) != 0) return system_error("set the mode of a file", errno);
  return out;
}

bool is_still_there(int from, const StoredFile& file) {
  struct stat status {};
  return ::fstatat(from, file.path.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
         version_of(status) == file.version;
}

Result<> check_name(const StoredFile& file) {
  const auto slash = file.path.rfind('/');
  const bool by_digest =
      file.path.starts_with("vault/") && (file.path.find("/chunks/") != std::string::npos ||
                                          file.path.find("/lists/") != std::string::npos);
  if (!by_digest || file.path.substr(slash + 1) == hex(file.digest.bytes)) return {};
  return Error{Code::Corrupt, file.path + " has other bytes than its name says"};
}

std::string render_listing(const std::vector<StoredFile>& files) {
  std::string out;
  for (const auto& file : files) {
    out += fmt::format("{} {:o} {} {}\n", hex(file.digest.bytes), file.mode, file.bytes,
                       net::percent_encode(file.path));
  }
  return out;
}

Result<std::vector<StoredFile>> parse_listing(std::string_view text) {
  std::vector<StoredFile> out;
  while (!text.empty()) {
    const auto end = text.find('\n');
    if (end == std::string_view::npos) return bad_line(out.size() + 1);
    const auto words = split(text.substr(0, end), ' ');
    text.remove_prefix(end + 1);
    StoredFile file;
    const auto digest = words.size() == 4 ? Digest::parse("sha256:" + words[0])
                                          : Result<Digest>{bad_line(out.size() + 1)};
    const auto path = words.size() == 4 ? net::percent_decode(words[3])
                                        : Result<std::string>{bad_line(out.size() + 1)};
    if (!digest || !path || !read_number(words[1], file.mode, 8) || file.mode > 0777 ||
        !read_number(words[2], file.bytes, 10) || !is_kept(*path) ||
        (!out.empty() && out.back().path >= *path)) {
      return bad_line(out.size() + 1);
    }
    const auto parts = split(*path, '/');
    if (std::any_of(parts.begin(), parts.end(), [](const std::string& part) {
          return part.empty() || part == "." || part == "..";
        })) {
      return bad_line(out.size() + 1);
    }
    file.digest = *digest;
    file.path = *path;
    out.push_back(std::move(file));
  }
  return out;
}

}  // namespace coffer::app
