#include "gate/canonical.h"

#include "base/io.h"
#include "gate/detail/canonical_form.h"

namespace coffer::gate {

Result<Canonical> Canonical::decode(program::Output output, BitString object) {
  COFFER_CHECK(check_object(output, object));
  Canonical canonical{std::move(output), std::move(object)};
  Sha256 hash;
  std::uint64_t size = 0;
  COFFER_CHECK(canonical.write([&](ByteView piece) -> Result<> {
    hash.update(piece);
    size += piece.size();
    return {};
  }));
  canonical.size_ = size;
  canonical.digest_ = hash.finish();
  return canonical;
}

Result<> Canonical::write(const Sink& sink) const {
  return write_canonical(output_, object_, sink);
}

Result<> Canonical::write_to(int fd) const {
  return write([fd](ByteView piece) -> Result<> {
    if (write_fully(fd, piece)) return {};
    return Error{Code::Unavailable, "the canonical file cannot be written"};
  });
}

Result<std::string> Canonical::text() const {
  std::string out;
  COFFER_CHECK(write([&out](ByteView piece) -> Result<> {
    out += text_of(piece);
    return {};
  }));
  return out;
}

}  // namespace coffer::gate
