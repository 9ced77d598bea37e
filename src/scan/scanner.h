// Looks at files while they stream by, and proposes kinds and types with reasons.
//
// begin(path), bytes() any number of times, end(), and so on for each file; take() at the end.
// Never refuses data: what is not understood is noted, and a table that could be read in two ways
// has a defect and is not proposed for publication. Bounded memory: about 20 KiB a column of the
// present file, 1 MiB of a file with embedded tags, and the proposal itself; kFilesMax files and
// kColumnsMax columns a file are listed, more are counted in a note.
// What is recognised: CSV (delimiter , ; tab |, found from the first lines), Parquet (by magic; its
// columns are not read, and the reason says so), JPEG PNG TIFF with EXIF tags and PNG texts, DICOM
// elements (explicit and implicit VR, little endian), text, JSON, some containers by magic.
// What a proposal is not: a proof. A person confirms it.
// Errors: none of its own.
// Thread-safety: as a plain value.
// Source: RFC 4180; HyperLogLog: Flajolet et al. 2007; EXIF 2.32 / TIFF 6.0; DICOM PS3.5, PS3.6.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/text.h"
#include "scan/proposal.h"

namespace coffer::scan {

inline constexpr std::size_t kFilesMax = 20'000;
inline constexpr std::size_t kColumnsMax = 10'000;
inline constexpr std::size_t kValuesMax = 64;  // a column with more distinct values lists none

class FileScan;  // one format's reader

class Scanner {
 public:
  Scanner();
  Scanner(Scanner&&) noexcept;
  Scanner& operator=(Scanner&&) noexcept;
  ~Scanner();
  void begin(const std::string& path);
  void bytes(ByteView bytes);
  void end();
  Proposal take() &&;

 private:
  void decide();

  Proposal proposal_;
  std::uint64_t left_out_{0};
  std::string path_;
  ByteVector head_;
  std::unique_ptr<FileScan> file_;
};

}  // namespace coffer::scan
