#include "ledger/note.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/wire.h"
#include "ledger/detail/lines.h"

namespace coffer::ledger {
namespace {

constexpr std::string_view kDash = "\xe2\x80\x94 ";  // U+2014 and a space

// White space of Unicode beyond ASCII, in UTF-8.
constexpr std::string_view kWideSpaces[] = {
    "\xc2\x85",     "\xc2\xa0",     "\xe1\x9a\x80", "\xe2\x80\x80", "\xe2\x80\x81",
    "\xe2\x80\x82", "\xe2\x80\x83", "\xe2\x80\x84", "\xe2\x80\x85", "\xe2\x80\x86",
    "\xe2\x80\x87", "\xe2\x80\x88", "\xe2\x80\x89", "\xe2\x80\x8a", "\xe2\x80\xa8",
    "\xe2\x80\xa9", "\xe2\x80\xaf", "\xe2\x81\x9f", "\xe3\x80\x80"};

bool is_key_name(std::string_view name) {
  if (name.empty() || !is_utf8(name)) return false;
  for (const char c : name) {
    if (static_cast<unsigned char>(c) <= 0x20 || c == '+') return false;
  }
  return std::ranges::none_of(kWideSpaces, [&](std::string_view space) {
    return name.find(space) != std::string_view::npos;
  });
}

bool is_note_text(std::string_view text) {
  const bool controls = std::ranges::any_of(
      text, [](char c) { return static_cast<unsigned char>(c) < 0x20 && c != '\n'; });
  return !controls && is_utf8(text);
}

KeyId key_id(std::string_view name, KeyType type, ByteView key) {
  const std::byte kind{static_cast<std::uint8_t>(type)};
  const Digest digest =
      Sha256{}.update(name).update("\n").update(ByteView{&kind, 1}).update(key).finish();
  KeyId id;
  std::copy_n(digest.bytes.begin(), id.size(), id.begin());
  return id;
}

std::string cosigned_text(std::string_view checkpoint_text, std::uint64_t unix_seconds) {
  return fmt::format("cosignature/v1\ntime {}\n{}", unix_seconds, checkpoint_text);
}

Error bad_note(std::string_view why) {
  return Error{Code::InvalidArgument, fmt::format("not a signed note: {}", why)};
}

Result<NoteSignature> parse_signature(std::string_view line) {
  if (!line.starts_with(kDash)) return bad_note("a signature line without its dash");
  line.remove_prefix(kDash.size());
  const auto space = line.find(' ');
  if (space == std::string_view::npos) return bad_note("a signature line without a name");
  const auto name = line.substr(0, space);
  const auto bytes = parse_base64(line.substr(space + 1));
  if (!is_key_name(name)) return bad_note("a signature line with a bad name");
  if (!bytes || bytes->size() < 5) return bad_note("a signature that is not base64");
  NoteSignature signature{std::string(name), {}, {bytes->begin() + 4, bytes->end()}};
  std::copy_n(bytes->begin(), 4, signature.id.begin());
  return signature;
}

Result<VerifiedSignature> verify_one(const Note& note, const NoteSignature& signature,
                                     const VerifierKey& key) {
  const Error bad{Code::Corrupt,
                  fmt::format("the signature of {} does not fit the note", printable(key.name()))};
  const ByteView bytes{signature.bytes};
  if (key.type() == KeyType::Ed25519) {
    if (!verify(key.public_key(), bytes_of(note.text), bytes)) return bad;
    return VerifiedSignature{};
  }
  if (bytes.size() != 8 + sizeof(Signature)) return bad;
  const std::uint64_t time = WireReader{bytes.first(8)}.u64();
  const std::string signed_text = cosigned_text(note.text, time);
  if (!verify(key.public_key(), bytes_of(signed_text), bytes.subspan(8))) return bad;
  return VerifiedSignature{.key = 0, .unix_seconds = time};
}

Result<> check_signable(std::string_view name, std::string_view text) {
  if (!is_key_name(name)) return Error{Code::InvalidArgument, "a key name with a space or '+'"};
  if (!is_note_text(text) || !text.ends_with('\n')) return bad_note("its text has no line end");
  return {};
}

}  // namespace

VerifierKey::VerifierKey(std::string name, KeyType type, const SignPublic& key)
    : name_(std::move(name)), type_(type), public_(key), id_(key_id(name_, type, key)) {}

Result<VerifierKey> VerifierKey::make(std::string_view name, KeyType type, const SignPublic& key) {
  if (!is_key_name(name)) {
    return Error{Code::InvalidArgument, "a key name is empty, or has a space or '+'"};
  }
  return VerifierKey{std::string(name), type, key};
}

Result<VerifierKey> VerifierKey::parse(std::string_view vkey) {
  const Error bad{Code::InvalidArgument, "not a verifier key: wanted NAME+8 hex digits+BASE64"};
  const auto first = vkey.find('+');
  if (first == std::string_view::npos) return bad;
  const auto second = vkey.find('+', first + 1);
  if (second == std::string_view::npos) return bad;
  const auto id = parse_hex(vkey.substr(first + 1, second - first - 1));
  const auto key = parse_base64(vkey.substr(second + 1));
  if (!id || id->size() != 4 || !key || key->empty()) return bad;
  const auto type = std::to_integer<std::uint8_t>((*key)[0]);
  if (type != 0x01 && type != 0x04) {
    return Error{
        Code::InvalidArgument,
        fmt::format("keys of type {:#04x} are not verified here: wanted 0x01 or 0x04", type)};
  }
  SignPublic bytes;
  if (key->size() != 1 + bytes.size()) return bad;
  std::copy_n(key->begin() + 1, bytes.size(), bytes.begin());
  COFFER_TRY(auto made, make(vkey.substr(0, first), KeyType{type}, bytes));
  if (!std::ranges::equal(*id, made.id())) {
    return Error{Code::InvalidArgument, "the verifier key's id does not fit its name and key"};
  }
  return made;
}

std::string VerifierKey::text() const {
  WireWriter key;
  key.u8(static_cast<std::uint8_t>(type_)).raw(public_);
  return fmt::format("{}+{}+{}", name_, hex(id_), base64(key.data()));
}

std::string NoteSignature::line() const {
  WireWriter all;
  all.raw(id).raw(bytes);
  return fmt::format("{}{} {}\n", kDash, name, base64(all.data()));
}

Result<Note> Note::parse(std::string_view bytes) {
  if (bytes.size() > kNoteBytesMax) return bad_note("longer than 1 MiB");
  if (!is_note_text(bytes)) return bad_note("a control byte, or not UTF-8");
  const auto middle = bytes.rfind("\n\n");
  if (middle == std::string_view::npos) return bad_note("no empty line before the signatures");
  Note note{std::string(bytes.substr(0, middle + 1)), {}};
  std::string_view rest = bytes.substr(middle + 2);
  if (rest.empty()) return bad_note("no signature");
  while (!rest.empty()) {
    const auto line = detail::take_line(rest);
    if (!line) return bad_note("its last line has no line end");
    COFFER_TRY(auto signature, parse_signature(*line));
    note.signatures.push_back(std::move(signature));
    if (note.signatures.size() > kNoteSignaturesMax) return bad_note("more than 100 signatures");
  }
  return note;
}

std::string Note::render() const {
  std::string out = text + "\n";
  for (const auto& signature : signatures) out += signature.line();
  return out;
}

Result<NoteSignature> sign_text(const SignKey& key, std::string_view name, std::string_view text) {
  COFFER_CHECK(check_signable(name, text));
  const Signature signature = key.sign(bytes_of(text));
  return NoteSignature{std::string(name),
                       key_id(name, KeyType::Ed25519, key.public_key()),
                       {signature.begin(), signature.end()}};
}

Result<NoteSignature> cosign_text(const SignKey& key, std::string_view name,
                                  std::string_view checkpoint_text, std::uint64_t unix_seconds) {
  COFFER_CHECK(check_signable(name, checkpoint_text));
  WireWriter bytes;
  bytes.u64(unix_seconds).raw(key.sign(bytes_of(cosigned_text(checkpoint_text, unix_seconds))));
  return NoteSignature{std::string(name), key_id(name, KeyType::Cosignature, key.public_key()),
                       std::move(bytes).take()};
}

Result<std::vector<VerifiedSignature>> verify_note(const Note& note,
                                                   const std::vector<VerifierKey>& keys) {
  std::vector<VerifiedSignature> verified;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    std::optional<VerifiedSignature> found;
    for (const auto& signature : note.signatures) {
      if (signature.name != keys[i].name() || signature.id != keys[i].id()) continue;
      COFFER_TRY(auto one, verify_one(note, signature, keys[i]));
      if (!found) found = VerifiedSignature{.key = i, .unix_seconds = one.unix_seconds};
    }
    if (found) verified.push_back(*found);
  }
  return verified;
}

}  // namespace coffer::ledger
