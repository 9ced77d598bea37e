// One file's reader, chosen by its first bytes and its name.
//
// Errors: none; what is not understood is noted in the result.
// Thread-safety: as plain values.
#pragma once

#include <memory>
#include <string>

#include "base/text.h"
#include "scan/proposal.h"

namespace coffer::scan {

inline constexpr std::size_t kHeadMax = std::size_t{64} << 10;

class FileScan {
 public:
  virtual ~FileScan() = default;
  virtual void bytes(ByteView bytes) = 0;
  virtual File end() = 0;  // path and publish are the caller's
};

// `head`: the first kHeadMax bytes, or all there are. They are fed again by the caller.
std::unique_ptr<FileScan> choose_scan(std::string_view path, ByteView head);

std::unique_ptr<FileScan> make_table_scan(char delimiter);

// Tags embedded in a file, from its first bytes.
std::vector<Tag> jpeg_tags(ByteView bytes);
std::vector<Tag> png_tags(ByteView bytes);
std::vector<Tag> tiff_tags(ByteView bytes);
std::vector<Tag> dicom_tags(ByteView bytes);

}  // namespace coffer::scan
