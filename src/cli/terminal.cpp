#include "cli/terminal.h"

#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/text.h"
#include "cli/problem.h"
#include "os/files.h"

namespace coffer::cli {
namespace {

std::string_view code_of(Style style) {
  switch (style) {
    case Style::Plain:
      return "";
    case Style::Bold:
      return "1";
    case Style::Dim:
      return "2";
    case Style::Good:
      return "32";
    case Style::Warn:
      return "33";
    case Style::Bad:
      return "31";
  }
  std::abort();
}

// East Asian wide ranges and emoji, coarse: enough to keep columns straight.
bool is_wide(std::uint32_t point) {
  return (point >= 0x1100 && point <= 0x115F) || (point >= 0x2E80 && point <= 0xA4CF) ||
         (point >= 0xAC00 && point <= 0xD7A3) || (point >= 0xF900 && point <= 0xFAFF) ||
         (point >= 0xFE30 && point <= 0xFE6F) || (point >= 0xFF00 && point <= 0xFF60) ||
         (point >= 0xFFE0 && point <= 0xFFE6) || (point >= 0x1F300 && point <= 0x1FAFF) ||
         (point >= 0x20000 && point <= 0x3FFFD);
}

std::size_t sequence_length(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead < 0xE0) return 2;
  return lead < 0xF0 ? 3 : 4;
}

std::uint32_t point_at(std::string_view text, std::size_t length) {
  const auto lead = static_cast<unsigned char>(text[0]);
  if (length == 1) return lead;
  std::uint32_t point = lead & (0xFFU >> (length + 1));
  for (std::size_t i = 1; i < length && i < text.size(); ++i) {
    point = point << 6 | (static_cast<unsigned char>(text[i]) & 0x3FU);
  }
  return point;
}

std::string padded(const std::string& text, std::size_t width, bool right) {
  const std::string space(width - std::min(width, display_width(text)), ' ');
  return right ? space + text : text + space;
}

// What cannot be written to a terminal or pipe has no reader left to hear of it.
void put(int fd, std::string_view text) {
  if (!coffer::write_all(fd, bytes_of(text))) return;
}

void strip_right(std::string& line) {
  while (!line.empty() && line.back() == ' ') line.pop_back();
}

}  // namespace

Surroundings Surroundings::of(const char* const* environment) {
  Surroundings result;
  for (; environment != nullptr && *environment != nullptr; ++environment) {
    const std::string_view entry = *environment;
    const auto equals = entry.find('=');
    if (equals == std::string_view::npos) continue;
    result.variables.emplace(entry.substr(0, equals), entry.substr(equals + 1));
  }
  return result;
}

std::string Surroundings::get(const std::string& name) const {
  const auto found = variables.find(name);
  return found == variables.end() ? std::string{} : found->second;
}

std::size_t display_width(std::string_view utf8) {
  std::size_t width = 0;
  while (!utf8.empty()) {
    if (utf8[0] == '\x1b') {
      const auto end = utf8.find('m');
      utf8.remove_prefix(end == std::string_view::npos ? utf8.size() : end + 1);
      continue;
    }
    const auto length = std::min(sequence_length(static_cast<unsigned char>(utf8[0])), utf8.size());
    width += is_wide(point_at(utf8, length)) ? 2U : 1U;
    utf8.remove_prefix(length);
  }
  return width;
}

std::string render_table(const Cells& header, const std::vector<Cells>& rows) {
  std::vector<std::size_t> widths(header.size());
  std::vector<bool> right(header.size());
  Cells titles = header;
  for (std::size_t i = 0; i < header.size(); ++i) {
    right[i] = header[i].starts_with('>');
    if (right[i]) titles[i].erase(0, 1);
    widths[i] = display_width(titles[i]);
    for (const auto& row : rows) {
      if (i < row.size()) widths[i] = std::max(widths[i], display_width(row[i]));
    }
  }
  std::string text;
  const auto add = [&](const Cells& row) {
    std::string line;
    for (std::size_t i = 0; i < row.size() && i < widths.size(); ++i) {
      if (i > 0) line += "  ";
      line += padded(row[i], widths[i], right[i]);
    }
    strip_right(line);
    text += line + "\n";
  };
  add(titles);
  for (const auto& row : rows) add(row);
  return text;
}

std::string render_fields(const Fields& fields) {
  std::size_t width = 0;
  for (const auto& [name, value] : fields) width = std::max(width, display_width(name));
  std::string text;
  for (const auto& [name, value] : fields) {
    auto lines = split(value, '\n');
    std::string line = padded(name, width, false) + "  " + lines[0];
    strip_right(line);
    text += line + "\n";
    for (std::size_t i = 1; i < lines.size(); ++i) {
      text += std::string(width + 2, ' ') + lines[i] + "\n";
    }
  }
  return text;
}

std::string counted(std::uint64_t count, std::string_view noun) {
  return render_count(count) + " " + std::string(noun) + (count == 1 ? "" : "s");
}

std::string shortened(std::string_view text, std::size_t width) {
  if (display_width(text) <= width) return std::string(text);
  std::string out;
  while (!text.empty()) {
    const auto length = std::min(sequence_length(static_cast<unsigned char>(text[0])), text.size());
    if (display_width(out) + display_width(text.substr(0, length)) + 1 > width) break;
    out += text.substr(0, length);
    text.remove_prefix(length);
  }
  return out + "…";
}

Terminal::Terminal(const Surroundings& surroundings)
    : in_(surroundings.in),
      out_(surroundings.out),
      err_(surroundings.err),
      in_terminal_(::isatty(in_) == 1),
      err_terminal_(::isatty(err_) == 1),
      color_(::isatty(out_) == 1 && surroundings.get("NO_COLOR").empty() &&
             surroundings.get("TERM") != "dumb") {}

std::string Terminal::paint(Style style, std::string_view text) const {
  if (!color_ || style == Style::Plain) return std::string(text);
  return "\x1b[" + std::string(code_of(style)) + "m" + std::string(text) + "\x1b[0m";
}

std::string Terminal::state(std::string_view word) const {
  for (const auto* good : {"done", "released", "ready", "active", "ok", "granted"}) {
    if (word == good) return paint(Style::Good, word);
  }
  for (const auto* bad : {"refused", "failed", "withheld", "revoked", "expired", "suspended"}) {
    if (word == bad) return paint(Style::Bad, word);
  }
  for (const auto* open : {"held", "running", "queued", "building", "open"}) {
    if (word == open) return paint(Style::Warn, word);
  }
  return std::string(word);
}

void Terminal::say(std::string_view text) const { put(out_, text); }

void Terminal::note(std::string_view line) const {
  const std::string clear = transient_ ? "\r\x1b[K" : "";
  put(err_, clear + std::string(line) + "\n");
}

void Terminal::transient(std::string_view line) {
  if (!err_terminal_ || (line.empty() && !transient_)) return;
  transient_ = !line.empty();
  put(err_, "\r\x1b[K" + shortened(line, 100));
}

Result<std::string> Terminal::read_line() const {
  std::string line;
  char byte{};
  for (;;) {
    const ssize_t got = ::read(in_, &byte, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0 || byte == '\n') return line;
    if (line.size() < 4096) line += byte;
  }
}

Result<bool> Terminal::ask(std::string_view question, std::string_view flag) {
  if (!can_ask()) {
    return usage_error("a yes is needed and there is no terminal to ask on", std::string(flag));
  }
  transient("");
  put(err_, std::string(question) + " [y/N] ");
  COFFER_TRY(const auto answer, read_line());
  const auto word = trim(answer);
  return word == "y" || word == "Y" || word == "yes";
}

Result<std::string> Terminal::ask_secret(std::string_view question, std::string_view flag) {
  if (!can_ask()) {
    return usage_error("a secret is needed and there is no terminal to ask on", std::string(flag));
  }
  put(err_, std::string(question) + " ");
  termios before{};
  const bool known = ::tcgetattr(in_, &before) == 0;
  termios silent = before;
  silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
  if (known) (void)::tcsetattr(in_, TCSAFLUSH, &silent);
  auto line = read_line();
  if (known) (void)::tcsetattr(in_, TCSAFLUSH, &before);
  put(err_, "\n");
  return line;
}

Result<std::string> Terminal::read_input(std::size_t bytes_max) const {
  std::string text;
  char buffer[4096];
  for (;;) {
    const ssize_t got = ::read(in_, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Error{Code::Unavailable, "cannot read standard input"};
    if (got == 0) break;
    text.append(buffer, static_cast<std::size_t>(got));
    if (text.size() > bytes_max) {
      return usage_error("standard input is longer than " + std::to_string(bytes_max) + " bytes");
    }
  }
  return std::string(trim(text));
}

ProgressLine::ProgressLine(Terminal& terminal, const Clock& clock, std::string title)
    : terminal_(terminal),
      clock_(clock),
      title_(std::move(title)),
      started_(clock.now()),
      shown_(started_) {}

ProgressLine::~ProgressLine() { terminal_.transient(""); }

bool ProgressLine::due() {
  const auto now = clock_.now();
  if (now - started_ < 1s || now - shown_ < 200ms) return false;
  shown_ = now;
  return true;
}

void ProgressLine::bytes(std::uint64_t done, std::uint64_t total) {
  if (!due()) return;
  std::string text = title_ + "  " + render_size(done);
  if (total > 0) {
    text += " of " + render_size(total) + "  " + std::to_string(done * 100 / total) + "%";
  }
  terminal_.transient(text);
}

void ProgressLine::step(std::string_view text) {
  if (due()) terminal_.transient(title_ + "  " + std::string(text));
}

}  // namespace coffer::cli
