#include "env/blob.h"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <optional>

#include "base/io.h"
#include "env/layer_tar.h"

namespace coffer::env {
namespace {

constexpr std::uint64_t kTextMax = 4 << 20;
constexpr std::size_t kBuffer = 256 << 10;
constexpr int kGzipOnly = 16 + MAX_WBITS;
constexpr int kZstdWindowLogMax = 27;  // 128 MiB, what every decoder must accept at least

Error invalid(std::string_view what) {
  return {Code::InvalidArgument, "image: " + std::string(what)};
}

Result<std::size_t> read_at(int fd, std::uint64_t at, std::span<std::byte> into) {
  const auto got = read_fully_at(fd, into, at);
  if (!got) return Error{Code::Unavailable, "image: cannot be read"};
  return *got;
}

std::string blob_name(const Digest& digest) { return "blobs/sha256/" + digest.text().substr(7); }

}  // namespace

Result<BlobStore> BlobStore::open(int archive, std::uint64_t entries_max) {
  BlobStore store{archive};
  std::uint64_t at = 0;
  LayerTar tar{[&](std::span<std::byte> into) -> Result<std::size_t> {
    COFFER_TRY(const std::size_t got, read_at(archive, at, into));
    at += got;
    return got;
  }};
  for (std::uint64_t count = 0;; ++count) {
    auto entry = tar.next();
    if (!entry) return invalid("no tar archive, or a compressed one: " + entry.error().message);
    if (!*entry) return store;
    if (count >= entries_max) return invalid("too many files");
    std::string name = (*entry)->path;
    if (name.starts_with("./")) name.erase(0, 2);
    if ((*entry)->kind != EntryKind::File) continue;
    store.files_[name] = {(*entry)->content_at, (*entry)->size};
    at += (*entry)->size;  // leave the content out: only its place matters
    tar.content_was_passed();
  }
}

Result<std::string> BlobStore::text(const std::string& name) const {
  const auto found = files_.find(name);
  if (found == files_.end()) return invalid("has no " + name);
  if (found->second.size > kTextMax) return invalid(name + " is above 4 MiB");
  std::string text(static_cast<std::size_t>(found->second.size), '\0');
  COFFER_TRY(const std::size_t got,
             read_at(fd_, found->second.at, std::as_writable_bytes(std::span{text})));
  if (got != text.size()) return invalid("ends early");
  return text;
}

Result<Json> BlobStore::json(const Digest& digest) const {
  COFFER_TRY(const std::string content, text(blob_name(digest)));
  if (sha256(content) != digest)
    return Error{Code::Corrupt, "image: " + digest.text() + " is damaged"};
  return Json::parse(content);
}

Result<Extent> BlobStore::find(const Digest& digest) const {
  const auto found = files_.find(blob_name(digest));
  if (found == files_.end()) return invalid("has no blob " + digest.text());
  return found->second;
}

enum class Packing : std::uint8_t { Plain, Gzip, Zstd };

struct LayerStream::State {
  State(int descriptor, Extent where, Digest name, Allowance& allowed)
      : fd(descriptor), extent(where), digest(name), allowance(allowed), buffer(kBuffer) {}
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    if (packing == Packing::Gzip) (void)::inflateEnd(&gzip);
    if (zstd != nullptr) (void)ZSTD_freeDStream(zstd);
  }
  Result<> begin();
  Result<> refill();
  Result<std::size_t> some(std::span<std::byte> into);
  Result<std::size_t> some_gzip(std::span<std::byte> into);
  Result<std::size_t> some_zstd(std::span<std::byte> into);

  int fd;
  Extent extent;
  Digest digest;
  Allowance& allowance;
  ByteVector buffer;
  std::uint64_t done{0};      // of the blob
  std::size_t at{0}, end{0};  // of the buffer
  Sha256 hash;
  Packing packing{Packing::Plain};
  z_stream gzip{};
  ZSTD_DStream* zstd{nullptr};
  bool between{true};  // members or frames: here the blob may end
};

Result<> LayerStream::State::refill() {
  if (at < end || done == extent.size) return {};
  const auto wanted =
      static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), extent.size - done));
  COFFER_TRY(end, read_at(fd, extent.at + done, std::span{buffer}.first(wanted)));
  if (end != wanted) return invalid("ends early");
  at = 0;
  done += end;
  hash.update(ByteView{buffer}.first(end));
  return {};
}

Result<> LayerStream::State::begin() {
  COFFER_CHECK(refill());
  const std::string_view magic = text_of(ByteView{buffer}.first(std::min<std::size_t>(end, 4)));
  if (magic.starts_with("\x1f\x8b")) {
    if (::inflateInit2(&gzip, kGzipOnly) != Z_OK)
      return Error{Code::Internal, "image: no inflater"};
    packing = Packing::Gzip;
  } else if (magic == std::string_view("\x28\xb5\x2f\xfd", 4)) {
    zstd = ZSTD_createDStream();
    (void)ZSTD_DCtx_setParameter(zstd, ZSTD_d_windowLogMax, kZstdWindowLogMax);
    packing = Packing::Zstd;
  }
  return {};
}

Result<std::size_t> LayerStream::State::some_gzip(std::span<std::byte> into) {
  gzip.next_in = reinterpret_cast<Bytef*>(buffer.data() + at);
  gzip.avail_in = static_cast<uInt>(end - at);
  gzip.next_out = reinterpret_cast<Bytef*>(into.data());
  gzip.avail_out = static_cast<uInt>(std::min<std::size_t>(into.size(), 1 << 30));
  const auto offered = gzip.avail_out;
  const int status = ::inflate(&gzip, Z_NO_FLUSH);
  at = end - gzip.avail_in;
  between = status == Z_STREAM_END;
  if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR) {
    return invalid("a layer's gzip is damaged");
  }
  if (between && ::inflateReset(&gzip) != Z_OK) return Error{Code::Internal, "image: no inflater"};
  return std::size_t{offered - gzip.avail_out};
}

Result<std::size_t> LayerStream::State::some_zstd(std::span<std::byte> into) {
  ZSTD_inBuffer in{buffer.data(), end, at};
  ZSTD_outBuffer out{into.data(), into.size(), 0};
  const std::size_t left = ZSTD_decompressStream(zstd, &out, &in);
  if (ZSTD_isError(left) != 0) return invalid("a layer's zstd is damaged");
  at = in.pos;
  between = left == 0;
  return out.pos;
}

Result<std::size_t> LayerStream::State::some(std::span<std::byte> into) {
  for (;;) {
    COFFER_CHECK(refill());
    const bool out_of_input = at == end && done == extent.size;
    if (out_of_input && (packing == Packing::Plain || between)) return std::size_t{0};
    if (packing == Packing::Plain) {
      const std::size_t part = std::min(into.size(), end - at);
      std::copy_n(buffer.data() + at, part, into.data());
      at += part;
      return part;
    }
    const std::size_t before = at;
    COFFER_TRY(const std::size_t got, packing == Packing::Gzip ? some_gzip(into) : some_zstd(into));
    if (got > 0) return got;
    if (out_of_input && !between && at == before) return invalid("a layer ends early");
  }
}

LayerStream::LayerStream(std::unique_ptr<State> state) : state_(std::move(state)) {}
LayerStream::LayerStream(LayerStream&&) noexcept = default;
LayerStream& LayerStream::operator=(LayerStream&&) noexcept = default;
LayerStream::~LayerStream() = default;

Result<LayerStream> LayerStream::open(const BlobStore& blobs, const Digest& digest,
                                      Allowance& allowance) {
  COFFER_TRY(const Extent extent, blobs.find(digest));
  auto state = std::make_unique<State>(blobs.fd(), extent, digest, allowance);
  COFFER_CHECK(state->begin());
  return LayerStream{std::move(state)};
}

Result<std::size_t> LayerStream::pull(std::span<std::byte> into) {
  std::size_t done = 0;
  while (done < into.size()) {
    COFFER_TRY(const std::size_t got, state_->some(into.subspan(done)));
    if (got == 0) break;
    if (got > state_->allowance.bytes) {
      return invalid("unpacks to more than the " + render_size(state_->allowance.most) +
                     " that it may");
    }
    state_->allowance.bytes -= got;
    done += got;
  }
  return done;
}

Result<> LayerStream::finish() {
  std::array<std::byte, 64 << 10> waste;
  for (;;) {
    COFFER_TRY(const std::size_t got, pull(waste));
    if (got == 0) break;
  }
  if (state_->hash.finish() != state_->digest) {
    return Error{Code::Corrupt, "image: layer " + state_->digest.text() + " is damaged"};
  }
  return {};
}

}  // namespace coffer::env
