#include "gate/detail/source.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

namespace coffer::gate {
namespace {

constexpr std::size_t kBufferBytes = 1U << 18;

bool is_plain(const struct stat& status) {
  return S_ISREG(status.st_mode) && status.st_nlink == 1 && status.st_size >= 0;
}

}  // namespace

Result<RegularFile> open_regular(int directory, const std::string& name) {
  struct stat before {};
  if (::fstatat(directory, name.c_str(), &before, AT_SYMLINK_NOFOLLOW) != 0) {
    return Error{errno == ENOENT ? Code::NotFound : Code::Unavailable, "no such file"};
  }
  if (!is_plain(before)) return Error{Code::Denied, "a link or no regular file"};
  UniqueFd fd{
      ::openat(directory, name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)};
  struct stat after {};
  if (!fd || ::fstat(fd.get(), &after) != 0) {
    return Error{Code::Unavailable, "the file cannot be opened"};
  }
  if (!is_plain(after) || after.st_ino != before.st_ino || after.st_dev != before.st_dev) {
    return Error{Code::Denied, "a link or no regular file"};
  }
  return RegularFile{std::move(fd), static_cast<std::uint64_t>(after.st_size)};
}

Result<std::vector<std::string>> list_directory(int directory, std::size_t count_max) {
  UniqueFd copy{::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  const auto close = [](DIR* stream) { (void)::closedir(stream); };
  const std::unique_ptr<DIR, decltype(close)> stream{copy ? ::fdopendir(copy.get()) : nullptr,
                                                     close};
  if (!stream) return Error{Code::Unavailable, "the directory cannot be read"};
  (void)copy.release();  // closed with the stream
  std::vector<std::string> names;
  while (names.size() < count_max) {
    errno = 0;
    const dirent* entry = ::readdir(stream.get());
    if (entry == nullptr && errno != 0) {
      return Error{Code::Unavailable, "the directory cannot be read"};
    }
    if (entry == nullptr) break;
    std::string name{entry->d_name};
    if (name != "." && name != "..") names.push_back(std::move(name));
  }
  return names;
}

ByteSource::ByteSource(int fd) : fd_(fd), buffer_(kBufferBytes) {}

bool ByteSource::refill() {
  if (fd_ < 0 || failed_) return false;
  ssize_t got = 0;
  do {
    got = ::pread(fd_, buffer_.data(), buffer_.size(), static_cast<off_t>(offset_));
  } while (got < 0 && errno == EINTR);
  failed_ = got < 0;
  if (got <= 0) return false;
  offset_ += static_cast<std::uint64_t>(got);
  view_ = ByteView{buffer_.data(), static_cast<std::size_t>(got)};
  at_ = 0;
  return true;
}

ByteView ByteSource::chunk(std::size_t length_max) {
  if (at_ == view_.size() && !refill()) return {};
  const ByteView part = view_.subspan(at_, std::min(length_max, view_.size() - at_));
  at_ += part.size();
  return part;
}

ByteVector ByteSource::take(std::size_t length) {
  ByteVector out;
  while (out.size() < length) {
    const ByteView part = chunk(length - out.size());
    if (part.empty()) break;
    out.insert(out.end(), part.begin(), part.end());
  }
  return out;
}

void ByteSource::seek(std::uint64_t offset) {
  offset_ = offset;
  view_ = {};
  at_ = 0;
}

}  // namespace coffer::gate
