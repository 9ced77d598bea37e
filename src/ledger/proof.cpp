#include "ledger/proof.h"

#include <fmt/format.h>

#include "ledger/detail/lines.h"

namespace coffer::ledger {
namespace {

constexpr std::string_view kHeader = "c2sp.org/tlog-proof@v1";
constexpr std::size_t kFileBytesMax = 4 << 20;
constexpr std::size_t kPathMax = 63;

Error bad(std::string_view why) {
  return Error{Code::InvalidArgument, fmt::format("not a proof file: {}", why)};
}

}  // namespace

std::string ProofFile::render() const {
  std::string out = fmt::format("{}\n", kHeader);
  if (!extra.empty()) out += fmt::format("extra {}\n", base64(extra));
  out += fmt::format("index {}\n", index);
  for (const Digest& hash : path) out += hash.base64() + "\n";
  return out + "\n" + checkpoint;
}

Result<ProofFile> ProofFile::parse(std::string_view text) {
  if (text.size() > kFileBytesMax) return bad("longer than 4 MiB");
  if (detail::take_line(text) != kHeader) return bad("wanted c2sp.org/tlog-proof@v1");
  ProofFile proof;
  auto line = detail::take_line(text);
  if (line && line->starts_with("extra ")) {
    auto extra = parse_base64(line->substr(6));
    if (!extra || extra->empty()) return bad("its extra line is not base64");
    proof.extra = *std::move(extra);
    line = detail::take_line(text);
  }
  const auto index =
      line && line->starts_with("index ") ? detail::parse_decimal(line->substr(6)) : std::nullopt;
  if (!index) return bad("no index line");
  proof.index = *index;
  for (line = detail::take_line(text); line && !line->empty(); line = detail::take_line(text)) {
    const auto hash = detail::parse_hash(*line);
    if (!hash) return bad("a hash that is not 32 bytes of base64");
    proof.path.push_back(*hash);
    if (proof.path.size() > kPathMax) return bad("more than 63 hashes");
  }
  if (!line) return bad("no empty line before the checkpoint");
  proof.checkpoint = text;
  COFFER_CHECK(Note::parse(text));
  return proof;
}

Result<Accepted> verify_leaf(const ProofFile& proof, const Digest& leaf, const Policy& policy) {
  COFFER_TRY(auto accepted, policy.accept(proof.checkpoint));
  const Checkpoint& checkpoint = accepted.checkpoint;
  if (proof.index >= checkpoint.size) {
    return Error{Code::Corrupt, fmt::format("entry {} is beyond the checkpoint's {} entries",
                                            proof.index, checkpoint.size)};
  }
  const InclusionClaim claim{
      {.index = proof.index, .size = checkpoint.size}, leaf, checkpoint.root};
  if (auto verified = verify_inclusion(claim, proof.path); !verified) {
    return std::move(verified).error().in(fmt::format("entry {}", proof.index));
  }
  return accepted;
}

Result<Proven> verify_proof(const ProofFile& proof, const Policy& policy) {
  if (proof.extra.empty()) return Error{Code::InvalidArgument, "the proof carries no entry"};
  COFFER_TRY(auto opening, Opening::parse(proof.extra));
  COFFER_TRY(auto entry, opening.check());
  COFFER_TRY(auto accepted, verify_leaf(proof, leaf_hash(opening.public_bytes), policy));
  return Proven{std::move(accepted), proof.index, std::move(opening), std::move(entry)};
}

Result<ProofFile> make_proof(const MerkleTree& tree, std::uint64_t index, const Opening& opening,
                             std::string_view signed_checkpoint) {
  COFFER_TRY(const Note note, Note::parse(signed_checkpoint));
  COFFER_TRY(const Checkpoint checkpoint, Checkpoint::parse(note.text));
  COFFER_TRY(auto path, tree.inclusion({.index = index, .size = checkpoint.size}));
  return ProofFile{opening.render(), index, std::move(path), std::string(signed_checkpoint)};
}

}  // namespace coffer::ledger
