#include "ledger/merkle.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>

#include "ledger/test_log.h"

namespace coffer::ledger {
namespace {

std::vector<ByteVector> rfc_entries() {
  std::vector<ByteVector> entries;
  for (const auto* text : {"", "00", "10", "2021", "3031", "40414243", "5051525354555657"}) {
    entries.push_back(*parse_hex(text));
  }
  return entries;
}

std::string hex_root(const MerkleTree& tree, std::uint64_t size) {
  return hex(tree.root_at(size)->bytes);
}

// RFC 6962 section 2.1, word for word: what the fast tree must equal.
Digest plain_root(const std::vector<Digest>& leaves, std::size_t first, std::size_t last) {
  if (last - first == 1) return leaves[first];
  std::size_t split = 1;
  while (split * 2 < last - first) split *= 2;
  return node_hash(plain_root(leaves, first, first + split),
                   plain_root(leaves, first + split, last));
}

TEST(Merkle, RootsOfThePublishedEntries) {
  const MerkleTree tree = tree_of(rfc_entries());
  EXPECT_EQ(hex_root(tree, 0), hex(sha256("").bytes));
  EXPECT_EQ(hex_root(tree, 1), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
  EXPECT_EQ(hex_root(tree, 3), "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77");
  EXPECT_EQ(tree.root().base64(), "3bib5AOAnjJXUNPSY814kpwpQreUKjS3fhIslZSnTIw=");
  EXPECT_EQ(tree.root(), *tree.root_at(7));
  EXPECT_FALSE(tree.root_at(8));
}

TEST(Merkle, ConsistencyProofOfThePublishedEntries) {
  const Proof proof = *tree_of(rfc_entries()).consistency({.from = 3, .to = 7});
  ASSERT_EQ(proof.size(), 4U);
  EXPECT_EQ(proof[0].base64(), "ApjRIpBtz8EIkstTpzmS/FufST6kybrbJ7eRtBJ6f+c=");
  EXPECT_EQ(proof[1].base64(), "B1Bqhf2d0vEg62lPhgEeW7RmLlxBWmKRcDPUqWJEh+c=");
  EXPECT_EQ(proof[2].base64(), "+sVCA+fMaWzw38tCySodnbr3CtnmIfS9jZhmLwDjwSU=");
  EXPECT_EQ(proof[3].base64(), "g327FS6bB5AQcX6E6GXaTrwPoZioBtWdMb8VrM7yLQ4=");
}

constexpr std::size_t kSizes = 129;

std::vector<Digest> many_leaves() {
  std::vector<Digest> leaves;
  for (const auto& entry : decimal_entries(kSizes)) leaves.push_back(leaf_hash(entry));
  return leaves;
}

// Leaves in memory, or in a file without a name.
class MerkleIn : public testing::TestWithParam<bool> {
 protected:
  MerkleTree make() const {
    return GetParam() ? MerkleTree{LeafFile::below(directory_.path())} : MerkleTree{};
  }
  TempDir directory_;
};

INSTANTIATE_TEST_SUITE_P(Places, MerkleIn, testing::Bool(),
                         [](const auto& tested) { return tested.param ? "File" : "Memory"; });

TEST_P(MerkleIn, EverySizeHasTheRootOfTheDefinition) {
  const auto leaves = many_leaves();
  MerkleTree tree = make();
  RootStream stream;
  for (std::size_t size = 1; size <= kSizes; ++size) {
    EXPECT_EQ(tree.append(leaves[size - 1]), size - 1);
    stream.append(leaves[size - 1]);
    const Digest wanted = plain_root(leaves, 0, size);
    EXPECT_EQ(tree.root(), wanted) << size;
    EXPECT_EQ(stream.root(), wanted) << size;
  }
  for (std::size_t size = 1; size <= kSizes; ++size) {
    EXPECT_EQ(*tree.root_at(size), plain_root(leaves, 0, size)) << size;
  }
}

// Every change to the claim or the proof must be refused.
void expect_inclusion_refused(InclusionClaim claim, const Proof& proof) {
  const auto refused = [&](const InclusionClaim& changed, const Proof& hashes) {
    EXPECT_FALSE(verify_inclusion(changed, hashes))
        << claim.position.index << " of " << claim.position.size;
  };
  for (std::size_t i = 0; i < proof.size(); ++i) {
    Proof changed = proof;
    changed[i].bytes[i % 32] ^= std::byte{1};
    refused(claim, changed);
  }
  Proof longer = proof;
  longer.push_back(claim.leaf);
  refused(claim, longer);
  if (!proof.empty()) refused(claim, {proof.begin(), proof.end() - 1});
  InclusionClaim other = claim;
  other.leaf.bytes[0] ^= std::byte{1};
  refused(other, proof);
  other = claim;
  other.root.bytes[31] ^= std::byte{128};
  refused(other, proof);
  for (const std::uint64_t index : {claim.position.index + 1, claim.position.index ^ 1}) {
    other = claim;
    other.position.index = index;
    if (index != claim.position.index) refused(other, proof);
  }
}

TEST_P(MerkleIn, EveryInclusionProofHoldsAndNoChangedOneDoes) {
  const auto leaves = many_leaves();
  MerkleTree tree = make();
  for (const auto& leaf : leaves) tree.append(leaf);
  for (std::uint64_t size = 1; size <= kSizes; size += size < 40 ? 1 : 7) {
    for (std::uint64_t index = 0; index < size; ++index) {
      const Proof proof = *tree.inclusion({.index = index, .size = size});
      const InclusionClaim claim{
          {.index = index, .size = size}, leaves[index], *tree.root_at(size)};
      ASSERT_TRUE(verify_inclusion(claim, proof)) << index << " of " << size;
      expect_inclusion_refused(claim, proof);
    }
  }
  EXPECT_FALSE(tree.inclusion({.index = 5, .size = 5}));
  EXPECT_FALSE(tree.inclusion({.index = 0, .size = kSizes + 1}));
}

void expect_consistency_refused(ConsistencyClaim claim, const Proof& proof) {
  const auto refused = [&](const ConsistencyClaim& changed, const Proof& hashes) {
    EXPECT_FALSE(verify_consistency(changed, hashes))
        << claim.sizes.from << " to " << claim.sizes.to;
  };
  for (std::size_t i = 0; i < proof.size(); ++i) {
    Proof changed = proof;
    changed[i].bytes[i % 32] ^= std::byte{1};
    refused(claim, changed);
  }
  Proof longer = proof;
  longer.push_back(claim.to_root);
  refused(claim, longer);
  if (!proof.empty()) refused(claim, {proof.begin(), proof.end() - 1});
  ConsistencyClaim other = claim;
  other.from_root.bytes[3] ^= std::byte{1};
  refused(other, proof);
  other = claim;
  other.to_root.bytes[3] ^= std::byte{1};
  if (claim.sizes.from != 0) refused(other, proof);
}

TEST_P(MerkleIn, EveryConsistencyProofHoldsAndNoChangedOneDoes) {
  MerkleTree tree = make();
  for (const auto& leaf : many_leaves()) tree.append(leaf);
  for (std::uint64_t to = 0; to <= kSizes; to += to < 40 ? 1 : 7) {
    for (std::uint64_t from = 0; from <= to; ++from) {
      const SizeRange sizes{.from = from, .to = to};
      const Proof proof = *tree.consistency(sizes);
      const ConsistencyClaim claim{sizes, *tree.root_at(from), *tree.root_at(to)};
      ASSERT_TRUE(verify_consistency(claim, proof)) << from << " to " << to;
      expect_consistency_refused(claim, proof);
    }
  }
  EXPECT_FALSE(tree.consistency({.from = 4, .to = 3}));
  EXPECT_FALSE(tree.consistency({.from = 4, .to = kSizes + 1}));
}

TEST(Merkle, ShrinkingIsRefused) {
  const MerkleTree tree = tree_of(rfc_entries());
  EXPECT_FALSE(verify_consistency({{.from = 7, .to = 3}, tree.root(), *tree.root_at(3)}, {}));
}

TEST_P(MerkleIn, LargeTreesHaveTheRootsOfTheStream) {
  constexpr std::size_t kMany = 4400;  // more than 16^3
  MerkleTree tree = make();
  RootStream stream;
  std::vector<Digest> roots{stream.root()};
  for (const auto& entry : decimal_entries(kMany)) {
    tree.append(leaf_hash(entry));
    stream.append(leaf_hash(entry));
    roots.push_back(stream.root());
    ASSERT_EQ(tree.root(), roots.back()) << tree.size();
  }
  for (std::size_t size = 0; size <= kMany; size += 13) {
    ASSERT_EQ(*tree.root_at(size), roots[size]) << size;
  }
  EXPECT_EQ(*tree.node(12, 0), roots[4096]);
  EXPECT_TRUE(std::filesystem::is_empty(directory_.path())) << "the file has no name";
}

TEST_P(MerkleIn, CopiesGoTheirOwnWays) {
  const auto leaves = many_leaves();
  MerkleTree tree = make();
  for (std::size_t i = 0; i < 40; ++i) tree.append(leaves[i]);
  MerkleTree other = tree;
  for (std::size_t i = 40; i < kSizes; ++i) {
    tree.append(leaves[i]);
    other.append(leaves[kSizes - i]);
  }
  for (std::uint64_t i = 0; i < kSizes; ++i) {
    EXPECT_EQ(*tree.leaf(i), leaves[i]) << i;
    EXPECT_EQ(*other.leaf(i), leaves[i < 40 ? i : kSizes - i]) << i;
  }
}

TEST(Merkle, KeepsInMemoryWhatTheDiskDidNotTake) {
  const TempDir directory;
  const auto leaves = many_leaves();
  MerkleTree tree{LeafFile::below(directory.path())};
  for (std::size_t i = 0; i < 50; ++i) tree.append(leaves[i]);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit full = before;
  full.rlim_cur = 1600;  // inside the fourth group
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &full), 0);
  for (std::size_t i = 50; i < 90; ++i) tree.append(leaves[i]);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  (void)std::signal(SIGXFSZ, handler);
  for (std::size_t i = 90; i < kSizes; ++i) tree.append(leaves[i]);
  for (std::uint64_t i = 0; i < kSizes; ++i) EXPECT_EQ(*tree.leaf(i), leaves[i]) << i;
}

TEST(Merkle, LeavesThatWereChangedAreNotBelieved) {
  const TempDir directory;
  MerkleTree tree{LeafFile::below(directory.path())};
  for (const auto& leaf : many_leaves()) tree.append(leaf);
  const Digest root = tree.root();
  ASSERT_TRUE(tree.fd());
  ASSERT_EQ(::pwrite(*tree.fd(), "x", 1, 16 * 32 + 5), 1);
  EXPECT_TRUE(tree.leaf(15));
  EXPECT_TRUE(tree.leaf(32));
  const auto changed = tree.leaf(20);
  ASSERT_FALSE(changed);
  EXPECT_EQ(changed.error().code, Code::Corrupt);
  EXPECT_FALSE(tree.inclusion({.index = 17, .size = kSizes}));
  EXPECT_FALSE(tree.root_at(21));
  EXPECT_EQ(tree.root(), root) << "needs no leaf of a whole group";
  ASSERT_EQ(::ftruncate(*tree.fd(), 100), 0);
  const auto gone = tree.leaf(100);
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().code, Code::Unavailable);
}

TEST(Merkle, NodesAreThoseOfCompleteSubtreesOnly) {
  const MerkleTree tree = tree_of(rfc_entries());
  EXPECT_EQ(*tree.node(1, 0), node_hash(*tree.leaf(0), *tree.leaf(1)));
  EXPECT_EQ(*tree.node(2, 0), *tree.root_at(4));
  EXPECT_FALSE(tree.node(2, 1));
  EXPECT_FALSE(tree.node(3, 0));
  EXPECT_FALSE(tree.leaf(7));
}

}  // namespace
}  // namespace coffer::ledger
