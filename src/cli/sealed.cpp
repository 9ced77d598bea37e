#include "cli/sealed.h"

#include <algorithm>

#include "base/wire.h"
#include "cli/problem.h"
#include "ledger/proof.h"
#include "program/names.h"

namespace coffer::cli {
namespace {

Error untrue(std::string_view what) {
  Error error = refused("corrupt", std::string(what), "tell the operator");
  error.code = Code::Corrupt;
  return error;
}

}  // namespace

Result<OpenedFile> open_sealed(const Key& key, ByteView sealed, const Digest& run,
                               std::string_view output) {
  const std::string bound = "coffer-output-v1\n" + run.text() + "\n" + std::string(output);
  const auto plain = aead_open(key, sealed, bytes_of(bound));
  if (!plain) return untrue("the sealed bytes are not those of this run and output");
  WireReader in{*plain};
  const ByteView salt = in.raw(32);
  const std::uint64_t length = in.u64();
  if (in.failed() || length > in.left()) return untrue("the sealed file has not its own length");
  const ByteView content = in.raw(static_cast<std::size_t>(length));
  const ByteView padding = in.raw(in.left());
  if (std::any_of(padding.begin(), padding.end(), [](std::byte b) { return b != std::byte{0}; })) {
    return untrue("the sealed file has more than its content");
  }
  OpenedFile file{.salt = {salt.begin(), salt.end()},
                  .content = std::string(text_of(content)),
                  .digest = sha256(content),
                  .commitment = {}};
  Sha256 hash;
  hash.update(salt).update(file.digest.bytes);
  file.commitment = hash.finish();
  return file;
}

Result<ReleaseFacts> check_release(const Json& release, const Digest& run,
                                   const std::string& ledger_vkey) {
  ReleaseFacts facts{.output = release.text_or("output", ""),
                     .file = release.text_or("file", ""),
                     .release_json = release.text_or("release_json", ""),
                     .proof = release.text_or("proof", ""),
                     .content = {}};
  const bool named = program::is_name(facts.output) && facts.file.starts_with(facts.output + ".") &&
                     facts.file.find('/') == std::string::npos;
  if (!named) return untrue("the server names a release as no output can be named");
  COFFER_TRY(const auto vkey, ledger::VerifierKey::parse(ledger_vkey));
  COFFER_TRY(const auto proof, ledger::ProofFile::parse(facts.proof));
  const auto proven = ledger::verify_proof(proof, ledger::Policy::of_key(vkey));
  if (!proven) return untrue("the release's proof: " + proven.error().message);
  COFFER_TRY(const Json fields, proven->opening.private_fields());
  if (proven->entry.kind != "release" || fields.text_or("run", "") != run.text() ||
      fields.text_or("output", "") != facts.output) {
    return untrue("the proof is about another entry than this release");
  }
  if (fields.text_or("release", "") != sha256(facts.release_json).text()) {
    return untrue("release.json is not the one in the ledger");
  }
  COFFER_TRY(facts.content, Digest::parse(fields.text_or("content", "")));
  return facts;
}

}  // namespace coffer::cli
