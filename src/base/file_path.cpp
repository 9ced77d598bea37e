#include "base/file_path.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "base/io.h"

namespace coffer {
namespace {

Error bad(std::string_view path, std::string_view why) {
  return Error{Code::InvalidArgument, fmt::format("path '{}' {}", printable(path, 120), why)};
}

Error refused(std::string_view what, int error) {
  const Code code = error == EEXIST || error == ENOTDIR ? Code::AlreadyExists : Code::Unavailable;
  return Error{code, fmt::format("{}: {}", what, std::strerror(error))};
}

// Over valid UTF-8, where U+0080 to U+009F are the byte c2 and one of 80 to 9f.
bool has_control(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x20 || byte == 0x7f) return true;
    if (byte == 0xc2 && static_cast<unsigned char>(text[i + 1]) < 0xa0) return true;
  }
  return false;
}

}  // namespace

Result<> check_path(std::string_view path) {
  if (path.empty()) return bad(path, "is empty");
  if (path.size() > kPathMax) return bad(path, fmt::format("is longer than {} bytes", kPathMax));
  if (!is_utf8(path)) return bad(path, "is not UTF-8");
  if (has_control(path)) return bad(path, "holds a control character");
  if (path.front() == '/') return bad(path, "is absolute");
  const auto parts = split(path, '/');
  if (parts.size() > kPathDepthMax) {
    return bad(path, fmt::format("is deeper than {} directories", kPathDepthMax));
  }
  for (const auto& part : parts) {
    if (part.empty()) return bad(path, "has an empty part");
    if (part == "." || part == "..") return bad(path, "has a part '.' or '..'");
    if (part.size() > kPathPartMax) {
      return bad(path, fmt::format("has a part longer than {} bytes", kPathPartMax));
    }
  }
  return {};
}

Result<> PathOrder::accept(std::string_view path) {
  if (!last_.empty() && path <= last_) return bad(path, "comes twice or out of order");
  if (!last_.empty()) prefixes_.push_back(last_.size());
  while (!prefixes_.empty() &&
         !path.starts_with(std::string_view{last_}.substr(0, prefixes_.back()))) {
    prefixes_.pop_back();
  }
  for (const std::size_t length : prefixes_) {
    if (path[length] == '/') return bad(path, "lies below a file");
  }
  last_ = path;
  return {};
}

Result<> TreeWriter::begin(std::string_view path, FileMode mode) {
  COFFER_CHECK(check_path(path));
  COFFER_CHECK(order_.accept(path));
  COFFER_CHECK(close_file());
  const auto parts = split(path, '/');
  std::size_t common = 0;
  while (common < open_.size() && common + 1 < parts.size() &&
         open_[common].name == parts[common]) {
    ++common;
  }
  COFFER_CHECK(leave_to(common));
  while (open_.size() + 1 < parts.size()) COFFER_CHECK(enter(parts[open_.size()]));
  constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  UniqueFd file{::openat(current(), parts.back().c_str(), kFlags, 0600)};
  if (!file) return refused("a file cannot be written", errno);
  file_ = std::move(file);
  mode_ = mode;
  return {};
}

Result<> TreeWriter::write(ByteView bytes) {
  if (!write_fully(file_.get(), bytes)) return refused("a file cannot be written", errno);
  return {};
}

Result<> TreeWriter::finish() {
  COFFER_CHECK(close_file());
  return leave_to(0);
}

Result<> TreeWriter::close_file() {
  if (!file_) return {};
  if (::fchmod(file_.get(), mode_ == FileMode::Executable ? 0555 : 0444) != 0) {
    return refused("a file's mode cannot be set", errno);
  }
  if (::close(file_.release()) != 0) return refused("a file cannot be written", errno);
  return {};
}

Result<> TreeWriter::leave_to(std::size_t depth) {
  while (open_.size() > depth) {
    if (::fchmod(open_.back().fd.get(), 0555) != 0) {
      return refused("a directory's mode cannot be set", errno);
    }
    open_.pop_back();
  }
  return {};
}

Result<> TreeWriter::enter(const std::string& name) {
  // A directory comes once in path order, so it must be new: an older one is not ours to fill.
  if (::mkdirat(current(), name.c_str(), 0700) != 0) {
    return refused("a directory cannot be made", errno);
  }
  UniqueFd fd{::openat(current(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
  if (!fd) return refused("a directory cannot be opened", errno);
  open_.push_back({name, std::move(fd)});
  return {};
}

}  // namespace coffer
