#include "ledger/checkpoint.h"

#include <fmt/format.h>

#include "ledger/detail/lines.h"

namespace coffer::ledger {

std::string Checkpoint::text() const {
  return fmt::format("{}\n{}\n{}\n", origin, size, root.base64());
}

Result<Checkpoint> Checkpoint::parse(std::string_view text) {
  const Error bad{Code::InvalidArgument, "not a checkpoint: wanted origin, size and root, no more"};
  const auto origin = detail::take_line(text);
  const auto size_text = detail::take_line(text);
  const auto root_text = detail::take_line(text);
  if (!origin || origin->empty() || !size_text || !root_text || !text.empty()) return bad;
  const auto size = detail::parse_decimal(*size_text);
  const auto root = detail::parse_hash(*root_text);
  if (!size || !root) return bad;
  return Checkpoint{std::string(*origin), *size, *root};
}

Result<std::string> sign_checkpoint(const Checkpoint& checkpoint, const SignKey& log_key) {
  Note note{checkpoint.text(), {}};
  COFFER_TRY(auto signature, sign_text(log_key, checkpoint.origin, note.text));
  note.signatures.push_back(std::move(signature));
  return note.render();
}

Result<Checkpoint> open_checkpoint(std::string_view signed_note, const VerifierKey& log) {
  COFFER_TRY(const Note note, Note::parse(signed_note));
  COFFER_TRY(auto checkpoint, Checkpoint::parse(note.text));
  COFFER_TRY(const auto verified, verify_note(note, {log}));
  if (log.type() != KeyType::Ed25519 || verified.empty()) {
    return Error{Code::Corrupt, "the checkpoint is not signed by " + printable(log.text())};
  }
  if (checkpoint.origin != log.name()) {
    return Error{Code::Corrupt, "the checkpoint's origin is " + printable(checkpoint.origin) +
                                    ", the key's is " + printable(log.name())};
  }
  return checkpoint;
}

}  // namespace coffer::ledger
