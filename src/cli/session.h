// Session: what one command has at hand: options, profile, keys, server, terminal, clock.
//
// Invariants: the server is opened and keys are read only when asked for; everything signed here
// names the pinned ledger. With --json exactly one document is printed, at the end.
// Errors: as profile.h, keys.h and server.h.
// Thread-safety: one thread. Lifetime: lives as long as the command; borrows the clock.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "cli/keys.h"
#include "cli/profile.h"
#include "cli/server.h"
#include "cli/terminal.h"

namespace coffer::cli {

struct CommonOptions {
  bool json{false};
  std::string profile;
};

class Session {
 public:
  Session(Surroundings surroundings, const Clock& clock);

  CommonOptions& options() { return options_; }
  Terminal& terminal() { return terminal_; }
  const Clock& clock() const { return clock_; }
  const Surroundings& surroundings() const { return surroundings_; }
  UnixTime now() const;  // whole seconds

  Result<Places> places() const { return places_of(surroundings_); }
  // The profile, its user and keeper filled in from the server where the profile has none.
  Result<const Profile*> profile();
  Result<Server*> server();
  const Server* opened_server() const { return server_.get(); }  // null: not asked for yet
  Result<const KeyPair*> keys();
  // Sealing keys that a rotation replaced: older boxes open with these only.
  Result<std::vector<KeyPair>> former_keys();
  // Opens a box that was sealed to this user, with the present key or a former one.
  Result<ByteVector> open_box(const Json& base64_text);

  // A user's present keys: chain followed, pinned on first sight (which is said on stderr).
  Result<grant::UserKey> user_key(const std::string& user);

  // The one document of this command: `human` unless --json.
  void print(const Json& document, const std::function<std::string()>& human);

  // What `@last` means for a noun ("run", "grant", "request", "release").
  void remember(std::string_view noun, const std::string& id);
  Result<std::string> last(std::string_view noun);

  // A whole id from a whole one, a unique prefix ("run_abc" or "abc") or "@last".
  struct Noun {
    std::string_view name;    // "run"
    std::string_view prefix;  // "run_"
    std::string_view list;    // "/v1/runs"
  };
  Result<std::string> resolve(const Noun& noun, std::string text);

 private:
  Result<> complete_profile();
  Result<std::string> last_of(const Noun& noun);

  Surroundings surroundings_;
  const Clock& clock_;
  Terminal terminal_;
  CommonOptions options_;
  std::optional<Profile> profile_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<KeyPair> keys_;
};

inline constexpr Session::Noun kRunNoun{"run", "run_", "/v1/runs"};
inline constexpr Session::Noun kGrantNoun{"grant", "grant_", "/v1/grants"};
inline constexpr Session::Noun kRequestNoun{"request", "req_", "/v1/requests"};
inline constexpr Session::Noun kReleaseNoun{"release", "rel_", "/v1/releases"};

// The one of `ids` that `text` is a prefix of, with or without `prefix`.
// Errors: exit 1: none, or several (named).
Result<std::string> match_id(const Session::Noun& noun, std::string_view text,
                             const std::vector<std::string>& ids);
bool is_whole_id(std::string_view prefix, std::string_view text);

// RUN/OUTPUT as users write it; the output is "" where none is given.
struct RunOutputName {
  std::string run;
  std::string output;
};
RunOutputName split_run_output(std::string_view text);

// An envelope as JSON of a request body, and out of an answer.
Json envelope_json(const grant::Envelope& envelope);
Result<grant::Envelope> envelope_of(const Json& json);

}  // namespace coffer::cli
