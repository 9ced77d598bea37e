#include "cell/kit/failure.h"

#include <algorithm>
#include <charconv>
#include <vector>

#include "base/text.h"
#include "cell/detail/walls.h"

namespace coffer::cell::kit {
namespace {

constexpr std::string_view kProgram = "/program/";
constexpr std::string_view kOwnForm = "COFFER_ERROR ";
constexpr std::string_view kTraceback = "Traceback (most recent call last):";

bool is_identifier(std::string_view text) {
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  if (text.empty() || text.size() > detail::EndReport::kClassMax || !letter(text[0])) return false;
  return std::all_of(text.begin(), text.end(),
                     [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

// Relative to /program, or empty when it lies elsewhere.
std::string own_file(std::string_view path) {
  if (path.starts_with(kProgram)) path.remove_prefix(kProgram.size());
  if (path.empty() || path.size() > detail::EndReport::kFileMax || path.starts_with('/')) return {};
  for (const auto& part : split(path, '/')) {
    if (part.empty() || part == "." || part == "..") return {};
  }
  const bool plain =
      std::all_of(path.begin(), path.end(), [](char c) { return c > ' ' && c < 127; });
  return plain ? std::string(path) : std::string{};
}

std::uint32_t number_in(std::string_view text) {
  std::uint32_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  return parsed.ec == std::errc{} ? value : 0;
}

std::optional<FailureText> own_form(std::string_view line) {
  const auto words = split(line.substr(kOwnForm.size()), ' ');
  if (words.empty() || !is_identifier(words[0])) return std::nullopt;
  FailureText failure{words[0], {}, 0};
  if (words.size() > 1) {
    const auto colon = words[1].rfind(':');
    failure.file = own_file(std::string_view{words[1]}.substr(0, colon));
    if (colon != std::string::npos && !failure.file.empty()) {
      failure.line = number_in(std::string_view{words[1]}.substr(colon + 1));
    }
  }
  return failure;
}

// `  File "/program/train.py", line 12, in main`
void take_frame(std::string_view line, FailureText& failure) {
  constexpr std::string_view kStart = "  File \"";
  constexpr std::string_view kLine = "\", line ";
  const auto middle = line.find(kLine);
  if (!line.starts_with(kStart) || middle == std::string_view::npos) return;
  const std::string file = own_file(line.substr(kStart.size(), middle - kStart.size()));
  if (file.empty()) return;
  failure.file = file;
  failure.line = number_in(line.substr(middle + kLine.size()));
}

std::optional<FailureText> traceback(const std::vector<std::string>& lines, std::size_t at) {
  FailureText failure;
  for (++at; at < lines.size(); ++at) {
    const std::string_view line = lines[at];
    if (line.starts_with(' ') || line.empty()) {
      take_frame(line, failure);
      continue;
    }
    // `package.module.Class: text`, the text is nobody's business.
    std::string_view name = line.substr(0, line.find(':'));
    if (const auto dot = name.rfind('.'); dot != std::string_view::npos) {
      name.remove_prefix(dot + 1);
    }
    if (!is_identifier(name)) return std::nullopt;
    failure.class_name = name;
    return failure;
  }
  return std::nullopt;
}

}  // namespace

std::optional<FailureText> failure_in(std::string_view stderr_tail) {
  const auto lines = split(stderr_tail, '\n');
  for (std::size_t i = lines.size(); i-- > 0;) {
    if (lines[i].starts_with(kOwnForm)) return own_form(lines[i]);
  }
  for (std::size_t i = lines.size(); i-- > 0;) {
    if (lines[i] == kTraceback) return traceback(lines, i);
  }
  return std::nullopt;
}

}  // namespace coffer::cell::kit
