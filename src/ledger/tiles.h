// The static files of a log: tiles of 256 hashes, and bundles of the entries.
//
// Hash i of tile n at level l is the hash of the 256^l leaves from (n * 256 + i) * 256^l. A tile
// that is not full yet is partial: its width (1..255) is in its path. Bundle n has the entries
// under tile n of level 0, each as u16 big-endian length and bytes. Invariants: full tiles and
// bundles never change; empty ones do not exist. path and parse_path, render_bundle and
// parse_bundle are inverse. Errors: InvalidArgument (a path, level or width that cannot be, an
// entry too long, a tile beyond the tree), Corrupt (a bundle or tile that does not hold exactly
// what its path says). Thread-safety: pure functions. Source: C2SP tlog-tiles v0.1.0.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "ledger/merkle.h"

namespace coffer::ledger {

inline constexpr std::uint64_t kTileWidth = 256;
inline constexpr std::size_t kEntryBytesMax = 65535;
inline constexpr unsigned kTileLevelMax = 63;

enum class TileKind : std::uint8_t { Hashes, Entries };

// One file: "tile/0/x001/234/067", "tile/1/000.p/17", "tile/entries/001.p/44".
struct Tile {
  TileKind kind{TileKind::Hashes};
  unsigned level{0};  // 0 for entries
  std::uint64_t index{0};
  std::uint64_t width{kTileWidth};  // 1..256; 256 is full
  std::string path() const;
  std::uint64_t first_entry() const { return index * kTileWidth; }  // of level 0 and bundles
  friend bool operator==(const Tile&, const Tile&) = default;
};

Result<Tile> parse_path(std::string_view path);

// Every file that a log of this size needs: the tiles of level 0 in order, of level 1, and so on,
// then the bundles in order.
std::vector<Tile> tiles_of(std::uint64_t size);
// The files that a log of size `to` needs and a log of size `from` had not: what to write.
std::vector<Tile> tiles_between(SizeRange sizes);

// The bytes of a hash tile. Errors: InvalidArgument (beyond the tree, or a bundle).
Result<ByteVector> render_tile(const MerkleTree& tree, const Tile& tile);
Result<std::vector<Digest>> parse_tile(ByteView bytes, const Tile& tile);

Result<ByteVector> render_bundle(const std::vector<ByteVector>& entries);
// Exactly `width` entries; one of length zero stands for an entry that is lost.
Result<std::vector<ByteVector>> parse_bundle(ByteView bytes, std::uint64_t width);

}  // namespace coffer::ledger
