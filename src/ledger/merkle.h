// The Merkle tree of the ledger: leaf and node hashes, roots, proofs and their verification.
//
// Invariants: a tree only grows; it keeps the hash of every complete subtree of each fourth level,
// so root and proofs at any earlier size take O(log n) hashes. It never needs the entries: leaf
// hashes are enough, and those lie in a LeafFile where it has one (3 bytes of memory a leaf, else
// 37). Copies share the file, each with places of its own. Sizes and indexes count entries.
// Errors: InvalidArgument (an index or size beyond the tree), Corrupt (a proof that proves nothing;
// leaves in the file that are not those written), Unavailable (the file cannot be read).
// Thread-safety: one thread for a tree and its copies. Source: RFC 6962 section 2.1 (hashing,
// proofs); RFC 9162 sections 2.1.3.2 and 2.1.4.2 (verification).
//
//   MerkleTree tree;
//   tree.append(leaf_hash(entry));
//   COFFER_TRY(const Proof proof, tree.inclusion({.index = 0, .size = tree.size()}));
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "base/result.h"
#include "crypto/crypto.h"
#include "ledger/leaf_file.h"

namespace coffer::ledger {

Digest leaf_hash(ByteView entry);                           // H(0x00 || entry)
Digest node_hash(const Digest& left, const Digest& right);  // H(0x01 || left || right)
Digest empty_root();                                        // H("")

// Hashes in the order of RFC 6962: the leaf's sibling first, the root's child last.
using Proof = std::vector<Digest>;

struct Position {
  std::uint64_t index;
  std::uint64_t size;  // of the tree that the proof is for
};

struct SizeRange {
  std::uint64_t from;
  std::uint64_t to;
};

class MerkleTree {
 public:
  MerkleTree() = default;
  explicit MerkleTree(std::shared_ptr<LeafFile> file) : file_(std::move(file)) {}
  // The file, where there is one.
  std::optional<int> fd() const { return file_ ? std::optional{file_->fd()} : std::nullopt; }

  // Appends one leaf hash and answers its index.
  std::uint64_t append(const Digest& leaf);
  std::uint64_t size() const { return places_.size() * LeafFile::kGroup + open_.size(); }
  Digest root() const;
  Result<Digest> root_at(std::uint64_t size) const;
  Result<Digest> leaf(std::uint64_t index) const;
  // The hash of the complete subtree of 2^level leaves that starts at leaf index * 2^level.
  Result<Digest> node(unsigned level, std::uint64_t index) const;
  Result<Proof> inclusion(Position position) const;
  // That the tree of size `to` begins with the tree of size `from`.
  Result<Proof> consistency(SizeRange sizes) const;

 private:
  using Group = LeafFile::Group;
  void close_group();
  Result<Group> group(std::uint64_t index) const;
  Result<Digest> complete(unsigned level, std::uint64_t index) const;
  Result<Digest> range_hash(std::uint64_t first, std::uint64_t last) const;
  Result<> prove_prefix(SizeRange sizes, Proof& proof) const;

  std::shared_ptr<LeafFile> file_;
  std::vector<std::optional<std::uint64_t>> places_;  // of each whole group, in the file
  std::map<std::uint64_t, Group> unwritten_;          // the groups that have none
  std::vector<Digest> open_;                          // leaves behind the last whole group
  // kept_[k][i] covers the groups [i * 16^k, (i + 1) * 16^k).
  std::vector<std::vector<Digest>> kept_;
  struct LastRead {
    std::uint64_t index;
    Group leaves;
  };
  mutable std::optional<LastRead> last_read_;  // leaves are mostly asked for in order
};

// The same root from a stream of leaf hashes, in O(log n) memory.
class RootStream {
 public:
  void append(const Digest& leaf);
  std::uint64_t size() const { return size_; }
  Digest root() const;

 private:
  std::uint64_t size_{0};
  std::vector<Digest> peaks_;  // of the complete subtrees, largest first: one per set bit of size_
};

struct InclusionClaim {
  Position position;
  Digest leaf;
  Digest root;
};
Result<> verify_inclusion(const InclusionClaim& claim, const Proof& proof);

struct ConsistencyClaim {
  SizeRange sizes;
  Digest from_root;
  Digest to_root;
};
Result<> verify_consistency(const ConsistencyClaim& claim, const Proof& proof);

}  // namespace coffer::ledger
