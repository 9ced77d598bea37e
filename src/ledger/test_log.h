// A small log for tests: entries, their tree, and the directory that `ledger export` writes.
//
// Errors: none; a test that cannot write its files aborts. Thread-safety: one thread.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "ledger/checkpoint.h"
#include "ledger/merkle.h"
#include "ledger/tiles.h"

namespace coffer::ledger {

inline ByteVector bytes_from(std::string_view text) {
  const ByteView view = bytes_of(text);
  return {view.begin(), view.end()};
}

// Consecutive bytes from `first`: the seeds of the published test vectors.
inline SignKey counting_key(std::uint8_t first) {
  ByteVector seed;
  for (unsigned i = 0; i < 32; ++i) seed.push_back(static_cast<std::byte>(first + i));
  return *SignKey::from_seed(seed);
}

inline constexpr std::string_view kLogName = "coffer.example/ledger";

inline VerifierKey log_vkey() {
  return *VerifierKey::make(kLogName, KeyType::Ed25519, counting_key(0).public_key());
}

inline MerkleTree tree_of(const std::vector<ByteVector>& entries) {
  MerkleTree tree;
  for (const auto& entry : entries) tree.append(leaf_hash(entry));
  return tree;
}

inline std::vector<ByteVector> decimal_entries(std::size_t count) {
  std::vector<ByteVector> entries;
  for (std::size_t i = 0; i < count; ++i) entries.push_back(bytes_from(std::to_string(i)));
  return entries;
}

class TempDir {
 public:
  TempDir() {
    std::string name = (std::filesystem::temp_directory_path() / "coffer_ledger_XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir() { std::filesystem::remove_all(path_); }
  const std::filesystem::path& path() const { return path_; }

  void write(const std::string& name, ByteView bytes) const {
    std::filesystem::create_directories((path_ / name).parent_path());
    std::ofstream out(path_ / name, std::ios::binary);
    out << text_of(bytes);
  }
  std::string read(const std::string& name) const {
    std::ifstream in(path_ / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

 private:
  std::filesystem::path path_;
};

inline std::string signed_checkpoint(const MerkleTree& tree) {
  return *sign_checkpoint({std::string(kLogName), tree.size(), tree.root()}, counting_key(0));
}

// Writes what a log with this tree serves; `entries` may differ from what the tree hashed.
inline void export_log(const TempDir& dir, const MerkleTree& tree,
                       const std::vector<ByteVector>& entries) {
  for (const Tile& tile : tiles_of(tree.size())) {
    if (tile.kind == TileKind::Hashes) {
      dir.write(tile.path(), *render_tile(tree, tile));
      continue;
    }
    const auto from = entries.begin() + static_cast<std::ptrdiff_t>(tile.first_entry());
    dir.write(tile.path(), *render_bundle({from, from + static_cast<std::ptrdiff_t>(tile.width)}));
  }
  dir.write("checkpoint", bytes_of(signed_checkpoint(tree)));
}

}  // namespace coffer::ledger
