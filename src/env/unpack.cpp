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

#include "env/grow.h"
#include "env/seal.h"
#include "env/tar.h"
#include "os/files.h"

namespace coffer::env {
namespace {

constexpr std::size_t kFrameMax = 1 << 20;

// Decompresses a file, hands out its bytes and hashes what it handed out.
class ArchiveSource {
 public:
  static Result<ArchiveSource> open(const std::filesystem::path& path) {
    UniqueFd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    if (!file) return system_error("open the archive of the environment", errno);
    return ArchiveSource{std::move(file)};
  }
  Result<std::size_t> pull(std::span<std::byte> into) {
    std::size_t done = 0;
    while (done < into.size()) {
      COFFER_TRY(const std::size_t got, some(into.subspan(done)));
      if (got == 0) break;
      done += got;
    }
    hash_.update(ByteView{into.first(done)});
    return done;
  }
  // The first line, which is canonical JSON; the digest covers it without its line end.
  Result<Frame> frame() {
    std::string line;
    std::array<std::byte, 1> byte;
    for (;;) {
      COFFER_TRY(const std::size_t got, some(byte));
      if (got == 0 || line.size() > kFrameMax) return Error{Code::Corrupt, "archive: no frame"};
      if (byte[0] == std::byte{'\n'}) break;
      line.push_back(static_cast<char>(byte[0]));
    }
    hash_.update(line);
    COFFER_TRY(const Json json, Json::parse(line));
    COFFER_TRY(Frame frame, Frame::parse(json));
    if (frame.json().canonical() != line) {
      return Error{Code::Corrupt, "archive: a frame that is not canonical"};
    }
    return frame;
  }
  Digest digest() { return hash_.finish(); }

 private:
  explicit ArchiveSource(UniqueFd file)
      : file_(std::move(file)), stream_(ZSTD_createDStream()), buffer_(ZSTD_DStreamInSize()) {}
  Result<std::size_t> some(std::span<std::byte> into) {
    ZSTD_outBuffer out{into.data(), into.size(), 0};
    while (out.pos == 0) {
      if (in_.pos == in_.size && !ended_) {
        const ssize_t got = ::read(file_.get(), buffer_.data(), buffer_.size());
        if (got < 0) return system_error("read the archive of the environment", errno);
        ended_ = got == 0;
        in_ = {buffer_.data(), static_cast<std::size_t>(got), 0};
      }
      const std::size_t left = ZSTD_decompressStream(stream_.get(), &out, &in_);
      if (ZSTD_isError(left) != 0)
        return Error{Code::Corrupt, "archive: its compression is damaged"};
      if (out.pos == 0 && ended_) {
        if (frame_open_ && left != 0) return Error{Code::Corrupt, "archive: ends early"};
        break;
      }
      frame_open_ = left != 0;
    }
    return out.pos;
  }
  struct Free {
    void operator()(ZSTD_DStream* stream) const { (void)ZSTD_freeDStream(stream); }
  };
  UniqueFd file_;
  std::unique_ptr<ZSTD_DStream, Free> stream_;
  ByteVector buffer_;
  ZSTD_inBuffer in_{nullptr, 0, 0};
  bool ended_{false};
  bool frame_open_{false};
  Sha256 hash_;
};

Result<Unpacked> unpack_into(ArchiveSource& source, const std::filesystem::path& root,
                             const UnpackLimits& limits) {
  COFFER_TRY(Frame frame, source.frame());
  TarReader reader{[&](std::span<std::byte> into) { return source.pull(into); }};
  COFFER_TRY(const Sealed grown, grow(reader, root, {.limits = limits, .order = Order::Canonical}));
  return Unpacked{grown, std::move(frame)};
}

}  // namespace

Result<Unpacked> unpack(const std::filesystem::path& archive, const std::filesystem::path& root,
                        const Digest& wanted, const UnpackLimits& limits) {
  COFFER_TRY(ArchiveSource source, ArchiveSource::open(archive));
  if (::mkdir(root.c_str(), 0755) != 0)
    return system_error("make the directory of the environment", errno);
  auto unpacked = unpack_into(source, root, limits);
  if (unpacked) unpacked.value().sealed.digest = source.digest();
  if (unpacked && unpacked.value().sealed.digest != wanted) {
    unpacked = Error{Code::Corrupt, "archive: is " + unpacked.value().sealed.digest.text() +
                                        ", wanted " + wanted.text()};
  }
  if (!unpacked) COFFER_CHECK(remove_tree(root));
  return unpacked;
}

}  // namespace coffer::env
