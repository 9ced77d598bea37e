#include "program/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/text.h"

namespace coffer::program {
namespace {

constexpr std::string_view kProgramRoot = "/program/";

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '.';
}

std::uint8_t exception_of(std::string_view line) {
  const auto end = std::find_if_not(line.begin(), line.end(), is_word);
  if (end != line.end() && *end != ':' && *end != '\r') return kOtherException;
  std::string_view name = line.substr(0, static_cast<std::size_t>(end - line.begin()));
  name.remove_prefix(name.rfind('.') == std::string_view::npos ? 0 : name.rfind('.') + 1);
  const auto* found = std::find(kExceptionClasses.begin(), kExceptionClasses.end(), name);
  return static_cast<std::uint8_t>(found - kExceptionClasses.begin());  // the end is `other`
}

// The place that `  File "PATH", line N` names; nothing when the line has another form.
std::optional<SourceIndex::Place> place_of(std::string_view line) {
  constexpr std::string_view kFile = "  File \"";
  constexpr std::string_view kLine = "\", line ";
  if (!line.starts_with(kFile)) return {};
  line.remove_prefix(kFile.size());
  const auto quote = line.find(kLine);
  if (quote == std::string_view::npos) return {};
  SourceIndex::Place place{.path = std::string(line.substr(0, quote))};
  const auto number = line.substr(quote + kLine.size());
  (void)std::from_chars(number.data(), number.data() + number.size(), place.line);
  return place;
}

}  // namespace

const std::array<std::string_view, 63> kExceptionClasses{"ArithmeticError",
                                                         "AssertionError",
                                                         "AttributeError",
                                                         "BlockingIOError",
                                                         "BrokenPipeError",
                                                         "BufferError",
                                                         "CalledProcessError",
                                                         "ChildProcessError",
                                                         "ConnectionAbortedError",
                                                         "ConnectionError",
                                                         "ConnectionRefusedError",
                                                         "ConnectionResetError",
                                                         "EOFError",
                                                         "EmptyDataError",
                                                         "Exception",
                                                         "ExceptionGroup",
                                                         "FileExistsError",
                                                         "FileNotFoundError",
                                                         "FloatingPointError",
                                                         "GeneratorExit",
                                                         "ImportError",
                                                         "IndentationError",
                                                         "IndexError",
                                                         "InterruptedError",
                                                         "InvalidParameterError",
                                                         "IsADirectoryError",
                                                         "JSONDecodeError",
                                                         "KeyError",
                                                         "KeyboardInterrupt",
                                                         "LinAlgError",
                                                         "LookupError",
                                                         "MemoryError",
                                                         "ModuleNotFoundError",
                                                         "NameError",
                                                         "NotADirectoryError",
                                                         "NotFittedError",
                                                         "NotImplementedError",
                                                         "OSError",
                                                         "OutOfMemoryError",
                                                         "OverflowError",
                                                         "ParserError",
                                                         "PermissionError",
                                                         "ProcessLookupError",
                                                         "RecursionError",
                                                         "ReferenceError",
                                                         "RuntimeError",
                                                         "SafetensorError",
                                                         "StopIteration",
                                                         "SyntaxError",
                                                         "SystemError",
                                                         "SystemExit",
                                                         "TabError",
                                                         "TimeoutError",
                                                         "TypeError",
                                                         "UnboundLocalError",
                                                         "UnicodeDecodeError",
                                                         "UnicodeEncodeError",
                                                         "UnicodeError",
                                                         "UnpicklingError",
                                                         "UserWarning",
                                                         "ValueError",
                                                         "XGBoostError",
                                                         "ZeroDivisionError"};

FailureReport FailureReport::decode(std::uint32_t code) {
  return {.exception = static_cast<std::uint8_t>(code >> 26), .place = code & kNoPlace};
}

SourceIndex::SourceIndex(const Tree& tree) {
  std::uint64_t next = 0;
  for (const auto& file : tree.files) {
    files_.push_back({.path = file.path, .first = next, .lines = file.lines});
    next += file.lines;
  }
}

std::uint32_t SourceIndex::find(std::string_view path, std::uint64_t line) const {
  const auto file = std::lower_bound(
      files_.begin(), files_.end(), path,
      [](const File& candidate, std::string_view wanted) { return candidate.path < wanted; });
  if (file == files_.end() || file->path != path || line < 1 || line > file->lines) return kNoPlace;
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(file->first + line - 1, kNoPlace));
}

std::optional<SourceIndex::Place> SourceIndex::at(std::uint32_t place) const {
  if (place >= kNoPlace) return {};
  auto file = std::upper_bound(files_.begin(), files_.end(), place,
                               [](std::uint32_t wanted, const File& candidate) {
                                 return wanted < candidate.first + candidate.lines;
                               });
  if (file == files_.end()) return {};
  return Place{.path = file->path, .line = place - file->first + 1};
}

void SourceIndex::write(WireWriter& out) const {
  out.u32(static_cast<std::uint32_t>(files_.size()));
  for (const auto& file : files_) out.text(file.path).u64(file.lines);
}

SourceIndex SourceIndex::read(WireReader& in) {
  SourceIndex index;
  std::uint64_t next = 0;
  const auto count = in.count(kTreeFilesMax);
  for (std::uint32_t i = 0; i < count && !in.failed(); ++i) {
    File file{.path = in.text(), .first = next, .lines = in.u64()};
    // Looked up by halving, so the order is part of the form.
    if (file.lines > kTreeBytesMax || (i > 0 && file.path <= index.files_.back().path)) in.fail();
    next += file.lines;
    index.files_.push_back(std::move(file));
  }
  return in.failed() ? SourceIndex{} : index;
}

FailureReport report_of_traceback(std::string_view untrusted_text, const SourceIndex& index) {
  const auto start = untrusted_text.rfind("Traceback (most recent call last):");
  if (start != std::string_view::npos) untrusted_text.remove_prefix(start);
  FailureReport report;
  bool awaits_class = false;
  while (!untrusted_text.empty()) {
    const auto end = untrusted_text.find('\n');
    const std::string_view line = untrusted_text.substr(0, end);
    untrusted_text.remove_prefix(end == std::string_view::npos ? untrusted_text.size() : end + 1);
    if (const auto place = place_of(line)) {
      std::string_view path = place->path;
      if (path.starts_with(kProgramRoot)) path.remove_prefix(kProgramRoot.size());
      const std::uint32_t found = index.find(path, place->line);
      if (found != kNoPlace) report.place = found;
      awaits_class = true;
    } else if (awaits_class && !line.empty() && line[0] != ' ' && line[0] != '\t') {
      report.exception = exception_of(line);
      awaits_class = false;
    }
  }
  return report;
}

std::string describe(const FailureReport& report, const SourceIndex& index) {
  const auto place = index.at(report.place);
  const bool known = report.exception < kExceptionClasses.size();
  const std::string_view name = known ? kExceptionClasses[report.exception] : "an exception";
  if (place) return fmt::format("{} at {}:{}", name, printable(place->path), place->line);
  return known ? std::string(name) : "no known exception";
}

}  // namespace coffer::program
