// A .tlog-proof: that one entry is in a log, in one file that needs no server.
//
// `extra` is unauthenticated by its format; ours holds an Opening (entry.h), and verify() believes
// it only because the hash of its public bytes is the proven leaf.
// Invariants: parse and render are inverse.
// Errors: InvalidArgument (not a proof file), Corrupt (it does not prove what it says).
// Thread-safety: as plain values.
// Source: C2SP tlog-proof.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "ledger/entry.h"
#include "ledger/merkle.h"
#include "ledger/policy.h"

namespace coffer::ledger {

struct ProofFile {
  ByteVector extra;  // empty: left out
  std::uint64_t index{};
  Proof path;
  std::string checkpoint;  // the signed note

  std::string render() const;
  static Result<ProofFile> parse(std::string_view text);
};

// What a verified proof says.
struct Proven {
  Accepted accepted;
  std::uint64_t index{};
  Opening opening;
  Entry entry;
};

// The checkpoint, once `policy` accepts it and the leaf is at `index` in it.
Result<Accepted> verify_leaf(const ProofFile& proof, const Digest& leaf, const Policy& policy);
// The same for a proof that carries its entry, and for the entry's commitment where it is opened.
Result<Proven> verify_proof(const ProofFile& proof, const Policy& policy);

// The proof file of an entry, at the tree's size of `signed_checkpoint`.
Result<ProofFile> make_proof(const MerkleTree& tree, std::uint64_t index, const Opening& opening,
                             std::string_view signed_checkpoint);

}  // namespace coffer::ledger
