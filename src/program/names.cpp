#include "program/names.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/text.h"

namespace coffer::program {
namespace {

bool is_low(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool is_high(char c) { return c >= 'A' && c <= 'Z'; }
bool is_joint(char c) { return c == '.' || c == '_' || c == '-'; }

}  // namespace

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= kNameMax && is_low(text[0]) &&
         std::all_of(text.begin(), text.end(), [](char c) { return is_low(c) || is_joint(c); });
}

bool is_alias(std::string_view text) {
  return !text.empty() && text.size() <= kNameMax &&
         (is_low(text[0]) || is_high(text[0]) || text[0] == '_') &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return is_low(c) || is_high(c) || is_joint(c); });
}

Result<DatasetName> DatasetName::parse(std::string_view text) {
  const Error bad{Code::InvalidArgument,
                  fmt::format("'{}' is no dataset: write org/name or org/name@v3, each part "
                              "[a-z0-9][a-z0-9._-]{{0,62}}",
                              printable(text, 140))};
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return bad;
  const auto at = text.find('@');
  DatasetName out{
      .org = std::string(text.substr(0, slash)),
      .name = std::string(text.substr(
          slash + 1, at == std::string_view::npos ? at : at - std::min(at, slash + 1)))};
  if (!is_name(out.org) || !is_name(out.name)) return bad;
  if (at == std::string_view::npos) return out;
  const auto version = text.substr(at + 1);
  std::uint32_t number = 0;
  if (version.size() < 2 || version[0] != 'v' || version[1] == '0') return bad;
  const auto [rest, error] =
      std::from_chars(version.data() + 1, version.data() + version.size(), number);
  if (error != std::errc{} || rest != version.data() + version.size()) return bad;
  out.version = number;
  return out;
}

std::string DatasetName::text() const {
  return version ? fmt::format("{}/{}@v{}", org, name, *version) : plain();
}

Result<EnvironmentName> EnvironmentName::parse(std::string_view text) {
  const auto at = text.find('@');
  EnvironmentName out{.name = std::string(text.substr(0, at))};
  if (!is_name(out.name)) {
    return Error{
        Code::InvalidArgument,
        fmt::format("'{}' is no environment: write a name, [a-z0-9][a-z0-9._-]{{0,62}}, or "
                    "name@sha256:...",
                    printable(text, 160))};
  }
  if (at == std::string_view::npos) return out;
  COFFER_TRY(out.digest, Digest::parse(text.substr(at + 1)));
  return out;
}

std::string EnvironmentName::text() const { return digest ? name + "@" + digest->text() : name; }

}  // namespace coffer::program
