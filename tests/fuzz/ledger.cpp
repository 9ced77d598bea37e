// What a ledger's reader is given: entries, openings, proofs, notes, checkpoints, tiles, policies.
#include "fuzz/fuzz.h"
#include "ledger/checkpoint.h"
#include "ledger/proof.h"
#include "ledger/tiles.h"

using namespace coffer;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto [which, input] = fuzz::choose(fuzz::text_in(data, size), 9);
  const ByteView bytes = bytes_of(input);
  const ByteVector whole(bytes.begin(), bytes.end());
  switch (which) {
    case 0:
      if (const auto entry = ledger::Entry::parse(bytes)) {
        fuzz::must(entry->public_bytes() == whole, "an entry has one form");
      }
      break;
    case 1:
      if (const auto opening = ledger::Opening::parse(bytes)) {
        fuzz::must(opening->render() == whole, "an opening has one form");
        if (opening->check()) (void)opening->private_fields().has_value();
      }
      break;
    case 2:
      if (const auto proof = ledger::ProofFile::parse(input)) {
        fuzz::must(proof->render() == input, "a proof has one form");
      }
      break;
    case 3:
      if (const auto note = ledger::Note::parse(input)) {
        fuzz::must(note->render() == input, "a note has one form");
      }
      break;
    case 4:
      if (const auto checkpoint = ledger::Checkpoint::parse(input)) {
        fuzz::must(checkpoint->text() == input, "a checkpoint has one form");
      }
      break;
    case 5:
      if (const auto key = ledger::VerifierKey::parse(input)) {
        fuzz::must(key->text() == input, "a key has one form");
      }
      break;
    case 6:
      (void)ledger::parse_path(input).has_value();
      break;
    case 7:
      (void)ledger::parse_bundle(bytes, 4).has_value();
      break;
    default:
      (void)ledger::Policy::parse(input).has_value();
  }
  return 0;
}
