#include "os/files.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/io.h"

namespace coffer {
namespace {

constexpr std::string_view kTemporaryPrefix = ".coffer-";
constexpr std::string_view kTemporary = ".coffer-XXXXXX";  // for mkstemp(3)

Code code_of(int error_number) {
  switch (error_number) {
    case ENOENT:
      return Code::NotFound;
    case EEXIST:
      return Code::AlreadyExists;
    case EACCES:
    case EPERM:
    case EROFS:
      return Code::Denied;
    case ELOOP:
    case EXDEV:
    case ENOTDIR:
    case EISDIR:
    case ENAMETOOLONG:
      return Code::InvalidArgument;
    case ETIMEDOUT:
      return Code::Cancelled;
    case EINVAL:
    case EBADF:
    case EFAULT:
      return Code::Internal;
    default:
      return Code::Unavailable;
  }
}

Result<UniqueFd> open_at(int directory, const std::filesystem::path& path, int flags, mode_t mode) {
  const int fd = ::openat(directory, path.c_str(), flags | O_CLOEXEC, mode);
  if (fd < 0) return system_error("open a file", errno);
  return UniqueFd{fd};
}

Result<> sync_fd(int fd) {
  if (::fsync(fd) != 0) return system_error("sync a file", errno);
  return {};
}

std::filesystem::path parent_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path{"."};
}

}  // namespace

Error system_error(std::string_view what, int error_number) {
  const std::string reason = std::strerror(error_number);
  return {code_of(error_number), "cannot " + std::string(what) + ": " + reason, reason};
}

Result<> write_all(int fd, ByteView bytes) {
  if (!write_fully(fd, bytes)) return system_error("write a file", errno);
  return {};
}

Result<> for_each_piece(int fd, std::string_view what,
                        const std::function<Result<>(ByteView piece)>& visit) {
  ByteVector room(std::size_t{1} << 18);
  while (true) {
    const auto got = read_fully(fd, room);
    if (!got) return system_error(what, errno);
    if (*got == 0) return {};
    COFFER_CHECK(visit(ByteView{room}.first(*got)));
  }
}

Result<ByteVector> read_all(int fd, std::uint64_t bytes_max) {
  ByteVector bytes;
  struct stat status {};
  if (::fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) {
    bytes.reserve(std::min(bytes_max, static_cast<std::uint64_t>(status.st_size)) + 1);
  }
  while (true) {
    const std::size_t had = bytes.size();
    const std::size_t step = std::max<std::size_t>(bytes.capacity() - had, std::size_t{1} << 16);
    bytes.resize(had + step);
    const ssize_t got = ::read(fd, bytes.data() + had, step);
    const int error_number = errno;
    bytes.resize(had + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    if (bytes.size() > bytes_max) {
      return Error{Code::InvalidArgument, "a file is longer than " + render_size(bytes_max)};
    }
    if (got == 0) return bytes;
    if (got < 0 && error_number != EINTR) return system_error("read a file", error_number);
  }
}

Result<ByteVector> read_file(const std::filesystem::path& path, std::uint64_t bytes_max) {
  // O_NONBLOCK: a FIFO put in the file's place must not hold us.
  COFFER_TRY(const UniqueFd fd, open_at(AT_FDCWD, path, O_RDONLY | O_NONBLOCK, 0));
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return system_error("read a file", errno);
  if (S_ISDIR(status.st_mode)) return Error{Code::InvalidArgument, "is a directory"};
  return read_all(fd.get(), bytes_max);
}

Result<std::string> read_text(const std::filesystem::path& path, std::uint64_t bytes_max) {
  COFFER_TRY(const ByteVector bytes, read_file(path, bytes_max));
  return std::string(text_of(bytes));
}

Result<> write_file(const std::filesystem::path& path, ByteView bytes, mode_t mode) {
  std::string temporary = parent_of(path) / kTemporary;
  UniqueFd fd{::mkostemp(temporary.data(), O_CLOEXEC)};
  if (!fd) return system_error("make a file", errno);
  const auto finish = [&]() -> Result<> {
    COFFER_CHECK(write_all(fd.get(), bytes));
    if (::fchmod(fd.get(), mode) != 0) return system_error("set a file's mode", errno);
    COFFER_CHECK(sync_fd(fd.get()));
    if (::rename(temporary.c_str(), path.c_str()) != 0) return system_error("name a file", errno);
    return {};
  };
  if (auto done = finish(); !done) {
    (void)::unlink(temporary.c_str());
    return done;
  }
  return sync_directory(parent_of(path));
}

Result<> sync_directory(const std::filesystem::path& directory) {
  COFFER_TRY(const UniqueFd fd, open_directory(directory));
  return sync_fd(fd.get());
}

Result<> make_directories(const std::filesystem::path& path, mode_t mode) {
  std::filesystem::path reached;
  for (const auto& component : path) {
    reached /= component;
    if (reached == "/" || reached == "." || component.empty()) continue;
    if (::mkdir(reached.c_str(), mode) == 0) {
      COFFER_CHECK(sync_directory(parent_of(reached)));
      continue;
    }
    const int error_number = errno;
    struct stat status {};
    if (error_number == EEXIST && ::stat(reached.c_str(), &status) == 0 &&
        S_ISDIR(status.st_mode)) {
      continue;
    }
    return system_error("make a directory", error_number);
  }
  return {};
}

Result<UniqueFd> open_directory(const std::filesystem::path& path) {
  return open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
}

Result<UniqueFd> open_beneath(int directory, const std::string& path, int flags, mode_t mode) {
  open_how how{};
  how.flags = static_cast<__u64>(flags | O_CLOEXEC | O_NOFOLLOW);
  how.mode = mode;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  const long fd = ::syscall(SYS_openat2, directory, path.c_str(), &how, sizeof how);
  if (fd < 0) return system_error("open a file", errno);
  return UniqueFd{static_cast<int>(fd)};
}

Result<UniqueFd> open_regular_beneath(int directory, const std::string& path) {
  COFFER_TRY(UniqueFd fd, open_beneath(directory, path, O_RDONLY | O_NONBLOCK));
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return system_error("read a file", errno);
  if (!S_ISREG(status.st_mode) || status.st_nlink != 1) {
    return Error{Code::InvalidArgument, "is no regular file with one link"};
  }
  return fd;
}

Result<ByteVector> read_beneath(int directory, const std::string& path, std::uint64_t bytes_max) {
  COFFER_TRY(const UniqueFd fd, open_regular_beneath(directory, path));
  return read_all(fd.get(), bytes_max);
}

Result<> remove_leftovers(const std::filesystem::path& directory) {
  std::error_code absent;
  std::vector<std::filesystem::path> left;
  for (const auto& entry : std::filesystem::directory_iterator(directory, absent)) {
    const std::string name = entry.path().filename();
    if (name.size() == kTemporary.size() && name.starts_with(kTemporaryPrefix)) {
      left.push_back(entry.path());
    }
  }
  for (const auto& path : left) COFFER_CHECK(remove_tree(path));
  return {};
}

TemporaryDirectory::~TemporaryDirectory() {
  if (!path_.empty()) (void)remove_tree(path_);
}

Result<TemporaryDirectory> TemporaryDirectory::make(const std::filesystem::path& parent) {
  std::string path = parent / kTemporary;
  if (::mkdtemp(path.data()) == nullptr) return system_error("make a directory", errno);
  return TemporaryDirectory{std::filesystem::path{path}};
}

Result<UniqueFd> sealed_memory_file(const char* name, ByteView content) {
  // MFD_EXEC says that it may be executed; kernels before 6.3 do not know the flag and need none.
  constexpr unsigned kExecutable = 0x10U;
  constexpr unsigned kFlags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  UniqueFd fd{::memfd_create(name, kFlags | kExecutable)};
  if (!fd && errno == EINVAL) fd = UniqueFd{::memfd_create(name, kFlags)};
  if (!fd) return system_error("make a memory file", errno);
  COFFER_CHECK(write_all(fd.get(), content));
  if (::lseek(fd.get(), 0, SEEK_SET) != 0 ||
      ::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) !=
          0) {
    return system_error("seal a memory file", errno);
  }
  return fd;
}

}  // namespace coffer
