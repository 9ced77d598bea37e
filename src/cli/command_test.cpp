#include "cli/cli.h"
#include "cli/completion.h"
#include "cli/testing.h"

namespace coffer::cli {
namespace {

using testing::Home;
using testing::Ran;
using testing::run_line;

TEST(CommandLine, EachCommandHasHelpWithAnExample) {
  const Home home;
  const Ran all = run_line(home, {"--help"});
  EXPECT_EQ(all.status, 0);
  for (const std::string line :
       {"login",         "whoami",        "inbox",        "key ls",        "key backup",
        "key restore",   "key rotate",    "key recovery", "user add",      "user ls",
        "user rm",       "user token",    "env add",      "env ls",        "env show",
        "env rm",        "env fetch",     "data add",     "data scan",     "data grade",
        "data limit",    "data ls",       "data show",    "data card",     "data rm",
        "data twin",     "grant ask",     "grant give",   "grant ls",      "grant show",
        "grant revoke",  "init",          "try",          "check",         "quote",
        "run",           "runs ls",       "runs show",    "runs wait",     "runs cancel",
        "runs log",      "review ls",     "review next",  "review show",   "review approve",
        "review refuse", "review return", "fetch",        "release ls",    "release show",
        "release fetch", "ledger show",   "ledger prove", "ledger export", "ledger verify",
        "doctor",        "host prepare",  "version",      "completion"}) {
    std::vector<std::string> words = split(line, ' ');
    words.push_back("--help");
    const Ran help = run_line(home, words);
    EXPECT_EQ(help.status, 0) << line;
    EXPECT_NE(help.out.find("Example:\n  coffer " + line), std::string::npos) << line << help.out;
    EXPECT_EQ(help.err, "") << line;
  }
}

TEST(CommandLine, WhatComesLaterIsAbsent) {
  const Home home;
  for (const auto* word : {"query", "backup", "restore", "group", "worker", "site", "publish"}) {
    EXPECT_EQ(run_line(home, {word}).status, 2) << word;
  }
}

TEST(CommandLine, WrongLinesEndWithTwoAndSayInOneLineWhatIsWrong) {
  const Home home;
  const auto said = [&](const std::string& line) {
    const Ran ran = run_line(home, line.empty() ? std::vector<std::string>{} : split(line, ' '));
    EXPECT_EQ(ran.status, 2) << line;
    EXPECT_EQ(ran.out, "") << line;
    return ran.err;
  };
  EXPECT_EQ(said(""), "coffer: a command is missing [usage]; try: coffer --help\n");
  EXPECT_EQ(said("grants ls"),
            "coffer: 'grants' is no command of coffer; did you mean 'grant'? [usage]; try: "
            "coffer --help\n");
  EXPECT_EQ(said("runs list"),
            "coffer: 'list' is no command of coffer runs, which has ls, show, wait, cancel, log "
            "[usage]; try: coffer runs --help\n");
  EXPECT_EQ(
      said("runs"),
      "coffer: a command is missing: coffer runs has ls, show, wait, cancel, log [usage]; try: "
      "coffer runs --help\n");
  EXPECT_EQ(said("init"),
            "coffer: DIR, --input, --env, --entry are missing [usage]; try: coffer init --help\n");
  EXPECT_EQ(said("grant show"), "coffer: ID is missing [usage]; try: coffer grant show --help\n");
  EXPECT_EQ(said("init d --inptu a/b"),
            "coffer: '--inptu' is no option of coffer init; did you mean '--input'? [usage]; try: "
            "coffer init --help\n");
  EXPECT_EQ(said("runs show a b"),
            "coffer: 'b' is a word too many for coffer runs show [usage]; try: coffer runs show "
            "--help\n");
  EXPECT_EQ(said("rus\x1b[2J"),
            "coffer: 'rus?[2J' is no command of coffer [usage]; try: coffer --help\n");
  EXPECT_EQ(run_line(home, {"review", "approve", "run_a/b", "--reason", "maybe"}).status, 2);
}

TEST(CommandLine, WithoutAServerSaysHowToLogIn) {
  const Home home;
  const Ran ran = run_line(home, {"runs", "ls"});
  EXPECT_EQ(ran.status, 1);
  EXPECT_NE(ran.err.find("coffer login URL --token -"), std::string::npos) << ran.err;
}

TEST(CommandLine, AnUnreachableServerEndsWithThree) {
  const Home home;
  const std::string token = "cft_" + std::string(32, 'a') + "_" + std::string(16, 'b');
  const Ran ran = run_line(home, {"login", "http://127.0.0.1:1", "--token", "-"}, token + "\n");
  EXPECT_EQ(ran.status, 3) << ran.err;
  EXPECT_NE(ran.err.find("[unreachable]"), std::string::npos);
}

TEST(CommandLine, RefusesWhatIsNoToken) {
  const Home home;
  EXPECT_EQ(run_line(home, {"login", "http://127.0.0.1:1", "--token", "-"}, "secret\n").status, 2);
  const Ran asked = run_line(home, {"login", "http://127.0.0.1:1"});
  EXPECT_EQ(asked.status, 2);
  EXPECT_NE(asked.err.find("--token -"), std::string::npos) << "the flag that is missing is named";
}

TEST(CommandLine, JsonIsOneDocumentAlsoForAnError) {
  const Home home;
  const Ran good = run_line(home, {"version", "--json"});
  EXPECT_EQ(good.status, 0);
  EXPECT_EQ(Json::parse(good.out)->text_or("version", ""), kVersion);
  const Ran bad = run_line(home, {"--json", "runs", "ls"});
  const auto document = Json::parse(bad.out);
  ASSERT_TRUE(document.has_value()) << bad.out;
  EXPECT_EQ((*document)["error"].text_or("code", ""), "no_server");
}

TEST(CommandLine, KeepsTheKeepersSocketForBinariesThatKnowIt) {
  const Home home;
  EXPECT_EQ(run_line(home, {"grant", "revoke", "--help"}).out.find("--keeper"), std::string::npos);
  Extensions extensions;
  extensions.revoke_at_keeper = [](const std::string&, const std::string&) { return Result<>{}; };
  EXPECT_NE(run_line(home, {"grant", "revoke", "--help"}, {}, extensions).out.find("--keeper"),
            std::string::npos);
}

TEST(CommandLine, TakesCommandsOfOtherParts) {
  const Home home;
  Extensions extensions;
  extensions.groups.push_back([](const Menu& menu) {
    on(menu, add(menu.root, "extra", "An extra command", "coffer extra"),
       [](Session& session) -> Result<int> {
         session.print(Json{1}, [] { return std::string("extra\n"); });
         return 0;
       });
  });
  EXPECT_EQ(run_line(home, {"extra"}, {}, extensions).out, "extra\n");
}

TEST(Completion, KnowsEachShell) {
  const Home home;
  const Ran bash = run_line(home, {"completion", "bash"});
  EXPECT_EQ(bash.status, 0);
  EXPECT_NE(bash.out.find("complete -o default -F _coffer coffer"), std::string::npos);
  EXPECT_NE(bash.out.find("    data) words='add scan grade limit ls show card rm twin"),
            std::string::npos)
      << bash.out;
  EXPECT_NE(run_line(home, {"completion", "fish"}).out.find("complete -c coffer"),
            std::string::npos);
  EXPECT_NE(run_line(home, {"completion", "zsh"}).out.find("bashcompinit"), std::string::npos);
  EXPECT_EQ(run_line(home, {"completion", "csh"}).status, 2);
}

}  // namespace
}  // namespace coffer::cli
