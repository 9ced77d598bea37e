#include "ledger/tiles.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "ledger/test_log.h"

namespace coffer::ledger {
namespace {

std::string file_hash(ByteView bytes) { return hex(sha256(bytes).bytes); }

TEST(Tiles, PathsAreThoseOfTheFormat) {
  EXPECT_EQ((Tile{TileKind::Hashes, 0, 1234067}.path()), "tile/0/x001/x234/067");
  EXPECT_EQ((Tile{TileKind::Hashes, 1, 0, 17}.path()), "tile/1/000.p/17");
  EXPECT_EQ((Tile{TileKind::Entries, 0, 1000, 44}.path()), "tile/entries/x001/000.p/44");
  for (const auto* path :
       {"tile/0/x001/x234/067", "tile/63/000", "tile/entries/999.p/255", "tile/2/x001/000.p/1"}) {
    ASSERT_TRUE(parse_path(path)) << path;
    EXPECT_EQ(parse_path(path)->path(), path);
  }
}

TEST(Tiles, RefusesPathsThatAreNone) {
  for (const auto* path : {"",
                           "tile",
                           "tile/0",
                           "tile/0/",
                           "tile/0/67",
                           "tile/0/0067",
                           "tile/0/x000/067",
                           "tile/64/000",
                           "tile/00/000",
                           "tile/-1/000",
                           "tile/0/001/067",
                           "tile/0/000.p",
                           "tile/0/000.p/0",
                           "tile/0/000.p/256",
                           "tile/0/000.p/07",
                           "tile/0/../checkpoint",
                           "tile/0/x001/",
                           "tile/other/000",
                           "/tile/0/000",
                           "tile/0/0a0",
                           "tile/entries/000.p/1/2",
                           "tile/0/x999/x999/x999/x999/x999/x999/x999/999"}) {
    EXPECT_FALSE(parse_path(path)) << path;
  }
}

TEST(Tiles, SeventyThousandEntriesNeedTheseTiles) {
  std::vector<std::string> partial;
  std::size_t full = 0;
  for (const Tile& tile : tiles_of(70000)) {
    if (tile.width < kTileWidth) partial.push_back(tile.path());
    if (tile.width == kTileWidth && tile.kind == TileKind::Hashes) ++full;
  }
  EXPECT_EQ(full, 273U + 1U);
  EXPECT_EQ(partial, (std::vector<std::string>{"tile/0/273.p/112", "tile/1/001.p/17",
                                               "tile/2/000.p/1", "tile/entries/273.p/112"}));
  EXPECT_TRUE(tiles_of(0).empty());
}

TEST(Tiles, WhatChangesIsWhatWasNotThereBefore) {
  const auto paths = [](const std::vector<Tile>& tiles) {
    std::set<std::string> out;
    for (const Tile& tile : tiles) out.insert(tile.path());
    return out;
  };
  for (const std::uint64_t from : {0U, 1U, 255U, 256U, 257U, 600U, 65535U, 65536U}) {
    for (const std::uint64_t step : {0U, 1U, 2U, 255U, 256U, 300U, 66000U}) {
      const SizeRange sizes{.from = from, .to = from + step};
      const auto before = paths(tiles_of(from));
      const auto after = paths(tiles_of(sizes.to));
      std::set<std::string> fresh;
      std::ranges::set_difference(after, before, std::inserter(fresh, fresh.end()));
      EXPECT_EQ(paths(tiles_between(sizes)), fresh) << from << " + " << step;
    }
  }
}

TEST(Tiles, ThreeHundredEntriesMakeThePublishedFiles) {
  const auto entries = decimal_entries(300);
  const MerkleTree tree = tree_of(entries);
  EXPECT_EQ(hex(tree.root().bytes),
            "84e13ec1e037155ae619757599b2cd21ada5a565e0fd9b3139c0c3c6c1b8ada9");
  const auto file = [&](std::string_view path) { return *render_tile(tree, *parse_path(path)); };
  EXPECT_EQ(file_hash(file("tile/0/000")),
            "b9704a8bfbee2c61185ceb38904a49f3f703c81e194b5b2ccdc254c2bdaaa62b");
  EXPECT_EQ(file("tile/0/001.p/44").size(), 1408U);
  EXPECT_EQ(file_hash(file("tile/0/001.p/44")),
            "03c8b91297109114834f4ea4b4043313b3abf15301439b30371d874810427409");
  EXPECT_EQ(file_hash(file("tile/1/000.p/1")),
            "d8543884b063e422f6de2e558c6b11eb5e1a20528ccfe23cf27ceeb764b93a6e");
  const auto bundle = render_bundle({entries.begin(), entries.begin() + 256});
  EXPECT_EQ(bundle->size(), 1170U);
  EXPECT_EQ(file_hash(*bundle), "94693d5c6d6a0355ec07bac8214516c1ce6a5100b0588f226fd95f26571157d7");
}

TEST(Tiles, NoTileBeyondTheTree) {
  const MerkleTree tree = tree_of(decimal_entries(300));
  EXPECT_TRUE(render_tile(tree, {TileKind::Hashes, 0, 1, 44}));
  EXPECT_FALSE(render_tile(tree, {TileKind::Hashes, 0, 1, 45}));
  EXPECT_FALSE(render_tile(tree, {TileKind::Hashes, 1, 0, 2}));
  EXPECT_FALSE(render_tile(tree, {TileKind::Hashes, 63, 0, 1}));
  EXPECT_FALSE(render_tile(tree, {TileKind::Entries, 0, 0}));
  const Tile two{TileKind::Hashes, 0, 0, 2};
  EXPECT_EQ((*parse_tile(*render_tile(tree, two), two))[1], *tree.leaf(1));
  EXPECT_FALSE(parse_tile(ByteVector(63), two));
}

TEST(Tiles, BundlesHoldExactlyTheirEntries) {
  const std::vector<ByteVector> entries{bytes_from("a"), {}, ByteVector(kEntryBytesMax)};
  const auto bytes = render_bundle(entries);
  EXPECT_EQ(*parse_bundle(*bytes, 3), entries);
  EXPECT_FALSE(parse_bundle(*bytes, 2));
  EXPECT_FALSE(parse_bundle(*bytes, 4));
  EXPECT_FALSE(parse_bundle(ByteView{*bytes}.first(bytes->size() - 1), 3));
  EXPECT_FALSE(parse_bundle(ByteView{*bytes}.first(1), 1));
  EXPECT_FALSE(render_bundle({ByteVector(kEntryBytesMax + 1)}));
}

}  // namespace
}  // namespace coffer::ledger
