// Profiles: which servers this user knows, as whom, and which keeper stands behind them.
//
//   default = "default"
//   [profiles.default]
//   url = "https://coffer.example"
//   user = "ada"
//   token = "cft_…"
//   ledger_vkey = "coffer.example/ledger+6feae691+AQ…"
//   keeper_key = "<base64>"
//
// Invariants: config.toml is mode 600; parse_config and render_config are inverse; a token ends in
// the fingerprint of the keeper's keys in the same profile.
// Errors: InvalidArgument (the file, naming the key), Denied (open to others), Unavailable.
// Thread-safety: as plain values. Source: outside.md section 1; XDG base directories.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "base/result.h"
#include "cli/terminal.h"
#include "crypto/crypto.h"

namespace coffer::cli {

// What `login` pinned: the keeper's two keys.
struct Keeper {
  std::string ledger_vkey;
  SealPublic seal_key{};
  std::string fingerprint() const;
  friend bool operator==(const Keeper&, const Keeper&) = default;
};

struct Profile {
  std::string name{};
  std::string url{};
  std::string user{};
  std::string token{};
  Keeper keeper{};
  std::string ca_file{};  // more authorities for TLS, PEM; "" for none
  friend bool operator==(const Profile&, const Profile&) = default;
};

struct Config {
  std::string default_profile;
  std::map<std::string, Profile> profiles;
  friend bool operator==(const Config&, const Config&) = default;
};

// Where the client keeps things: $XDG_CONFIG_HOME or ~/.config, $XDG_DATA_HOME or ~/.local/share,
// each with /cofferdam.
struct Places {
  std::filesystem::path config;
  std::filesystem::path data;
  std::filesystem::path config_file() const { return config / "config.toml"; }
  // One file of keys for each user of each keeper.
  std::filesystem::path keys_file(const Profile& profile) const;
  std::filesystem::path pins_file(const Keeper& keeper) const;
  std::filesystem::path last_file(const Profile& profile) const;
  std::filesystem::path journal_file(const Profile& profile, std::string_view dataset) const;
};
Result<Places> places_of(const Surroundings& surroundings);

Result<Config> parse_config(std::string_view toml);
std::string render_config(const Config& config);
Result<Config> load_config(const Places& places);  // an empty one when there is no file
Result<> save_config(const Places& places, const Config& config);

// The profile by name ("" is the default one), with COFFER_SERVER and COFFER_TOKEN over it.
Result<Profile> choose_profile(const Config& config, std::string_view name,
                               const Surroundings& surroundings);

// The last 16 characters of a token: the keeper's fingerprint.
// Errors: InvalidArgument with exit 2 (no token).
Result<std::string> token_fingerprint(std::string_view token);

}  // namespace coffer::cli
