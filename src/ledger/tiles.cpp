#include "ledger/tiles.h"

#include <fmt/format.h>

#include <algorithm>

#include "ledger/detail/lines.h"

namespace coffer::ledger {
namespace {

constexpr unsigned kBitsPerLevel = 8;

// The complete hashes of a tile level in a log of `size` entries.
std::uint64_t hashes_at(unsigned level, std::uint64_t size) {
  const unsigned shift = level * kBitsPerLevel;
  return shift < 64 ? size >> shift : 0;
}

std::string index_path(std::uint64_t index) {
  std::string path = fmt::format("{:03}", index % 1000);
  for (index /= 1000; index > 0; index /= 1000)
    path.insert(0, fmt::format("x{:03}/", index % 1000));
  return path;
}

// The files of one level that size `to` needs and size `from` had not.
void add_between(TileKind kind, unsigned level, SizeRange sizes, std::vector<Tile>& out) {
  const std::uint64_t before = hashes_at(level, sizes.from);
  const std::uint64_t after = hashes_at(level, sizes.to);
  if (after == before) return;
  for (std::uint64_t index = before / kTileWidth; index * kTileWidth < after; ++index) {
    const std::uint64_t width = std::min(kTileWidth, after - index * kTileWidth);
    out.push_back({kind, level, index, width});
  }
}

Result<std::uint64_t> parse_index(const std::vector<std::string>& groups) {
  std::uint64_t index = 0;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    std::string_view group = groups[i];
    if (i + 1 < groups.size()) {
      if (!group.starts_with('x')) return Error{Code::InvalidArgument, "a tile path without its x"};
      group.remove_prefix(1);
    }
    const bool digits = group.size() == 3 &&
                        std::ranges::all_of(group, [](char c) { return c >= '0' && c <= '9'; });
    if (!digits || index > (std::uint64_t{1} << 50)) {
      return Error{Code::InvalidArgument, "a tile path with a bad index"};
    }
    index = index * 1000 + static_cast<std::uint64_t>(std::stoi(std::string(group)));
  }
  return index;
}

}  // namespace

std::string Tile::path() const {
  const std::string kind_path = kind == TileKind::Entries ? "entries" : std::to_string(level);
  std::string path = fmt::format("tile/{}/{}", kind_path, index_path(index));
  if (width < kTileWidth) path += fmt::format(".p/{}", width);
  return path;
}

Result<Tile> parse_path(std::string_view path) {
  const Error bad{Code::InvalidArgument, "not the path of a tile"};
  auto parts = split(path, '/');
  if (parts.size() < 3 || parts.size() > 12 || parts[0] != "tile") return bad;
  Tile tile;
  if (parts[1] == "entries") {
    tile.kind = TileKind::Entries;
  } else {
    const auto level = detail::parse_decimal(parts[1]);
    if (!level || *level > kTileLevelMax) return bad;
    tile.level = static_cast<unsigned>(*level);
  }
  std::vector<std::string> groups(parts.begin() + 2, parts.end());
  if (groups.size() > 1 && groups[groups.size() - 2].ends_with(".p")) {
    const auto width = detail::parse_decimal(groups.back());
    if (!width || *width < 1 || *width >= kTileWidth) return bad;
    tile.width = *width;
    groups.pop_back();
    groups.back().resize(groups.back().size() - 2);
  }
  COFFER_TRY(tile.index, parse_index(groups));
  if (tile.path() != path) return bad;  // such as x000/001
  return tile;
}

std::vector<Tile> tiles_of(std::uint64_t size) { return tiles_between({.from = 0, .to = size}); }

std::vector<Tile> tiles_between(SizeRange sizes) {
  std::vector<Tile> out;
  for (unsigned level = 0; hashes_at(level, sizes.to) > 0; ++level) {
    add_between(TileKind::Hashes, level, sizes, out);
  }
  add_between(TileKind::Entries, 0, sizes, out);
  return out;
}

Result<ByteVector> render_tile(const MerkleTree& tree, const Tile& tile) {
  if (tile.kind != TileKind::Hashes || tile.width < 1 || tile.width > kTileWidth) {
    return Error{Code::InvalidArgument, "not a tile of hashes: " + tile.path()};
  }
  ByteVector bytes;
  for (std::uint64_t i = 0; i < tile.width; ++i) {
    COFFER_TRY(const Digest hash,
               tree.node(tile.level * kBitsPerLevel, tile.index * kTileWidth + i));
    bytes.insert(bytes.end(), hash.bytes.begin(), hash.bytes.end());
  }
  return bytes;
}

Result<std::vector<Digest>> parse_tile(ByteView bytes, const Tile& tile) {
  constexpr std::size_t kHash = sizeof(Digest::bytes);
  if (bytes.size() != tile.width * kHash) {
    return Error{Code::Corrupt, fmt::format("{}: has {} bytes, wanted {}", tile.path(),
                                            bytes.size(), tile.width * kHash)};
  }
  std::vector<Digest> hashes(tile.width);
  for (std::size_t i = 0; i < hashes.size(); ++i) {
    std::ranges::copy(bytes.subspan(i * kHash, kHash), hashes[i].bytes.begin());
  }
  return hashes;
}

Result<ByteVector> render_bundle(const std::vector<ByteVector>& entries) {
  ByteVector bytes;
  for (const auto& entry : entries) {
    if (entry.size() > kEntryBytesMax) {
      return Error{Code::InvalidArgument,
                   fmt::format("an entry of {} bytes, limit {}", entry.size(), kEntryBytesMax)};
    }
    bytes.push_back(static_cast<std::byte>(entry.size() >> 8));
    bytes.push_back(static_cast<std::byte>(entry.size() & 255));
    bytes.insert(bytes.end(), entry.begin(), entry.end());
  }
  return bytes;
}

Result<std::vector<ByteVector>> parse_bundle(ByteView bytes, std::uint64_t width) {
  std::vector<ByteVector> entries;
  while (!bytes.empty() && entries.size() < width) {
    if (bytes.size() < 2) break;
    const auto length =
        std::to_integer<std::size_t>(bytes[0]) << 8 | std::to_integer<std::size_t>(bytes[1]);
    bytes = bytes.subspan(2);
    if (length > bytes.size()) {
      return Error{Code::Corrupt, fmt::format("its entry {} is cut short", entries.size())};
    }
    entries.emplace_back(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(length));
    bytes = bytes.subspan(length);
  }
  if (entries.size() != width || !bytes.empty()) {
    return Error{Code::Corrupt, fmt::format("holds {} entries{}, wanted {}", entries.size(),
                                            bytes.empty() ? "" : " and more bytes", width)};
  }
  return entries;
}

}  // namespace coffer::ledger
