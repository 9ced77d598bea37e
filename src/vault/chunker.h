// Content-defined chunk boundaries: an insertion moves only the boundaries near it.
//
// FastCDC with normalised chunking: a gear hash over the last 64 bytes, a strict mask before the
// average length and a loose one after it, no cut before kChunkMin, always one at kChunkMax. The
// gear table is derived from the dataset key, so that lengths of chunks tell an outsider nothing
// about which known file they might be.
// Errors: none.
// Thread-safety: as a plain value.
// Source: W. Xia et al., "FastCDC: a Fast and Efficient Content-Defined Chunking Approach for Data
// Deduplication", USENIX ATC 2016, algorithm 1 (normalisation level 2); keyed table: ours.
#pragma once

#include <array>
#include <cstdint>

#include "crypto/crypto.h"

namespace coffer::vault {

class Chunker {
 public:
  explicit Chunker(const Key& dataset_key);
  // Length of the first chunk of `data`. `data` holds at least kChunkMax bytes, or everything up
  // to the end of the file: then what is left may be one last short chunk. 0 only for empty data.
  std::size_t cut(ByteView data) const;

 private:
  // Bytes up to and with the first whose hash has none of the mask's bits; 0: there is none. `hash`
  // goes on from what it was.
  std::size_t scan(ByteView data, std::uint64_t mask, std::uint64_t& hash) const;
  std::array<std::uint64_t, 256> gear_{};
};

}  // namespace coffer::vault
