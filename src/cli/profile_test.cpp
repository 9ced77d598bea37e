#include "cli/profile.h"

#include <sys/stat.h>

#include "cli/files.h"
#include "cli/problem.h"
#include "cli/testing.h"

namespace coffer::cli {
namespace {

constexpr const char* kVkey =
    "coffer.example/ledger+6feae691+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4";

Profile sample(const std::string& name) {
  Profile profile{.name = name,
                  .url = "https://coffer.example",
                  .user = "ada",
                  .token = "cft_aaaa",
                  .keeper = {kVkey, {}},
                  .ca_file = "/etc/ca \"x\".pem"};
  profile.keeper.seal_key[0] = std::byte{7};
  return profile;
}

mode_t mode_of(const std::filesystem::path& path) {
  struct stat status {};
  EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
  return status.st_mode & 0777;
}

TEST(Profile, ComesBackFromItsFileAsItWas) {
  const testing::Home home;
  const Places places = *places_of(home.surroundings());
  Config config{.default_profile = "default", .profiles = {}};
  config.profiles["default"] = sample("default");
  config.profiles["a.b c"] = sample("a.b c");
  ASSERT_TRUE(save_config(places, config).has_value());
  EXPECT_EQ(mode_of(places.config_file()), 0600U);
  EXPECT_EQ(mode_of(places.config), 0700U);
  const auto loaded = load_config(places);
  ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
  EXPECT_EQ(*loaded, config);
}

TEST(Profile, IsNotReadFromAFileThatOthersMayRead) {
  const testing::Home home;
  const Places places = *places_of(home.surroundings());
  ASSERT_TRUE(save_config(places, {}).has_value());
  ASSERT_EQ(::chmod(places.config_file().c_str(), 0640), 0);
  const auto loaded = load_config(places);
  ASSERT_FALSE(loaded.has_value());
  EXPECT_EQ(loaded.error().code, Code::Denied);
}

TEST(Profile, WithoutAFileThereIsNone) {
  const testing::Home home;
  const auto loaded = load_config(*places_of(home.surroundings()));
  ASSERT_TRUE(loaded.has_value());
  EXPECT_TRUE(loaded->profiles.empty());
}

TEST(Profile, NamesAKeyItDoesNotKnow) {
  const auto config = parse_config("[profiles.x]\nurll = \"http://a\"\n");
  ASSERT_FALSE(config.has_value());
  EXPECT_NE(config.error().message.find("profiles.x.urll"), std::string::npos);
}

TEST(Profile, IsChosenByNameElseByDefault) {
  Config config{.default_profile = "one", .profiles = {}};
  config.profiles["one"] = sample("one");
  config.profiles["two"] = sample("two");
  EXPECT_EQ(choose_profile(config, "", {})->name, "one");
  EXPECT_EQ(choose_profile(config, "two", {})->name, "two");
  const auto none = choose_profile(config, "three", {});
  ASSERT_FALSE(none.has_value());
  EXPECT_EQ(problem_of(none.error()).exit, 2);
}

TEST(Profile, YieldsToTheEnvironmentAndDropsPinsOfAnotherServer) {
  Config config{.default_profile = "one", .profiles = {}};
  config.profiles["one"] = sample("one");
  Surroundings surroundings;
  surroundings.variables["COFFER_SERVER"] = "http://127.0.0.1:7070";
  surroundings.variables["COFFER_TOKEN"] = "cft_b";
  const auto profile = choose_profile(config, "", surroundings);
  ASSERT_TRUE(profile.has_value());
  EXPECT_EQ(profile->url, "http://127.0.0.1:7070");
  EXPECT_EQ(profile->token, "cft_b");
  EXPECT_TRUE(profile->keeper.ledger_vkey.empty());
  EXPECT_TRUE(profile->user.empty());
}

TEST(Profile, WithoutAServerSaysHowToLogIn) {
  const auto profile = choose_profile({}, "", {});
  ASSERT_FALSE(profile.has_value());
  EXPECT_EQ(problem_of(profile.error()).next, "coffer login URL --token -");
}

TEST(Profile, TakesPlacesFromXdgElseFromHome) {
  Surroundings surroundings;
  surroundings.variables = {{"HOME", "/home/ada"}};
  EXPECT_EQ(places_of(surroundings)->config, "/home/ada/.config/cofferdam");
  EXPECT_EQ(places_of(surroundings)->data, "/home/ada/.local/share/cofferdam");
  surroundings.variables["XDG_CONFIG_HOME"] = "/c";
  EXPECT_EQ(places_of(surroundings)->config, "/c/cofferdam");
  EXPECT_FALSE(places_of({}).has_value());
}

TEST(Token, EndsInTheKeepersFingerprint) {
  const std::string token = "cft_" + std::string(32, 'a') + "_" + std::string(16, 'b');
  EXPECT_EQ(*token_fingerprint(token), std::string(16, 'b'));
  for (const auto* bad : {"", "cft_a_b", "token"}) EXPECT_FALSE(token_fingerprint(bad).has_value());
  EXPECT_FALSE(token_fingerprint("cft_" + std::string(32, 'a') + "_" + std::string(16, '1')));
}

}  // namespace
}  // namespace coffer::cli
