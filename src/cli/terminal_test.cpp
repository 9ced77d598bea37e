#include "cli/terminal.h"

#include <gtest/gtest.h>

#include "cli/problem.h"
#include "cli/testing.h"

namespace coffer::cli {
namespace {

TEST(Terminal, AlignsColumnsByWidthAndStripsTheEnd) {
  EXPECT_EQ(
      render_table({"RUN", "STATE", ">BITS"}, {{"run_a", "done", "41"}, {"run_bcd", "", "64,000"}}),
      "RUN      STATE    BITS\n"
      "run_a    done       41\n"
      "run_bcd         64,000\n");
  EXPECT_EQ(render_table({"A", "B"}, {{"x", ""}}), "A  B\nx\n");
}

TEST(Terminal, CountsWideCharactersTwiceAndEscapesNotAtAll) {
  EXPECT_EQ(display_width("病人"), 4U);
  EXPECT_EQ(display_width("naïve"), 5U);
  EXPECT_EQ(display_width("\x1b[31mred\x1b[0m"), 3U);
  EXPECT_EQ(render_table({"N", "X"}, {{"病人", "1"}, {"ab", "2"}}), "N     X\n病人  1\nab    2\n");
}

TEST(Terminal, IndentsFurtherLinesOfAField) {
  EXPECT_EQ(render_fields({{"run", "a"}, {"inputs", "b\nc"}}), "run     a\ninputs  b\n        c\n");
}

TEST(Terminal, CountsThingsInWords) {
  EXPECT_EQ(counted(1, "run"), "1 run");
  EXPECT_EQ(counted(64000, "bit"), "64,000 bits");
}

TEST(Terminal, ShortensByWidth) {
  EXPECT_EQ(shortened("abcdef", 6), "abcdef");
  EXPECT_EQ(shortened("abcdefg", 6), "abcde…");
  EXPECT_EQ(shortened("病人病人", 5), "病人…");
}

TEST(Terminal, UsesNoColourAndAsksNothingAwayFromATerminal) {
  const testing::Home home;
  Terminal terminal{home.surroundings()};
  const bool on_terminal = ::isatty(1) == 1;
  if (!on_terminal) {
    EXPECT_EQ(terminal.paint(Style::Bad, "no"), "no");
  }
  Surroundings pipes = home.surroundings();
  const UniqueFd file{::open("/dev/null", O_RDWR)};
  pipes.in = pipes.out = pipes.err = file.get();
  Terminal quiet{pipes};
  EXPECT_FALSE(quiet.color());
  const auto asked = quiet.ask("Sign?", "--yes");
  ASSERT_FALSE(asked.has_value());
  EXPECT_EQ(problem_of(asked.error()).exit, 2);
  EXPECT_EQ(problem_of(asked.error()).next, "--yes");
}

TEST(Surroundings, ReadVariables) {
  const char* const environment[] = {"A=1", "B=x=y", "C", nullptr};
  const Surroundings read = Surroundings::of(environment);
  EXPECT_EQ(read.get("A"), "1");
  EXPECT_EQ(read.get("B"), "x=y");
  EXPECT_EQ(read.get("C"), "");
}

}  // namespace
}  // namespace coffer::cli
