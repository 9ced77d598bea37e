#include "cli/keys.h"

#include <algorithm>

#include "base/text.h"
#include "cli/files.h"
#include "cli/problem.h"

namespace coffer::cli {
namespace {

Error bad_file(std::string_view why) {
  return refused("key_file", "this is no key file: " + std::string(why), "coffer key restore FILE");
}

Error bad_chain(std::string_view user, std::string_view why) {
  Error error =
      refused("key_changed",
              "the keys of " + std::string(user) + " are not to be trusted: " + std::string(why),
              "ask " + std::string(user) + " for the fingerprint of `coffer key ls`");
  error.code = Code::Denied;
  return error;
}

// Signed by the new key, and by the one before or enough of its recovery keys.
bool follows(const grant::Envelope& envelope, const grant::UserKey& next,
             const grant::UserKey& previous) {
  if (!grant::signed_by(envelope, next.sign_key)) return false;
  if (grant::signed_by(envelope, previous.sign_key)) return true;
  return previous.recovery_need > 0 &&
         grant::count_signers(envelope, previous.recovery_keys) >= previous.recovery_need;
}

}  // namespace

KeyPair KeyPair::generate(std::string user) {
  return {std::move(user), SignKey::generate(), SealKey::generate()};
}

std::string key_fingerprint(const SignPublic& sign_key, const SealPublic& seal_key) {
  return Sha256().update(sign_key).update(seal_key).finish().id("");
}

std::string render_keys(const KeyPair& keys) {
  return Json::object(
             {{"v", 1},
              {"user", keys.user},
              {"fingerprint", key_fingerprint(keys.sign.public_key(), keys.seal.public_key())},
              {"sign_seed", base64(keys.sign.seed().expose())},
              {"seal_secret", base64(keys.seal.secret().expose())}})
             .pretty() +
         "\n";
}

Result<KeyPair> parse_keys(std::string_view text) {
  const auto json = Json::parse(text);
  if (!json) return bad_file("it is no JSON");
  StrictReader in{*json, "key file"};
  const auto version = in.uint("v");
  std::string user = in.text("user");
  const std::string fingerprint = in.text("fingerprint");
  const auto seed = parse_key32(in.text("sign_seed"));
  const auto secret = parse_key32(in.text("seal_secret"));
  if (const auto read = in.finish(); !read) return bad_file(read.error().message);
  if (version != 1) return bad_file("its version is not 1");
  if (!seed || !secret) return bad_file("a key is not 32 bytes in base64");
  COFFER_TRY(SignKey sign, SignKey::from_seed(*seed));
  COFFER_TRY(SealKey seal, SealKey::from_secret(*secret));
  if (key_fingerprint(sign.public_key(), seal.public_key()) != fingerprint) {
    return bad_file("its fingerprint does not fit its keys");
  }
  return KeyPair{std::move(user), std::move(sign), std::move(seal)};
}

Result<> save_keys(const std::filesystem::path& path, const KeyPair& keys) {
  return replace_file(path, render_keys(keys), Access::Private);
}

Result<KeyPair> load_keys(const std::filesystem::path& path) {
  auto text = read_private(path);
  if (!text && text.error().code == Code::NotFound) {
    Error error = refused("no_keys", "your keys are not on this machine",
                          "coffer key restore FILE, or coffer login again as a new user");
    error.code = Code::NotFound;
    return error;
  }
  if (!text) return std::move(text).error();
  return parse_keys(*text);
}

grant::UserKey key_statement(const KeyPair& keys, const Rotation& rotation,
                             std::string_view ledger_vkey, UnixTime now) {
  grant::UserKey statement{.user = keys.user,
                           .sign_key = keys.sign.public_key(),
                           .seal_key = keys.seal.public_key(),
                           .recovery_keys = rotation.recovery_keys,
                           .recovery_need = rotation.recovery_need,
                           .previous = {},
                           .sequence = 1,
                           .ledger_vkey = std::string(ledger_vkey),
                           .issued = now};
  if (rotation.previous != nullptr) {
    statement.previous = grant::digest_of(*rotation.previous);
    statement.sequence = rotation.previous->sequence + 1;
  }
  return statement;
}

Result<grant::UserKey> follow_chain(const std::vector<grant::Envelope>& chain,
                                    std::string_view user, std::string_view ledger_vkey) {
  std::optional<grant::UserKey> last;
  for (const auto& envelope : chain) {
    auto statement = grant::open<grant::UserKey>(envelope);
    if (!statement) return bad_chain(user, statement.error().message);
    if (statement->user != user) return bad_chain(user, "a statement is about somebody else");
    if (statement->ledger_vkey != ledger_vkey) return bad_chain(user, "another ledger's statement");
    if (!last) {
      if (statement->previous || statement->sequence != 1 ||
          !grant::signed_by(envelope, statement->sign_key)) {
        return bad_chain(user, "the first statement is not its own beginning");
      }
    } else if (statement->sequence != last->sequence + 1 ||
               statement->previous != grant::digest_of(*last) ||
               !follows(envelope, *statement, *last)) {
      return bad_chain(user, "statement " + std::to_string(statement->sequence) +
                                 " is not signed by the one before");
    }
    last = *std::move(statement);
  }
  if (!last) {
    Error error = refused("key_missing", std::string(user) + " has no keys yet",
                          "let " + std::string(user) + " run coffer login first");
    return error;
  }
  return *std::move(last);
}

Result<Pins> Pins::parse(std::string_view text) {
  COFFER_TRY(const Json json, Json::parse(text));
  const auto* members = json.as_object();
  if (members == nullptr) return Error{Code::InvalidArgument, "the file of pins is no object"};
  Pins pins;
  for (const auto& [user, value] : *members) {
    const auto* digest = value.as_string();
    if (digest == nullptr) return Error{Code::InvalidArgument, "pin of " + user + " is no text"};
    COFFER_TRY(const Digest parsed, Digest::parse(*digest));
    pins.by_user_.emplace(user, parsed);
  }
  return pins;
}

std::string Pins::render() const {
  Json json = Json::object({});
  for (const auto& [user, digest] : by_user_) json.set(user, digest.text());
  return json.pretty() + "\n";
}

const Digest* Pins::find(const std::string& user) const {
  const auto found = by_user_.find(user);
  return found == by_user_.end() ? nullptr : &found->second;
}

Result<Pins::Seen> Pins::see(const std::vector<grant::Envelope>& chain,
                             const grant::UserKey& present) {
  const Digest end = grant::digest_of(present);
  const auto pinned = by_user_.find(present.user);
  if (pinned == by_user_.end()) {
    by_user_.emplace(present.user, end);
    return Seen::First;
  }
  if (pinned->second == end) return Seen::Same;
  const bool known = std::any_of(chain.begin(), chain.end(), [&](const grant::Envelope& envelope) {
    return envelope.digest() == pinned->second;
  });
  if (!known) return bad_chain(present.user, "they changed without a signature of the pinned key");
  pinned->second = end;
  return Seen::Rotated;
}

}  // namespace coffer::cli
