#include "env/seal.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <span>
#include <vector>

#include "env/tar.h"
#include "os/files.h"

namespace coffer::env {
namespace {

constexpr WalkLimits kTreeLimits{.entries_max = 4'000'000, .depth_max = 128};
constexpr std::size_t kChunk = std::size_t{1} << 20;
constexpr int kLevel = 3;  // zstd: twice as fast as the hash is slow, half the size

// Where the canonical bytes of a tree go.
class Sink {
 public:
  virtual ~Sink() = default;
  virtual Result<> write(ByteView bytes) = 0;
};

class HashSink : public Sink {
 public:
  Result<> write(ByteView bytes) override {
    hash_.update(bytes);
    return {};
  }
  Digest finish() { return hash_.finish(); }

 private:
  Sha256 hash_;
};

// Hashes what it is given and writes it, compressed, to a file.
class ArchiveSink final : public HashSink {
 public:
  static Result<std::unique_ptr<ArchiveSink>> open(const std::filesystem::path& path) {
    UniqueFd file{
        ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644)};
    if (!file) return system_error("make the archive of the environment", errno);
    return std::make_unique<ArchiveSink>(std::move(file));
  }
  Result<> write(ByteView bytes) override {
    COFFER_CHECK(HashSink::write(bytes));
    return compress(bytes, ZSTD_e_continue);
  }
  // Into the archive only, not into the digest.
  Result<> write_aside(ByteView bytes) { return compress(bytes, ZSTD_e_continue); }
  Result<> close() {
    COFFER_CHECK(compress({}, ZSTD_e_end));
    if (::fsync(file_.get()) != 0)
      return system_error("sync the archive of the environment", errno);
    return {};
  }
  explicit ArchiveSink(UniqueFd file)
      : file_(std::move(file)), stream_(ZSTD_createCStream()), out_(ZSTD_CStreamOutSize()) {
    (void)ZSTD_CCtx_setParameter(stream_.get(), ZSTD_c_compressionLevel, kLevel);
    (void)ZSTD_CCtx_setParameter(stream_.get(), ZSTD_c_checksumFlag, 1);
  }

 private:
  Result<> compress(ByteView bytes, ZSTD_EndDirective directive) {
    ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
    for (;;) {
      ZSTD_outBuffer out{out_.data(), out_.size(), 0};
      const std::size_t left = ZSTD_compressStream2(stream_.get(), &out, &in, directive);
      if (ZSTD_isError(left) != 0) return Error{Code::Internal, "archive: compression failed"};
      COFFER_CHECK(write_all(file_.get(), std::span{out_}.first(out.pos)));
      if (directive == ZSTD_e_end ? left == 0 : in.pos == in.size) return {};
    }
  }
  struct Free {
    void operator()(ZSTD_CStream* stream) const { (void)ZSTD_freeCStream(stream); }
  };
  UniqueFd file_;
  std::unique_ptr<ZSTD_CStream, Free> stream_;
  ByteVector out_;
};

Result<std::string> link_target(int root, const std::string& path) {
  // The walk followed no link, so every parent is a directory of the tree.
  std::string target(kPathMax + 1, '\0');
  const ssize_t length = ::readlinkat(root, path.c_str(), target.data(), target.size());
  if (length < 0) return system_error("read a link of the environment", errno);
  if (static_cast<std::size_t>(length) > kPathMax) {
    return Error{Code::InvalidArgument, "environment: a link target above 4096 bytes"};
  }
  target.resize(static_cast<std::size_t>(length));
  return target;
}

Result<> write_content(int root, const Entry& entry, Sink& sink) {
  COFFER_TRY(const UniqueFd file, open_beneath(root, entry.path, O_RDONLY));
  ByteVector buffer(kChunk);
  std::uint64_t left = entry.size;
  while (left > 0) {
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(left, buffer.size()));
    const ssize_t got = ::read(file.get(), buffer.data(), wanted);
    if (got < 0) return system_error("read a file of the environment", errno);
    if (got == 0) return Error{Code::Unavailable, "environment: a file changed while it was read"};
    COFFER_CHECK(sink.write(std::span{buffer}.first(static_cast<std::size_t>(got))));
    left -= static_cast<std::uint64_t>(got);
  }
  return sink.write(bytes_of(std::string(padding_after(entry.size), '\0')));
}

Result<Entry> entry_at(int root, const FileEntry& found) {
  struct stat status {};
  if (::fstatat(root, found.path.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    return system_error("read a file of the environment", errno);
  }
  Entry entry{.path = found.path};
  entry.mode = S_ISLNK(status.st_mode) ? 0777 : status.st_mode & 07777;
  if (S_ISREG(status.st_mode)) {
    entry.size = static_cast<std::uint64_t>(status.st_size);
  } else if (S_ISDIR(status.st_mode)) {
    entry.kind = EntryKind::Directory;
  } else if (S_ISLNK(status.st_mode)) {
    entry.kind = EntryKind::Link;
    COFFER_TRY(entry.target, link_target(root, found.path));
  } else {
    return Error{Code::InvalidArgument,
                 "environment: neither file, directory nor link: " + printable(found.path)};
  }
  if ((entry.mode & ~0777U) != 0) {
    return Error{Code::InvalidArgument, "environment: a set-id bit: " + printable(found.path)};
  }
  if (entry.kind == EntryKind::Directory && (entry.mode & 0700) != 0700) {
    return Error{Code::InvalidArgument,
                 "environment: a directory closed to its owner: " + printable(found.path)};
  }
  if (!is_entry_path(entry.path)) {
    return Error{Code::InvalidArgument, "environment: a path too long: " + printable(found.path)};
  }
  return entry;
}

// The canonical tar of the tree; answers the sums, not the digest.
Result<Sealed> write_tree(const std::filesystem::path& root, Sink& sink) {
  COFFER_TRY(const UniqueFd directory, open_directory(root));
  COFFER_TRY(auto found, walk(directory.get(), kTreeLimits));
  std::sort(found.begin(), found.end(),
            [](const auto& a, const auto& b) { return a.path < b.path; });
  Sealed sums;
  for (const auto& file : found) {
    COFFER_TRY(const Entry entry, entry_at(directory.get(), file));
    COFFER_CHECK(sink.write(bytes_of(header(entry))));
    if (entry.kind != EntryKind::File) continue;
    COFFER_CHECK(write_content(directory.get(), entry, sink));
    sums.bytes += entry.size;
    ++sums.files;
  }
  COFFER_CHECK(sink.write(bytes_of(end_of_tar())));
  return sums;
}

}  // namespace

Json Frame::json() const {
  Json::Object members;
  for (const auto& [name, value] : variables) members.emplace_back(name, Json(value));
  return Json::object({{"profile", profile}, {"variables", Json(std::move(members))}});
}

Result<Frame> Frame::parse(const Json& json) {
  StrictReader in{json, "frame"};
  Frame frame{.profile = in.text("profile")};
  const Json& variables = in.any("variables");
  if (!variables.is_object()) in.refuse("variables", "must be an object of texts");
  COFFER_CHECK(in.finish());
  for (const auto& [name, value] : *variables.as_object()) {
    if (!value.is_string()) return Error{Code::InvalidArgument, "frame.variables: must be texts"};
    frame.variables.emplace(name, *value.as_string());
  }
  return frame;
}

Result<Sealed> digest_tree(const std::filesystem::path& root, const Frame& frame) {
  HashSink sink;
  COFFER_CHECK(sink.write(bytes_of(frame.json().canonical())));
  COFFER_TRY(Sealed sealed, write_tree(root, sink));
  sealed.digest = sink.finish();
  return sealed;
}

Result<Sealed> write_archive(const std::filesystem::path& root, const Frame& frame,
                             const std::filesystem::path& archive) {
  COFFER_TRY(const auto sink, ArchiveSink::open(archive));
  COFFER_CHECK(sink->write(bytes_of(frame.json().canonical())));
  COFFER_CHECK(sink->write_aside(bytes_of("\n")));
  COFFER_TRY(Sealed sealed, write_tree(root, *sink));
  COFFER_CHECK(sink->close());
  sealed.digest = sink->finish();
  return sealed;
}

Result<> normalise_modes(const std::filesystem::path& root) {
  COFFER_TRY(const UniqueFd directory, open_directory(root));
  COFFER_TRY(const auto found, walk(directory.get(), kTreeLimits));
  for (const auto& file : found) {
    if (file.kind == FileKind::Link) continue;
    if (file.kind == FileKind::Other) {
      if (::unlinkat(directory.get(), file.path.c_str(), 0) != 0) {
        return system_error("remove a special file of the environment", errno);
      }
      continue;
    }
    const bool runs = file.kind == FileKind::Directory || (file.mode & 0100) != 0;
    const mode_t wanted = runs ? 0755 : 0644;
    if (file.mode != wanted && ::fchmodat(directory.get(), file.path.c_str(), wanted, 0) != 0) {
      return system_error("set the mode of a file of the environment", errno);
    }
  }
  return {};
}

}  // namespace coffer::env
