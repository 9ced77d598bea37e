#include "cli/session.h"

#include <algorithm>

#include "cli/files.h"
#include "cli/problem.h"
#include "program/names.h"

namespace coffer::cli {
namespace {

Result<Keeper> keeper_of(const Json& version) {
  const auto key = parse_key32(version.text_or("keeper_seal_key", ""));
  if (!key) return refused("corrupt", "the server names no key of its keeper");
  return Keeper{version.text_or("ledger_vkey", ""), *key};
}

}  // namespace

Session::Session(Surroundings surroundings, const Clock& clock)
    : surroundings_(std::move(surroundings)), clock_(clock), terminal_(surroundings_) {}

UnixTime Session::now() const {
  return std::chrono::floor<std::chrono::seconds>(clock_.unix_time());
}

Result<const Profile*> Session::profile() {
  if (profile_) return &*profile_;
  COFFER_TRY(const Places where, places());
  COFFER_TRY(const Config config, load_config(where));
  COFFER_TRY(profile_, choose_profile(config, options_.profile, surroundings_));
  if (profile_->user.empty() || profile_->keeper.ledger_vkey.empty()) {
    auto completed = complete_profile();
    if (!completed) {
      profile_.reset();
      return std::move(completed).error();
    }
  }
  return &*profile_;
}

// With COFFER_SERVER or COFFER_TOKEN there may be no pins yet: the token's end stands for them.
Result<> Session::complete_profile() {
  COFFER_TRY(const std::string fingerprint, token_fingerprint(profile_->token));
  COFFER_TRY(Server server, Server::open({profile_->url, profile_->token, profile_->ca_file}));
  COFFER_TRY(const Json version, server.get("/v1/version"));
  COFFER_TRY(const Keeper keeper, keeper_of(version));
  const bool pinned = !profile_->keeper.ledger_vkey.empty();
  if (keeper.fingerprint() != fingerprint || (pinned && keeper != profile_->keeper)) {
    return refused("keeper_changed",
                   "the keeper behind " + profile_->url + " is not the one of this token",
                   "ask the operator; do not go on");
  }
  profile_->keeper = keeper;
  COFFER_TRY(const Json caller, server.get("/v1/whoami"));
  profile_->user = caller.text_or("user", "");
  if (!program::is_name(profile_->user)) return refused("corrupt", "the server names no user");
  return {};
}

Result<Server*> Session::server() {
  if (server_) return server_.get();
  COFFER_TRY(const Profile* chosen, profile());
  COFFER_TRY(Server server, Server::open({chosen->url, chosen->token, chosen->ca_file}));
  server_ = std::make_unique<Server>(std::move(server));
  return server_.get();
}

Result<const KeyPair*> Session::keys() {
  if (keys_) return keys_.get();
  COFFER_TRY(const Places where, places());
  COFFER_TRY(const Profile* chosen, profile());
  COFFER_TRY(KeyPair pair, load_keys(where.keys_file(*chosen)));
  if (pair.user != chosen->user) {
    return refused("key_file",
                   "the keys here are those of " + pair.user + ", not of " + chosen->user);
  }
  keys_ = std::make_unique<KeyPair>(std::move(pair));
  return keys_.get();
}

Result<std::vector<KeyPair>> Session::former_keys() {
  COFFER_TRY(const Places where, places());
  COFFER_TRY(const Profile* chosen, profile());
  const auto present = where.keys_file(*chosen);
  std::vector<KeyPair> pairs;
  std::error_code ignored;
  for (const auto& file : std::filesystem::directory_iterator(present.parent_path(), ignored)) {
    if (!file.path().filename().string().starts_with(present.filename().string() + ".former-")) {
      continue;
    }
    COFFER_TRY(pairs.emplace_back(KeyPair::generate("")), load_keys(file.path()));
  }
  return pairs;
}

Result<ByteVector> Session::open_box(const Json& base64_text) {
  const auto* text = base64_text.as_string();
  if (text == nullptr) return refused("corrupt", "the server sent no sealed box");
  COFFER_TRY(const ByteVector sealed, parse_base64(*text));
  COFFER_TRY(const KeyPair* pair, keys());
  auto opened = pair->seal.open(sealed);
  if (opened) return opened;
  COFFER_TRY(const auto former, former_keys());
  for (const auto& one : former) {
    if (auto older = one.seal.open(sealed)) return older;
  }
  return refused("sealed_to_another", "this was sealed to another key than yours",
                 "coffer key ls, then coffer key restore FILE");
}

Result<grant::UserKey> Session::user_key(const std::string& user) {
  COFFER_TRY(const Places where, places());
  COFFER_TRY(const Profile* chosen, profile());
  COFFER_TRY(Server * api, server());
  COFFER_TRY(const Json answer, api->get(target({"v1", "users", user})));
  if (answer.bool_or("removed", false)) {
    return refused("key_removed", user + " was removed", "coffer user ls");
  }
  std::vector<grant::Envelope> chain;
  if (const auto* items = answer["keys"].as_array()) {
    for (const auto& item : *items) {
      COFFER_TRY(chain.emplace_back(), envelope_of(item));
    }
  }
  COFFER_TRY(grant::UserKey present, follow_chain(chain, user, chosen->keeper.ledger_vkey));
  Pins pins;
  const auto path = where.pins_file(chosen->keeper);
  if (const auto text = read_private(path)) {
    COFFER_TRY(pins, Pins::parse(*text));
  } else if (text.error().code != Code::NotFound) {
    return text.error();
  }
  COFFER_TRY(const Pins::Seen seen, pins.see(chain, present));
  if (seen == Pins::Seen::Same) return present;
  COFFER_CHECK(replace_file(path, pins.render(), Access::Private));
  terminal_.note(user + "'s key " + key_fingerprint(present.sign_key, present.seal_key) +
                 (seen == Pins::Seen::First ? " seen for the first time, pinned"
                                            : " follows from the pinned one, pinned"));
  return present;
}

void Session::print(const Json& document, const std::function<std::string()>& human) {
  terminal_.transient("");
  terminal_.say(options_.json ? document.pretty() + "\n" : human());
}

void Session::remember(std::string_view noun, const std::string& id) {
  const auto where = places();
  if (!where || !profile_) return;
  const auto path = where->last_file(*profile_);
  Json known = Json::object({});
  if (const auto text = read_whole(path)) {
    if (auto json = Json::parse(*text); json && json->is_object()) known = *std::move(json);
  }
  known.set(noun, id);
  // Only a convenience: that it cannot be written must not fail what was done.
  if (!replace_file(path, known.canonical() + "\n", Access::Private)) return;
}

Result<std::string> Session::last(std::string_view noun) {
  COFFER_TRY(const Places where, places());
  COFFER_TRY(const Profile* chosen, profile());
  if (const auto text = read_whole(where.last_file(*chosen))) {
    if (const auto json = Json::parse(*text)) {
      std::string id = json->text_or(noun, "");
      if (!id.empty()) return id;
    }
  }
  return refused("no_last", "there is no last " + std::string(noun) + " yet",
                 noun == "run" ? "coffer runs ls" : "coffer inbox");
}

// The one that this user made or saw last, else the newest that the server lists.
Result<std::string> Session::last_of(const Noun& noun) {
  auto known = last(noun.name);
  if (known || problem_of(known.error()).code != "no_last") return known;
  COFFER_TRY(Server * api, server());
  COFFER_TRY(const Json::Array items, api->list(std::string(noun.list)));
  std::string newest, id;
  for (const auto& item : items) {
    for (const auto* key : {"submitted", "created", "issued", "released"}) {
      const std::string time = item.text_or(key, "");
      if (time <= newest) continue;
      newest = time;
      id = item.text_or("id", "");
    }
  }
  if (is_whole_id(noun.prefix, id)) return id;
  return known;
}

bool is_whole_id(std::string_view prefix, std::string_view text) {
  return text.starts_with(prefix) && text.size() == prefix.size() + 16 &&
         text.substr(prefix.size()).find_first_not_of("abcdefghijklmnopqrstuvwxyz234567") ==
             std::string_view::npos;
}

Result<std::string> match_id(const Session::Noun& noun, std::string_view text,
                             const std::vector<std::string>& ids) {
  std::string wanted{text};
  if (!wanted.starts_with(noun.prefix)) wanted = std::string(noun.prefix) + wanted;
  std::vector<std::string> found;
  for (const auto& id : ids) {
    if (id.starts_with(wanted)) found.push_back(id);
  }
  if (found.size() == 1) return found[0];
  const std::string shown = "'" + printable(text, 60) + "'";
  const std::string name{noun.name};
  const std::string list = noun.name == "run" ? "coffer runs ls" : "coffer " + name + " ls";
  if (found.empty()) return refused(name + "_unknown", "there is no " + name + " " + shown, list);
  if (found.size() > 4) found.resize(4);
  return refused("ambiguous", shown + " could be " + join(found, ", "), "more characters");
}

Result<std::string> Session::resolve(const Noun& noun, std::string text) {
  if (text == "@last") return last_of(noun);
  if (is_whole_id(noun.prefix, text)) return text;
  if (text.empty()) return usage_error("an empty id names no " + std::string(noun.name));
  COFFER_TRY(Server * api, server());
  COFFER_TRY(const Json::Array items, api->list(std::string(noun.list)));
  std::vector<std::string> ids;
  for (const auto& item : items) ids.push_back(item.text_or("id", ""));
  return match_id(noun, text, ids);
}

RunOutputName split_run_output(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return {std::string(text), {}};
  return {std::string(text.substr(0, slash)), std::string(text.substr(slash + 1))};
}

Json envelope_json(const grant::Envelope& envelope) {
  auto json = Json::parse(grant::render(envelope));
  return json ? *std::move(json) : Json{};
}

Result<grant::Envelope> envelope_of(const Json& json) {
  return grant::parse_envelope(json.canonical());
}

}  // namespace coffer::cli
