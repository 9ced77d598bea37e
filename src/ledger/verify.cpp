#include "ledger/verify.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include "base/unique_fd.h"
#include "ledger/tiles.h"

namespace coffer::ledger {
namespace {

constexpr std::size_t kBundleBytesMax = kTileWidth * (kEntryBytesMax + 2);

Error bad_file(std::string_view path, std::string_view why) {
  return Error{Code::Corrupt, fmt::format("{}: {}", path, why)};
}

Error bad_entry(std::uint64_t index, std::string_view why) {
  return Error{Code::Corrupt, fmt::format("entry {}: {}", index, why)};
}

class Directory {
 public:
  explicit Directory(const std::filesystem::path& root) : root_(root) {}

  Result<ByteVector> read(const std::string& path, std::size_t bytes_max) const {
    const UniqueFd fd{::open((root_ / path).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    if (!fd)
      return Error{errno == ENOENT ? Code::NotFound : Code::Unavailable,
                   fmt::format("{}: cannot be opened ({})", path, errno)};
    ByteVector bytes;
    for (;;) {
      std::array<std::byte, 16384> part;
      const auto got = ::read(fd.get(), part.data(), part.size());
      if (got == 0) return bytes;
      if (got < 0) return bad_file(path, fmt::format("cannot be read ({})", errno));
      bytes.insert(bytes.end(), part.begin(), part.begin() + got);
      if (bytes.size() > bytes_max) return bad_file(path, "is too long");
    }
  }
  Result<std::vector<Digest>> hashes(const Tile& tile) const {
    COFFER_TRY(const auto bytes, read(tile.path(), kTileWidth * sizeof(Digest)));
    return parse_tile(bytes, tile);
  }
  Result<std::vector<ByteVector>> entries(const Tile& tile) const {
    COFFER_TRY(const auto bytes, read(tile.path(), kBundleBytesMax));
    auto entries = parse_bundle(bytes, tile.width);
    if (!entries) return std::move(entries).error().in(tile.path());
    return entries;
  }

 private:
  const std::filesystem::path& root_;
};

std::uint64_t tile_width(unsigned level, std::uint64_t index, std::uint64_t size) {
  return std::min(kTileWidth, (size >> (8 * level)) - index * kTileWidth);
}

// Compares the tiles of levels 1 and up with what the level below adds up to.
class UpperTiles {
 public:
  UpperTiles(const Directory& directory, std::uint64_t size) : directory_(directory), size_(size) {}

  // The next hash of `level` as computed from the level below. Recursion: one call a level, 8 at
  // most.
  Result<> add(unsigned level, const Digest& hash) {
    if (level > levels_.size()) levels_.emplace_back();
    Level& at = levels_[level - 1];
    const std::uint64_t place = at.count % kTileWidth;
    const Tile tile{TileKind::Hashes, level, at.count / kTileWidth,
                    tile_width(level, at.count / kTileWidth, size_)};
    if (place == 0) {
      COFFER_TRY(at.stored, directory_.hashes(tile));
      at.computed = {};
      ++tiles_;
    }
    if (at.stored[place] != hash && !problem_) {
      problem_ =
          bad_file(tile.path(), fmt::format("hash {} is not that of the level below", place));
    }
    at.computed.append(hash);
    ++at.count;
    if (at.count % kTileWidth != 0) return {};
    const Digest full = at.computed.root();
    return add(level + 1, full);
  }
  std::uint64_t tiles() const { return tiles_; }
  const std::optional<Error>& problem() const { return problem_; }

 private:
  struct Level {
    std::vector<Digest> stored;
    RootStream computed;
    std::uint64_t count{0};
  };
  const Directory& directory_;
  std::uint64_t size_;
  std::uint64_t tiles_{0};
  std::vector<Level> levels_;
  std::optional<Error> problem_;
};

class Walk {
 public:
  Walk(const Directory& directory, std::uint64_t size)
      : directory_(directory), size_(size), upper_(directory, size) {}

  // One bundle and the tile of level 0 beside it. An error ends the walk.
  Result<> check_bundle(std::uint64_t first, DirectoryReport& report) {
    Tile tile = bundle_at(first);
    COFFER_TRY(const auto entries, directory_.entries(tile));
    tile.kind = TileKind::Hashes;
    COFFER_TRY(const auto leaves, directory_.hashes(tile));
    std::vector<Digest> hashes;
    for (std::size_t i = 0; i < leaves.size(); ++i) {
      hashes.push_back(check_entry(first + i, entries[i], leaves[i], report));
    }
    ++report.bundles;
    ++report.hash_tiles;
    // A bundle's root stands for its leaves: only the last bundle is not a complete subtree.
    const Digest root = root_of(leaves);
    by_tile_.append(root);
    by_entry_.append(hashes == leaves ? root : root_of(hashes));
    if (leaves.size() == kTileWidth) COFFER_CHECK(upper_.add(1, root));
    return {};
  }

  // Once all bundles are checked. An entry and its hash in tile/0 that differ are told apart by
  // which of them leads to the signed root.
  Result<> finish(const Digest& root, DirectoryReport& report) const {
    report.hash_tiles += upper_.tiles();
    const bool tiles_right = by_tile_.root() == root;
    if (bad_) {
      if (tiles_right || bad_->lost) return problem();
      const Tile tile = bundle_at(bad_->index);
      const std::string path = Tile{TileKind::Hashes, 0, tile.index, tile.width}.path();
      if (by_entry_.root() != root) return problem();
      return bad_file(path, fmt::format("hash {} is not that of entry {}", bad_->index % kTileWidth,
                                        bad_->index));
    }
    if (!tiles_right) return bad_file("checkpoint", "its root is not that of the entries");
    if (upper_.problem()) return *upper_.problem();
    return {};
  }
  // The first bad entry, if there is one: it stands before any file that cannot be read later.
  Result<> problem() const {
    if (!bad_) return {};
    return bad_entry(bad_->index, bad_->lost ? "is lost, and no later recovery entry says so"
                                             : "its bytes are not those that were signed");
  }

 private:
  struct Bad {
    std::uint64_t index;
    bool lost;
  };

  static Digest root_of(const std::vector<Digest>& leaves) {
    RootStream stream;
    for (const Digest& leaf : leaves) stream.append(leaf);
    return stream.root();
  }

  Tile bundle_at(std::uint64_t first) const {
    const std::uint64_t index = first / kTileWidth;
    return {TileKind::Entries, 0, index, tile_width(0, index, size_)};
  }

  // Recovery entries stand after what they own up to, so the first lost entry has them looked for.
  // What is wrong with a file ends the search here and is reported by check_bundle().
  void find_recoveries() {
    searched_ = true;
    for (std::uint64_t first = 0; first < size_; first += kTileWidth) {
      const auto entries = directory_.entries(bundle_at(first));
      if (!entries) return;
      for (std::size_t i = 0; i < entries->size(); ++i) {
        const auto entry = Entry::parse((*entries)[i]);
        if (entry && entry->lost) recoveries_.push_back({*entry->lost, first + i});
      }
    }
  }

  const Gap* recovery_of(std::uint64_t index) {
    if (!searched_) find_recoveries();
    const auto found = std::ranges::find_if(recoveries_, [&](const Gap& gap) {
      return gap.lost.first <= index && index <= gap.lost.last && gap.recovery > gap.lost.last;
    });
    return found == recoveries_.end() ? nullptr : &*found;
  }

  // The hash that the entry has, or is known to have had.
  Digest check_entry(std::uint64_t index, const ByteVector& bytes, const Digest& leaf,
                     DirectoryReport& report) {
    const Digest hash = leaf_hash(bytes);
    if (hash == leaf || !bytes.empty()) {
      if (hash != leaf && !bad_) bad_ = Bad{index, false};
      const auto entry = Entry::parse(bytes);
      ++report.kinds[entry ? entry->kind : ""];
      return hash;
    }
    const Gap* recovery = recovery_of(index);
    if (recovery == nullptr) {
      if (!bad_) bad_ = Bad{index, true};
      return leaf;
    }
    auto& gaps = report.gaps;
    const bool joins = !gaps.empty() && gaps.back().lost.last + 1 == index &&
                       gaps.back().recovery == recovery->recovery;
    if (joins) {
      gaps.back().lost.last = index;
    } else {
      gaps.push_back({{index, index}, recovery->recovery});
    }
    return leaf;
  }

  const Directory& directory_;
  std::uint64_t size_;
  UpperTiles upper_;
  RootStream by_entry_;
  RootStream by_tile_;
  bool searched_{false};
  std::vector<Gap> recoveries_;
  std::optional<Bad> bad_;
};

}  // namespace

Result<DirectoryReport> verify_directory(const std::filesystem::path& directory,
                                         const Policy& policy, const VerifyProgress& progress) {
  const Directory files{directory};
  COFFER_TRY(const auto note, files.read("checkpoint", kNoteBytesMax));
  DirectoryReport report;
  auto accepted = policy.accept(text_of(note));
  if (!accepted) return std::move(accepted).error().in("checkpoint");
  report.accepted = *std::move(accepted);
  report.entries = report.accepted.checkpoint.size;
  Walk walk{files, report.entries};
  for (std::uint64_t first = 0; first < report.entries; first += kTileWidth) {
    if (auto checked = walk.check_bundle(first, report); !checked) {
      COFFER_CHECK(walk.problem());
      return std::move(checked).error();
    }
    if (progress) progress(std::min(first + kTileWidth, report.entries), report.entries);
  }
  COFFER_CHECK(walk.finish(report.accepted.checkpoint.root, report));
  return report;
}

}  // namespace coffer::ledger
