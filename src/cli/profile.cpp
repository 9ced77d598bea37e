#include "cli/profile.h"

#include <sstream>

#include "base/toml.h"
#include "cli/files.h"
#include "cli/problem.h"
#include "grant/objects.h"

namespace coffer::cli {
namespace {

namespace fs = std::filesystem;

Error bad(std::string_view key, std::string_view why) {
  return refused("config", "config.toml: " + std::string(key) + " " + std::string(why),
                 "coffer login URL --token -");
}

Result<std::string> text_at(const toml::table& table, std::string_view context,
                            std::string_view key) {
  const auto* node = table.get(key);
  if (node == nullptr) return std::string{};
  const auto* text = node->as_string();
  if (text == nullptr)
    return bad(std::string(context) + "." + std::string(key), "must be a string");
  return text->get();
}

Result<Profile> read_profile(const std::string& name, const toml::table& table) {
  static constexpr std::string_view kKeys[] = {"url",         "user",       "token",
                                               "ledger_vkey", "keeper_key", "ca_file"};
  for (const auto& [key, value] : table) {
    if (std::find(std::begin(kKeys), std::end(kKeys), key.str()) == std::end(kKeys)) {
      return bad("profiles." + name + "." + std::string(key.str()), "is not known");
    }
  }
  Profile profile{.name = name};
  COFFER_TRY(profile.url, text_at(table, name, "url"));
  COFFER_TRY(profile.user, text_at(table, name, "user"));
  COFFER_TRY(profile.token, text_at(table, name, "token"));
  COFFER_TRY(profile.keeper.ledger_vkey, text_at(table, name, "ledger_vkey"));
  COFFER_TRY(profile.ca_file, text_at(table, name, "ca_file"));
  COFFER_TRY(const std::string key, text_at(table, name, "keeper_key"));
  const auto parsed = parse_key32(key);
  if (!parsed) return bad("profiles." + name + ".keeper_key", "is no key");
  profile.keeper.seal_key = *parsed;
  return profile;
}

std::string toml_text(std::string_view text) { return Json(text).canonical(); }

}  // namespace

std::string Keeper::fingerprint() const { return grant::keeper_fingerprint(ledger_vkey, seal_key); }

fs::path Places::keys_file(const Profile& profile) const {
  return config / "keys" / (profile.keeper.fingerprint() + "-" + profile.user + ".json");
}
fs::path Places::pins_file(const Keeper& keeper) const {
  return config / "pins" / (keeper.fingerprint() + ".json");
}
fs::path Places::last_file(const Profile& profile) const {
  return data / "last" / (profile.keeper.fingerprint() + "-" + profile.user + ".json");
}
fs::path Places::journal_file(const Profile& profile, std::string_view dataset) const {
  const Digest name =
      sha256(profile.keeper.fingerprint() + "\n" + profile.user + "\n" + std::string(dataset));
  return data / "journals" / hex(name.bytes);
}

Result<Places> places_of(const Surroundings& surroundings) {
  const auto below = [&](const std::string& name, std::string_view rest) -> Result<fs::path> {
    const fs::path set = surroundings.get(name);
    if (set.is_absolute()) return set / "cofferdam";
    const fs::path home = surroundings.get("HOME");
    if (home.is_absolute()) return home / rest / "cofferdam";
    return usage_error("HOME is not set, so there is no place for keys and profiles",
                       "HOME=/absolute/path coffer …");
  };
  COFFER_TRY(fs::path config, below("XDG_CONFIG_HOME", ".config"));
  COFFER_TRY(fs::path data, below("XDG_DATA_HOME", ".local/share"));
  return Places{std::move(config), std::move(data)};
}

Result<Config> parse_config(std::string_view toml) {
  const toml::parse_result parsed = toml::parse(toml);
  if (!parsed) {
    const auto& error = parsed.error();
    return bad("line " + std::to_string(error.source().begin.line), error.description());
  }
  const toml::table& root = parsed.table();
  Config config;
  for (const auto& [key, node] : root) {
    if (key.str() != "default" && key.str() != "profiles") return bad(key.str(), "is not known");
  }
  config.default_profile = root["default"].value_or(std::string{});
  const auto* profiles = root["profiles"].as_table();
  if (root.contains("profiles") && profiles == nullptr) return bad("profiles", "must be a table");
  if (profiles == nullptr) return config;
  for (const auto& [key, node] : *profiles) {
    const std::string name{key.str()};
    if (!node.is_table()) return bad("profiles." + name, "must be a table");
    COFFER_TRY(Profile profile, read_profile(name, *node.as_table()));
    config.profiles.emplace(name, std::move(profile));
  }
  return config;
}

std::string render_config(const Config& config) {
  std::string text = "# Written by `coffer login`. Holds tokens: keep it to yourself.\n";
  text += "default = " + toml_text(config.default_profile) + "\n";
  for (const auto& [name, profile] : config.profiles) {
    text += "\n[profiles." + toml_text(name) + "]\n";
    const Fields fields{{"url", profile.url},
                        {"user", profile.user},
                        {"token", profile.token},
                        {"ledger_vkey", profile.keeper.ledger_vkey},
                        {"keeper_key", base64(profile.keeper.seal_key)}};
    for (const auto& [key, value] : fields) text += key + " = " + toml_text(value) + "\n";
    if (!profile.ca_file.empty()) text += "ca_file = " + toml_text(profile.ca_file) + "\n";
  }
  return text;
}

Result<Config> load_config(const Places& places) {
  auto text = read_private(places.config_file());
  if (!text && text.error().code == Code::NotFound) return Config{};
  if (!text) return std::move(text).error();
  return parse_config(*text);
}

Result<> save_config(const Places& places, const Config& config) {
  return replace_file(places.config_file(), render_config(config), Access::Private);
}

Result<Profile> choose_profile(const Config& config, std::string_view name,
                               const Surroundings& surroundings) {
  const std::string wanted{name.empty() ? std::string_view(config.default_profile) : name};
  const auto found = config.profiles.find(wanted);
  const std::string server = surroundings.get("COFFER_SERVER");
  const std::string token = surroundings.get("COFFER_TOKEN");
  Profile profile;
  if (found != config.profiles.end()) {
    profile = found->second;
  } else if (!name.empty()) {
    std::vector<std::string> names;
    for (const auto& [key, value] : config.profiles) names.push_back(key);
    return usage_error("there is no profile '" + printable(name, 60) + "'" +
                           (names.empty() ? "" : "; there are: " + join(names, ", ")),
                       "coffer login URL --token - --profile NAME");
  }
  // An address of another server has nothing to do with the pins of this profile.
  if (!server.empty() && server != profile.url) {
    profile = Profile{
        .name = profile.name, .url = server, .token = profile.token, .ca_file = profile.ca_file};
  }
  if (!token.empty() && token != profile.token) {
    profile.token = token;
    profile.user.clear();  // asked of the server
  }
  if (profile.url.empty()) {
    return refused("no_server", "no server is known", "coffer login URL --token -");
  }
  return profile;
}

Result<std::string> token_fingerprint(std::string_view token) {
  const auto parts = split(token, '_');
  const auto is_base32 = [](std::string_view text) {
    return text.find_first_not_of("abcdefghijklmnopqrstuvwxyz234567") == std::string_view::npos;
  };
  const bool good = parts.size() == 3 && parts[0] == "cft" && parts[1].size() == 32 &&
                    parts[2].size() == 16 && is_base32(parts[1]) && is_base32(parts[2]);
  if (!good) {
    return usage_error("this is no token: it looks like cft_… and ends in the keeper's fingerprint",
                       "coffer user token NAME, as an operator");
  }
  return parts[2];
}

}  // namespace coffer::cli
