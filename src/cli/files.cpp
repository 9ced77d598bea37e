#include "cli/files.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <system_error>

#include "os/files.h"

namespace coffer::cli {
namespace {

namespace fs = std::filesystem;

Error named_error(std::string_view what, const fs::path& path) {
  const int number = errno;
  Error error = system_error(std::string(what) + " " + path.string(), number);
  error.message += ": " + std::generic_category().message(number);
  return error;
}

}  // namespace

Result<UniqueFd> open_to_read(const fs::path& path) {
  UniqueFd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!fd) return named_error("cannot open", path);
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return named_error("cannot look at", path);
  if (!S_ISREG(status.st_mode)) {
    return Error{Code::InvalidArgument, path.string() + " is no regular file"};
  }
  return fd;
}

Result<std::string> read_whole(const fs::path& path, std::uint64_t bytes_max) {
  COFFER_TRY(const UniqueFd fd, open_to_read(path));
  auto bytes = coffer::read_all(fd.get(), bytes_max);
  if (!bytes) return std::move(bytes).error().in(path.string());
  return std::string(text_of(*bytes));
}

Result<std::string> read_private(const fs::path& path) {
  COFFER_TRY(const UniqueFd fd, open_to_read(path));
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return named_error("cannot look at", path);
  if ((status.st_mode & 077) != 0) {
    return Error{Code::Denied,
                 path.string() + " is open to others; try: chmod 600 " + path.string()};
  }
  return read_whole(path);
}

Result<> replace_file(const fs::path& path, std::string_view bytes, Access access) {
  const fs::path directory = path.has_parent_path() ? path.parent_path() : fs::path(".");
  COFFER_CHECK(make_directory(directory, access));
  auto written = coffer::write_text(path, bytes, access == Access::Private ? 0600 : 0644);
  if (!written) return std::move(written).error().in(path.string());
  return {};
}

Result<> make_directory(const fs::path& path, Access access) {
  if (path.empty()) return {};
  auto made = coffer::make_directories(path, access == Access::Private ? 0700 : 0755);
  if (!made) return std::move(made).error().in(path.string());
  return {};
}

Result<UniqueFd> scratch_file(const fs::path& directory) {
  COFFER_CHECK(make_directory(directory, Access::Private));
  std::string name = (directory / ".scratch.XXXXXX").string();
  UniqueFd fd{::mkostemp(name.data(), O_CLOEXEC)};
  if (!fd) return named_error("cannot write in", directory);
  (void)::unlink(name.c_str());
  return fd;
}

Result<std::uint64_t> size_of(int fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return named_error("cannot look at", "a file");
  return static_cast<std::uint64_t>(status.st_size);
}

Result<> require_new(const fs::path& path) {
  std::error_code ignored;
  if (!fs::exists(fs::symlink_status(path, ignored))) return {};
  return Error{Code::AlreadyExists, path.string() + " is there already; choose another name"};
}

}  // namespace coffer::cli
