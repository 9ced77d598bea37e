// coffer key ls, backup, restore, rotate, recovery.
#include <cstdio>

#include "cli/command.h"
#include "cli/files.h"

namespace coffer::cli {
namespace {

namespace fs = std::filesystem;

struct KeyOptions {
  std::string file;
  std::vector<std::string> users;
  std::uint64_t need{0};
};

std::string fingerprint_of(const KeyPair& keys) {
  return key_fingerprint(keys.sign.public_key(), keys.seal.public_key());
}

Result<int> list_keys(Session& session) {
  COFFER_TRY(const KeyPair* keys, session.keys());
  COFFER_TRY(const Profile* profile, session.profile());
  COFFER_TRY(const Places places, session.places());
  COFFER_TRY(const auto former, session.former_keys());
  Json document = Json::object({{"user", keys->user},
                                {"fingerprint", fingerprint_of(*keys)},
                                {"sign_key", base64(keys->sign.public_key())},
                                {"seal_key", base64(keys->seal.public_key())},
                                {"file", places.keys_file(*profile).string()},
                                {"former", former.size()}});
  session.print(document, [&] {
    return render_fields({{"user", keys->user},
                          {"fingerprint", fingerprint_of(*keys)},
                          {"signing key", base64(keys->sign.public_key())},
                          {"sealing key", base64(keys->seal.public_key())},
                          {"file", places.keys_file(*profile).string()},
                          {"former keys", std::to_string(former.size())}});
  });
  return kExitDone;
}

Result<int> backup_keys(Session& session, const std::string& file) {
  COFFER_TRY(const KeyPair* keys, session.keys());
  COFFER_CHECK(require_new(file));
  COFFER_CHECK(save_keys(file, *keys));
  session.print(Json::object({{"file", file}, {"fingerprint", fingerprint_of(*keys)}}), [&] {
    return "the keys " + fingerprint_of(*keys) + " are in " + file +
           ", not encrypted: keep it offline\n";
  });
  return kExitDone;
}

Result<int> restore_keys(Session& session, const std::string& file) {
  COFFER_TRY(const Places places, session.places());
  COFFER_TRY(const Profile* profile, session.profile());
  COFFER_TRY(const std::string text, read_whole(file));
  COFFER_TRY(const KeyPair keys, parse_keys(text));
  if (keys.user != profile->user) {
    return refused("key_file",
                   file + " has the keys of " + keys.user + ", you are " + profile->user);
  }
  COFFER_TRY(const grant::UserKey present, session.user_key(profile->user));
  if (present.sign_key != keys.sign.public_key() || present.seal_key != keys.seal.public_key()) {
    return refused("key_changed", "the server knows the key " +
                                      key_fingerprint(present.sign_key, present.seal_key) +
                                      " of yours, the file has " + fingerprint_of(keys));
  }
  COFFER_CHECK(save_keys(places.keys_file(*profile), keys));
  session.print(Json::object({{"fingerprint", fingerprint_of(keys)}}),
                [&] { return "restored " + fingerprint_of(keys) + "\n"; });
  return kExitDone;
}

Result<> move_file(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::rename(from, to, error);
  if (error) return Error{Code::Unavailable, "cannot rename " + from.string()};
  return {};
}

struct KeyFiles {
  fs::path present, next, former;
};

Result<> adopt(const KeyFiles& files, const KeyPair& former) {
  COFFER_CHECK(save_keys(files.former, former));
  return move_file(files.next, files.present);
}

// The new keys are on disk before the server hears of them: a crash between loses neither pair.
Result<int> rotate_keys(Session& session) {
  COFFER_TRY(const Places places, session.places());
  COFFER_TRY(const Profile* profile, session.profile());
  COFFER_TRY(Server * server, session.server());
  COFFER_TRY(const KeyPair* old, session.keys());
  COFFER_TRY(const grant::UserKey previous, session.user_key(profile->user));
  const auto path = places.keys_file(*profile);
  const KeyFiles files{path, path.string() + ".next",
                       path.string() + ".former-" + fingerprint_of(*old)};
  auto next = load_keys(files.next);
  if (!next) {
    if (next.error().code != Code::NotFound) return std::move(next).error();
    next = KeyPair::generate(profile->user);
    COFFER_CHECK(save_keys(files.next, *next));
  }
  if (previous.sign_key != next->sign.public_key()) {
    const auto statement =
        key_statement(*next, {&previous, previous.recovery_keys, previous.recovery_need},
                      profile->keeper.ledger_vkey, session.now());
    const auto envelope = grant::countersign(grant::sign(statement, next->sign), old->sign);
    COFFER_TRY([[maybe_unused]] const Json answer,
               server->post("/v1/keys", Json::object({{"envelope", envelope_json(envelope)}})));
  }
  COFFER_CHECK(adopt(files, *old));
  session.print(
      Json::object({{"fingerprint", fingerprint_of(*next)}, {"former", fingerprint_of(*old)}}),
      [&] {
        return "your key is now " + fingerprint_of(*next) + "; grants and data name " +
               fingerprint_of(*old) + ": ask their owners to renew them\n";
      });
  return kExitDone;
}

Result<int> name_recovery(Session& session, const KeyOptions& options) {
  COFFER_TRY(const Profile* profile, session.profile());
  COFFER_TRY(Server * server, session.server());
  COFFER_TRY(const KeyPair* keys, session.keys());
  COFFER_TRY(const grant::UserKey previous, session.user_key(profile->user));
  Rotation rotation{.previous = &previous, .recovery_keys = {}, .recovery_need = options.need};
  const auto users = split_list(options.users);
  for (const auto& user : users) {
    if (user == profile->user) return usage_error("you cannot be your own recovery");
    COFFER_TRY(const grant::UserKey key, session.user_key(user));
    rotation.recovery_keys.push_back(key.sign_key);
  }
  if (options.need < 1 || options.need > users.size()) {
    return usage_error("--need must be between 1 and " + std::to_string(users.size()));
  }
  const auto statement = key_statement(*keys, rotation, profile->keeper.ledger_vkey, session.now());
  COFFER_TRY(const Json answer,
             server->post(
                 "/v1/keys",
                 Json::object({{"envelope", envelope_json(grant::sign(statement, keys->sign))}})));
  session.print(answer, [&] {
    return std::to_string(options.need) + " of " + join(users, ", ") +
           " can sign a new key of yours\n";
  });
  return kExitDone;
}

}  // namespace

void add_key_commands(const Menu& menu) {
  auto* group = add_group(menu.root, "key", "Your signing and sealing keys");
  auto options = std::make_shared<KeyOptions>();
  on(menu, add(group, "ls", "Your keys and their fingerprint", "coffer key ls"),
     [](Session& session) { return list_keys(session); });
  auto* command =
      add(group, "backup", "Writes your keys to a file", "coffer key backup -o keys.json");
  command->add_option("-o,--output", options->file, "A new file")->required();
  on(menu, command, [options](Session& session) { return backup_keys(session, options->file); });
  command = add(group, "restore", "Takes your keys from a file", "coffer key restore keys.json");
  command->add_option("FILE", options->file, "What backup wrote")->required();
  on(menu, command, [options](Session& session) { return restore_keys(session, options->file); });
  on(menu, add(group, "rotate", "New keys, signed by the present ones", "coffer key rotate"),
     [](Session& session) { return rotate_keys(session); });
  command = add(group, "recovery", "Who may sign a new key when yours is lost",
                "coffer key recovery rex,stew,olga --need 2");
  command->add_option("USER", options->users, "Users, joined by commas")->required();
  command->add_option("--need", options->need, "How many of them must sign")->required();
  on(menu, command, [options](Session& session) { return name_recovery(session, *options); });
}

}  // namespace coffer::cli
