// What a command says, and to whom: answers on stdout, progress and questions on stderr.
//
// Invariants: colour, progress and questions only on a terminal; NO_COLOR (when not empty) and
// TERM=dumb turn colour off; with JSON output nothing but one document reaches stdout.
// Columns are aligned by display width. Text from outside is to be made printable before.
// Errors: InvalidArgument with exit 2 (a question without a terminal: names the flag).
// Thread-safety: none; one thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace coffer::cli {

// What surrounds the process, passed in by main.
struct Surroundings {
  std::map<std::string, std::string> variables;
  int in{0};
  int out{1};
  int err{2};
  static Surroundings of(const char* const* environment);
  std::string get(const std::string& name) const;  // "" when it is not set
};

enum class Style : std::uint8_t { Plain, Bold, Dim, Good, Warn, Bad };

using Cells = std::vector<std::string>;
using Fields = std::vector<std::pair<std::string, std::string>>;

std::size_t display_width(std::string_view utf8);  // without escape sequences; wide characters: 2
// Rows under a header, two spaces between columns, no trailing spaces, each with a line end. A
// column whose header starts with '>' is aligned to the right.
std::string render_table(const Cells& header, const std::vector<Cells>& rows);
// "name   value" lines; a value of several lines is indented.
std::string render_fields(const Fields& fields);
// 64,000 of 94 -> "1 run", "20 runs".
std::string counted(std::uint64_t count, std::string_view noun);
std::string shortened(std::string_view text, std::size_t width);

class Terminal {
 public:
  explicit Terminal(const Surroundings& surroundings);

  bool color() const { return color_; }
  bool error_is_terminal() const { return err_terminal_; }
  bool can_ask() const { return in_terminal_ && err_terminal_; }
  std::string paint(Style style, std::string_view text) const;
  // A state or verdict in its colour.
  std::string state(std::string_view word) const;

  void say(std::string_view text) const;   // stdout, as it is
  void note(std::string_view line) const;  // stderr, one line
  void transient(std::string_view line);   // stderr, overwritten by the next one; "" clears
  // A question with y or n; no answer is no. `flag` is what says yes without a terminal.
  Result<bool> ask(std::string_view question, std::string_view flag);
  // A line without echo. `flag` as above.
  Result<std::string> ask_secret(std::string_view question, std::string_view flag);
  // All of standard input up to `bytes_max`, without line ends at its end.
  Result<std::string> read_input(std::size_t bytes_max) const;

 private:
  Result<std::string> read_line() const;
  int in_, out_, err_;
  bool in_terminal_, err_terminal_, color_;
  bool transient_{false};
};

// Says how far a step is, once it takes over a second, on a terminal only.
class ProgressLine {
 public:
  ProgressLine(Terminal& terminal, const Clock& clock, std::string title);
  ~ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  void bytes(std::uint64_t done, std::uint64_t total);  // total 0: not known
  void step(std::string_view text);

 private:
  bool due();
  Terminal& terminal_;
  const Clock& clock_;
  std::string title_;
  Instant started_;
  Instant shown_;
};

}  // namespace coffer::cli
