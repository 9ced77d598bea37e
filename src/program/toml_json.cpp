#include "program/detail/toml_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "base/text.h"
#include "base/toml.h"
#include "program/decimal.h"

namespace coffer::program::detail {
namespace {

constexpr std::size_t kDotsMax = 8;  // of one key

// The place behind the string that begins at `at`.
std::size_t skip_string(std::string_view text, std::size_t at) {
  const char quote = text[at];
  const std::string three(3, quote);
  const bool many_lines = text.substr(at, 3) == three;
  const auto ends = [&](std::size_t i) {
    return many_lines ? text.substr(i, 3) == three : text[i] == quote || text[i] == '\n';
  };
  const std::size_t quotes = many_lines ? 3 : 1;
  std::size_t i = at + quotes;
  while (i < text.size() && !ends(i)) i += quote == '"' && text[i] == '\\' ? 2U : 1U;
  i += quotes;
  // One or two quotes may stand before the three that end it.
  for (int more = 0; many_lines && more < 2 && i < text.size() && text[i] == quote; ++more) ++i;
  return std::min(i, text.size());
}

// The line of a key with too many parts. The library makes a table of each, and ends the process
// when it removes some ten thousand of them, one in the other.
std::optional<std::size_t> line_of_deep_key(std::string_view text) {
  std::size_t dots = 0;
  for (std::size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (c == '"' || c == '\'') {
      i = skip_string(text, i);
      continue;
    }
    if (c == '#') {
      i = std::min(text.find('\n', i), text.size());
      continue;
    }
    if (c == '.' && ++dots > kDotsMax) {
      const auto before = text.substr(0, i);
      return 1 + static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n'));
    }
    if (std::string_view{"\n=,[]{}"}.find(c) != std::string_view::npos) dots = 0;
    ++i;
  }
  return {};
}

class Converter {
 public:
  explicit Converter(std::string_view text) {
    for (std::size_t from = 0; from <= text.size();) {
      const auto to = std::min(text.find('\n', from), text.size());
      lines_.push_back(text.substr(from, to - from));
      from = to + 1;
    }
  }

  Result<Json> convert(const toml::node& node) const {
    if (const auto* table = node.as_table()) {
      Json::Object out;
      for (const auto& [key, value] : *table) {
        COFFER_TRY(Json member, convert(value));
        out.emplace_back(std::string(key.str()), std::move(member));
      }
      return Json{std::move(out)};
    }
    if (const auto* array = node.as_array()) {
      Json::Array out;
      for (const auto& value : *array) {
        COFFER_TRY(Json item, convert(value));
        out.push_back(std::move(item));
      }
      return Json{std::move(out)};
    }
    if (const auto* text = node.as_string()) return Json{text->get()};
    if (const auto* flag = node.as_boolean()) return Json{flag->get()};
    if (const auto* integer = node.as_integer()) return Json{std::int64_t{integer->get()}};
    if (const auto* number = node.as_floating_point()) {
      return decimal(node.source().begin, number->get());
    }
    return refuse(node.source().begin, "dates and times have no use here");
  }

 private:
  static Error refuse(const toml::source_position& at, std::string_view why) {
    return Error{Code::InvalidArgument, fmt::format("line {}: {}", at.line, why)};
  }

  // The library keeps the place of a number, not its text: the text is read from there, and what
  // the library made of it proves that the place was right.
  Result<Json> decimal(const toml::source_position& at, double value) const {
    const Error bad = refuse(at, "not a finite decimal number");
    if (at.line < 1 || at.line > lines_.size()) return bad;
    std::string_view rest = lines_[at.line - 1];
    for (std::size_t column = 1; column < at.column && !rest.empty(); ++column) {
      rest.remove_prefix(1);  // one character of UTF-8: its first byte and what continues it
      while (!rest.empty() && (static_cast<unsigned char>(rest[0]) & 0xc0) == 0x80) {
        rest.remove_prefix(1);
      }
    }
    const auto end = std::min(rest.find_first_not_of("+-0123456789._eE"), rest.size());
    std::string text(rest.substr(0, end));
    std::erase(text, '_');
    if (text.starts_with('+')) text.erase(0, 1);
    if (!Decimal::parse(text) || std::strtod(text.c_str(), nullptr) != value) return bad;
    return Json{Json::Number{std::move(text)}};
  }

  std::vector<std::string_view> lines_;
};

}  // namespace

Result<Json> toml_to_json(std::string_view toml) {
  // The byte order mark is no character of the first line.
  if (toml.starts_with("\xef\xbb\xbf")) toml.remove_prefix(3);
  if (const auto line = line_of_deep_key(toml)) {
    return Error{Code::InvalidArgument,
                 fmt::format("line {}: a key has more than {} parts", *line, kDotsMax + 1)};
  }
  const auto parsed = toml::parse(toml);
  if (!parsed) {
    const auto& error = parsed.error();
    return Error{Code::InvalidArgument, fmt::format("line {}: {}", error.source().begin.line,
                                                    printable(error.description()))};
  }
  return Converter{toml}.convert(parsed.table());
}

}  // namespace coffer::program::detail
