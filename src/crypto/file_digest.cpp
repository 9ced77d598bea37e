#include "crypto/file_digest.h"

#include "base/io.h"

namespace coffer {

std::optional<Digest> sha256_of_file(int fd) {
  ByteVector room(std::size_t{1} << 18);
  Sha256 hash;
  for (;;) {
    const auto got = read_fully(fd, room);
    if (!got) return {};
    if (*got == 0) return hash.finish();
    hash.update(ByteView{room}.first(*got));
  }
}

}  // namespace coffer
