#include "ledger/merkle.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <span>

namespace coffer::ledger {
namespace {

constexpr unsigned kKeptEach = 4;  // levels
constexpr std::size_t kFan = std::size_t{1} << kKeptEach;
static_assert(kFan == LeafFile::kGroup, "a group is the first subtree that is kept");

// Of a complete subtree, from the hashes of one of its levels.
Digest hash_of(std::span<const Digest> level) {
  if (level.size() == 1) return level[0];
  const auto half = level.size() / 2;
  return node_hash(hash_of(level.first(half)), hash_of(level.last(half)));
}

Error beyond(std::string_view what, std::uint64_t value, std::uint64_t size) {
  return Error{Code::InvalidArgument,
               fmt::format("{} {} is beyond the tree of {} entries", what, value, size)};
}

// Walks up one level in two trees at once: the position, and the last one of its level.
struct Climb {
  std::uint64_t at;
  std::uint64_t last;
  void up() {
    at >>= 1;
    last >>= 1;
  }
  // Whether the next hash of a proof stands to the left.
  bool from_left() const { return (at & 1) != 0 || at == last; }
  // After a hash from the left: levels on which this node has no sibling carry it up unchanged.
  void skip_lone() {
    while ((at & 1) == 0 && at != 0) up();
  }
};

Error no_inclusion() {
  return Error{Code::Corrupt, "the inclusion proof does not lead to the root"};
}

Error no_consistency() {
  return Error{Code::Corrupt, "the consistency proof does not lead to both roots"};
}

}  // namespace

Digest leaf_hash(ByteView entry) {
  constexpr std::byte kLeaf{0};
  return Sha256{}.update(ByteView{&kLeaf, 1}).update(entry).finish();
}

Digest node_hash(const Digest& left, const Digest& right) {
  constexpr std::byte kNode{1};
  return Sha256{}.update(ByteView{&kNode, 1}).update(left.bytes).update(right.bytes).finish();
}

Digest empty_root() { return sha256(ByteView{}); }

std::uint64_t MerkleTree::append(const Digest& leaf) {
  open_.push_back(leaf);
  if (open_.size() == LeafFile::kGroup) close_group();
  return size() - 1;
}

void MerkleTree::close_group() {
  Group leaves;
  std::copy(open_.begin(), open_.end(), leaves.begin());
  open_.clear();
  const auto place = file_ ? file_->append(leaves) : std::nullopt;
  if (!place) unwritten_.emplace(places_.size(), leaves);
  places_.push_back(place);
  Digest parent = hash_of(leaves);
  for (std::size_t k = 0;; ++k) {
    if (k == kept_.size()) kept_.emplace_back();
    kept_[k].push_back(parent);
    if (kept_[k].size() % kFan != 0) return;
    parent = hash_of(std::span{kept_[k]}.last(kFan));
  }
}

// A whole one: as it was appended.
Result<MerkleTree::Group> MerkleTree::group(std::uint64_t index) const {
  if (last_read_ && last_read_->index == index) return last_read_->leaves;
  const auto place = places_[index];
  if (!place) return unwritten_.at(index);
  COFFER_TRY(const Group leaves, file_->read(*place));
  if (hash_of(leaves) != kept_[0][index]) {
    return Error{Code::Corrupt, "the ledger's leaves are not those that were written"};
  }
  last_read_ = {index, leaves};
  return leaves;
}

// The hash of the complete subtree of 2^level leaves that starts at leaf index * 2^level.
Result<Digest> MerkleTree::complete(unsigned level, std::uint64_t index) const {
  if (level < kKeptEach) {
    const std::uint64_t first = index << level;
    const std::size_t count = std::size_t{1} << level;
    const std::size_t within = first % LeafFile::kGroup;
    if (first / LeafFile::kGroup == places_.size()) {
      return hash_of(std::span{open_}.subspan(within, count));
    }
    COFFER_TRY(const Group leaves, group(first / LeafFile::kGroup));
    return hash_of(std::span{leaves}.subspan(within, count));
  }
  // From the next level below that is kept.
  const unsigned above = level % kKeptEach;
  const auto& kept = kept_[level / kKeptEach - 1];
  return hash_of(std::span{kept}.subspan(index << above, std::size_t{1} << above));
}

// Of the leaves [first, last), where `first` is a multiple of the next power of two of their
// number: every range that RFC 6962 splits a tree into is of that kind.
Result<Digest> MerkleTree::range_hash(std::uint64_t first, std::uint64_t last) const {
  const std::uint64_t count = last - first;
  if (std::has_single_bit(count)) {
    const auto level = static_cast<unsigned>(std::countr_zero(count));
    return complete(level, first >> level);
  }
  const std::uint64_t middle = first + std::bit_floor(count);
  COFFER_TRY(const Digest left, range_hash(first, middle));
  COFFER_TRY(const Digest right, range_hash(middle, last));
  return node_hash(left, right);
}

// Needs no leaf of a whole group.
Digest MerkleTree::root() const {
  return size() == 0 ? empty_root() : range_hash(0, size()).value();
}

Result<Digest> MerkleTree::root_at(std::uint64_t size_wanted) const {
  if (size_wanted > size()) return beyond("size", size_wanted, size());
  if (size_wanted == 0) return empty_root();
  return range_hash(0, size_wanted);
}

Result<Digest> MerkleTree::leaf(std::uint64_t index) const {
  if (index >= size()) return beyond("index", index, size());
  return complete(0, index);
}

Result<Digest> MerkleTree::node(unsigned level, std::uint64_t index) const {
  if (level >= std::numeric_limits<std::uint64_t>::digits || index >= size() >> level) {
    return beyond(fmt::format("level {} node", level), index, size());
  }
  return complete(level, index);
}

Result<Proof> MerkleTree::inclusion(Position position) const {
  if (position.size > size()) return beyond("size", position.size, size());
  if (position.index >= position.size) return beyond("index", position.index, position.size);
  Proof proof;
  std::uint64_t first = 0;
  std::uint64_t last = position.size;
  while (last - first > 1) {
    const std::uint64_t middle = first + std::bit_floor(last - first - 1);
    const bool in_left = position.index < middle;
    COFFER_TRY(const Digest other, in_left ? range_hash(middle, last) : range_hash(first, middle));
    proof.push_back(other);
    (in_left ? last : first) = middle;
  }
  return Proof{proof.rbegin(), proof.rend()};
}

// SUBPROOF of RFC 6962 section 2.1.2, from the root down, so in reverse order.
Result<> MerkleTree::prove_prefix(SizeRange sizes, Proof& proof) const {
  std::uint64_t first = 0;
  std::uint64_t last = sizes.to;
  while (sizes.from != last) {
    const std::uint64_t middle = first + std::bit_floor(last - first - 1);
    const bool in_left = sizes.from <= middle;
    COFFER_TRY(const Digest other, in_left ? range_hash(middle, last) : range_hash(first, middle));
    proof.push_back(other);
    (in_left ? last : first) = middle;
  }
  if (first == 0) return {};
  COFFER_TRY(const Digest end, range_hash(first, last));
  proof.push_back(end);
  return {};
}

Result<Proof> MerkleTree::consistency(SizeRange sizes) const {
  if (sizes.to > size()) return beyond("size", sizes.to, size());
  if (sizes.from > sizes.to) return beyond("size", sizes.from, sizes.to);
  Proof proof;
  if (sizes.from != 0) COFFER_CHECK(prove_prefix(sizes, proof));
  return Proof{proof.rbegin(), proof.rend()};
}

void RootStream::append(const Digest& leaf) {
  Digest peak = leaf;
  for (std::uint64_t rest = size_; (rest & 1) != 0; rest >>= 1) {
    peak = node_hash(peaks_.back(), peak);
    peaks_.pop_back();
  }
  peaks_.push_back(peak);
  ++size_;
}

Digest RootStream::root() const {
  if (peaks_.empty()) return empty_root();
  Digest root = peaks_.back();
  for (std::size_t i = peaks_.size() - 1; i-- > 0;) root = node_hash(peaks_[i], root);
  return root;
}

Result<> verify_inclusion(const InclusionClaim& claim, const Proof& proof) {
  const auto [index, size] = claim.position;
  if (index >= size) return beyond("index", index, size);
  Climb climb{index, size - 1};
  Digest root = claim.leaf;
  for (const Digest& hash : proof) {
    if (climb.last == 0) return no_inclusion();
    if (climb.from_left()) {
      root = node_hash(hash, root);
      climb.skip_lone();
    } else {
      root = node_hash(root, hash);
    }
    climb.up();
  }
  if (climb.last != 0 || root != claim.root) return no_inclusion();
  return {};
}

Result<> verify_consistency(const ConsistencyClaim& claim, const Proof& proof) {
  const auto [from, to] = claim.sizes;
  if (from > to) return beyond("size", from, to);
  if (from == to || from == 0) {
    const Digest& wanted = from == to ? claim.to_root : empty_root();
    if (!proof.empty() || claim.from_root != wanted) return no_consistency();
    return {};
  }
  // A complete older tree is itself the first node; the proof leaves it out.
  const bool complete = std::has_single_bit(from);
  if (proof.empty()) return no_consistency();
  Climb climb{from - 1, to - 1};
  while ((climb.at & 1) != 0) climb.up();
  Digest old_root = complete ? claim.from_root : proof[0];
  Digest new_root = old_root;
  for (std::size_t i = complete ? 0 : 1; i < proof.size(); ++i) {
    if (climb.last == 0) return no_consistency();
    if (climb.from_left()) {
      old_root = node_hash(proof[i], old_root);
      new_root = node_hash(proof[i], new_root);
      climb.skip_lone();
    } else {
      new_root = node_hash(new_root, proof[i]);
    }
    climb.up();
  }
  const bool proven = climb.last == 0 && old_root == claim.from_root && new_root == claim.to_root;
  if (!proven) return no_consistency();
  return {};
}

}  // namespace coffer::ledger
