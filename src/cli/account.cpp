// coffer login, whoami, inbox.
#include "cli/command.h"
#include "cli/files.h"
#include "program/names.h"

namespace coffer::cli {
namespace {

struct LoginOptions {
  std::string url;
  std::string token;
  std::string ca_file;
};

Result<std::string> read_token(Session& session, const std::string& option) {
  if (option == "-") return session.terminal().read_input(4096);
  if (!option.empty()) return option;
  return session.terminal().ask_secret("token:", "--token -, and the token on standard input");
}

Result<Profile> pinned_profile(Server& server, const LoginOptions& options, std::string token) {
  COFFER_TRY(const std::string fingerprint, token_fingerprint(token));
  COFFER_TRY(const Json version, server.get("/v1/version"));
  const auto key = parse_key32(version.text_or("keeper_seal_key", ""));
  if (!key) return refused("corrupt", "the server names no key of its keeper");
  Profile profile{.url = options.url,
                  .token = std::move(token),
                  .keeper = {version.text_or("ledger_vkey", ""), *key},
                  .ca_file = options.ca_file};
  if (profile.keeper.fingerprint() != fingerprint) {
    return refused("keeper_changed",
                   "the keeper behind " + options.url + " is " + profile.keeper.fingerprint() +
                       ", the token is for " + fingerprint,
                   "check the address and the token with whoever gave it; nothing was stored");
  }
  return profile;
}

// Makes keys where neither the server nor this machine has any; says what is wrong otherwise.
Result<std::string> settle_keys(Session& session, Server& server, const Places& places,
                                const Profile& profile, const Json& caller) {
  const auto path = places.keys_file(profile);
  auto keys = load_keys(path);
  if (!keys && keys.error().code != Code::NotFound) return std::move(keys).error();
  const bool registered = caller.int_or("key_sequence", 0) > 0;
  if (!keys && registered) {
    session.terminal().note(
        "your keys are on another machine: coffer key backup there, then "
        "coffer key restore FILE here");
    return caller.text_or("fingerprint", "");
  }
  if (!keys) {
    keys = KeyPair::generate(profile.user);
    COFFER_CHECK(save_keys(path, *keys));
  }
  const std::string mine = key_fingerprint(keys->sign.public_key(), keys->seal.public_key());
  if (registered) {
    if (mine == caller.text_or("fingerprint", "")) return mine;
    return refused("key_changed",
                   "the server knows the key " + caller.text_or("fingerprint", "?") +
                       " of yours, here is " + mine,
                   "coffer key restore FILE");
  }
  const auto statement = key_statement(*keys, {}, profile.keeper.ledger_vkey, session.now());
  COFFER_TRY(
      [[maybe_unused]] const Json answer,
      server.post("/v1/keys",
                  Json::object({{"envelope", envelope_json(grant::sign(statement, keys->sign))}})));
  return mine;
}

Result<int> login(Session& session, const LoginOptions& options) {
  COFFER_TRY(const Places places, session.places());
  COFFER_TRY(std::string token, read_token(session, options.token));
  COFFER_TRY([[maybe_unused]] const std::string checked, token_fingerprint(token));
  COFFER_TRY(Server server, Server::open({options.url, token, options.ca_file}));
  COFFER_TRY(Profile profile, pinned_profile(server, options, std::move(token)));
  COFFER_TRY(const Json caller, server.get("/v1/whoami"));
  profile.user = caller.text_or("user", "");
  if (!program::is_name(profile.user)) return refused("corrupt", "the server names no user");
  COFFER_TRY(const std::string fingerprint, settle_keys(session, server, places, profile, caller));
  COFFER_TRY(Config config, load_config(places));
  const std::string& wanted = session.options().profile;
  profile.name = wanted.empty() ? "default" : wanted;
  if (wanted.empty() || config.default_profile.empty()) config.default_profile = profile.name;
  config.profiles[profile.name] = profile;
  COFFER_CHECK(save_config(places, config));
  const Json document = Json::object({{"profile", profile.name},
                                      {"url", profile.url},
                                      {"user", profile.user},
                                      {"roles", caller["roles"]},
                                      {"fingerprint", fingerprint},
                                      {"keeper_fingerprint", profile.keeper.fingerprint()}});
  session.print(document, [&] {
    return render_fields({{"logged in", profile.url + " as " + profile.user},
                          {"your key", fingerprint},
                          {"keeper", profile.keeper.fingerprint() + " (as the token says)"}});
  });
  return kExitDone;
}

std::string joined(const Json& texts) {
  std::vector<std::string> items;
  if (const auto* array = texts.as_array()) {
    for (const auto& item : *array) {
      if (const auto* text = item.as_string()) items.push_back(printable(*text));
    }
  }
  return join(items, ", ");
}

Result<int> whoami(Session& session) {
  COFFER_TRY(const Profile* profile, session.profile());
  COFFER_TRY(Server * server, session.server());
  COFFER_TRY(const Json caller, server->get("/v1/whoami"));
  session.print(caller, [&] {
    return render_fields({{"user", printable(caller.text_or("user", ""))},
                          {"roles", joined(caller["roles"])},
                          {"server", profile->url},
                          {"key", caller.text_or("fingerprint", "none yet: coffer login")},
                          {"keeper", profile->keeper.fingerprint()}});
  });
  return kExitDone;
}

Result<int> inbox(Session& session) {
  COFFER_TRY(Server * server, session.server());
  COFFER_TRY(Json::Array items, server->list("/v1/inbox", {}, 1000));
  Json document = Json::object({{"items", items}});
  session.print(document, [&]() -> std::string {
    if (items.empty()) return "nothing waits for you\n";
    std::vector<Cells> rows;
    for (const auto& item : items) {
      rows.push_back({item.text_or("time", ""), item.text_or("kind", ""),
                      printable(item.text_or("text", "")), printable(item.text_or("next", ""))});
    }
    return render_table({"TIME", "WHAT", "ABOUT", "NEXT"}, rows);
  });
  return kExitDone;
}

}  // namespace

void add_account_commands(const Menu& menu) {
  auto options = std::make_shared<LoginOptions>();
  auto* command =
      add(menu.root, "login", "Stores a profile, makes your keys, prints the fingerprint",
          "coffer login https://coffer.example --token - < token");
  command->add_option("URL", options->url, "The server's address")->required();
  command->add_option("--token", options->token, "`-`: read it from standard input");
  command->add_option("--ca-file", options->ca_file, "More authorities for TLS, PEM");
  on(menu, command, [options](Session& session) { return login(session, *options); });
  on(menu, add(menu.root, "whoami", "Who the server takes you for", "coffer whoami --json"),
     [](Session& session) { return whoami(session); });
  on(menu, add(menu.root, "inbox", "What waits for you, and news", "coffer inbox"),
     [](Session& session) { return inbox(session); });
}

}  // namespace coffer::cli
