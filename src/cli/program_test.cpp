#include "cli/program.h"

#include "cli/files.h"
#include "cli/testing.h"

namespace coffer::cli {
namespace {

using testing::Home;
using testing::Ran;
using testing::run_line;

TEST(Init, MakesAProgramThatParses) {
  const Home home;
  const std::string directory = (home.path() / "Counting").string();
  const Ran ran = run_line(home, {"init", directory, "--input", "clinic/tumours", "--env",
                                  "python-sklearn", "--entry", "python3 main.py"});
  ASSERT_EQ(ran.status, 0) << ran.err;
  const auto program = read_program(directory);
  ASSERT_TRUE(program.has_value()) << program.error().message;
  EXPECT_EQ(program->manifest.name, "counting");
  EXPECT_EQ(program->manifest.entry, (std::vector<std::string>{"python3", "main.py"}));
  EXPECT_EQ(program->manifest.inputs[0].alias, "tumours");
  EXPECT_EQ(program->tree.files.size(), 2U);
  EXPECT_EQ(
      run_line(home, {"init", directory, "--input", "a/b", "--env", "e", "--entry", "x"}).status, 1)
      << "what is there stays";
}

TEST(Init, RefusesNamesThatAreNone) {
  const Home home;
  const std::string directory = (home.path() / "p").string();
  EXPECT_EQ(
      run_line(home, {"init", directory, "--input", "NoName", "--env", "e", "--entry", "x"}).status,
      2);
  EXPECT_EQ(
      run_line(home, {"init", directory, "--input", "a/b", "--env", "e", "--entry", "'x"}).status,
      2);
}

TEST(Quote, SaysWhereThereIsNoProgram) {
  const Home home;
  EXPECT_EQ(run_line(home, {"quote", home.path().string()}).err,
            "coffer: no coffer.toml in " + home.path().string() +
                " [no_program]; try: coffer init --help\n");
}

TEST(Quote, SaysTheMostARunCanCostWithoutAServer) {
  const Home home;
  const auto directory = home.path() / "p";
  const std::string manifest = R"([program]
name = "q"
entry = ["python3", "main.py"]
environment = "py"
[inputs]
tumours = "clinic/tumours"
[resources]
cpus = 2
time = "10m"
[[outputs]]
name = "metrics"
kind = "metrics"
lane = "bounded"
[outputs.fields]
accuracy = { min = 0, max = 1, digits = 3 }
rows = { min = 0, max = 1000000, digits = 0 }
s = { values = ["fit", "skipped"] }
)";
  ASSERT_TRUE(replace_file(directory / "coffer.toml", manifest, Access::Ordinary).has_value());
  const Ran ran = run_line(home, {"quote", directory.string()});
  ASSERT_EQ(ran.status, 0) << ran.err;
  EXPECT_NE(ran.out.find("at most 41 bits a run: header 7, metrics 3 + 31"), std::string::npos)
      << ran.out;
  EXPECT_NE(ran.out.find("coffer grant ask clinic/tumours"), std::string::npos) << ran.out;
  const Ran json = run_line(home, {"quote", directory.string(), "--json", "--time", "1s"});
  const auto document = Json::parse(json.out);
  ASSERT_TRUE(document.has_value()) << json.out;
  EXPECT_EQ((*document)["quote"].int_or("bits", 0), 37) << "one slot, six endings: three bits";
}

TEST(Quote, NamesWhatIsWrongWithTheManifest) {
  const Home home;
  EXPECT_EQ(run_line(home, {"quote", home.path().string()}).status, 1);
  EXPECT_EQ(run_line(home, {"quote"}).status, 2);
}

TEST(Commands, AreSplitAsAShellWould) {
  EXPECT_EQ(*split_command("python3 'a b.py'  --x=\"1 2\""),
            (std::vector<std::string>{"python3", "a b.py", "--x=1 2"}));
  EXPECT_FALSE(split_command("").has_value());
}

Trial trial_of(const char* cause, std::optional<program::Refusal> refusal) {
  Trial trial{.work = *TemporaryDirectory::make(),
              .left = {},
              .canonical = {},
              .cause = cause,
              .exit_code = 0,
              .failure = {},
              .said = "hello\x1b[31m\n",
              .complained = {},
              .wall = 3200ms,
              .proof = {},
              .entries = {},
              .outputs = {},
              .notes = {}};
  program::Output output;
  output.name = "metrics";
  trial.outputs.push_back({output, refusal, 31, {}});
  return trial;
}

TEST(Trial, PassesWhenItEndedWellAndTheGateAgrees) {
  EXPECT_TRUE(trial_passes(trial_of("", {})));
  EXPECT_FALSE(trial_passes(trial_of("", program::Refusal::Malformed)));
  EXPECT_FALSE(trial_passes(trial_of("time", {})));
}

TEST(Trial, ShowsWhatTheProgramSaidWithoutItsEscapes) {
  const Home home;
  const Terminal terminal{home.surroundings()};
  const std::string text = render_trial(terminal, trial_of("", {}));
  EXPECT_NE(text.find("hello?[31m"), std::string::npos) << text;
  EXPECT_NE(text.find("exit 0 after 3.2 s"), std::string::npos) << text;
}

}  // namespace
}  // namespace coffer::cli
