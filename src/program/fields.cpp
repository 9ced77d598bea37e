#include "program/detail/fields.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace coffer::program::detail {

Fields::Fields(const Json& table, std::string where, const std::vector<std::string>& known)
    : table_(table), where_(std::move(where)) {
  const auto* members = table_.as_object();
  if (members == nullptr) {
    problem_ = where_ + ": must be a table";
    return;
  }
  for (const auto& [key, value] : *members) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    const std::string near = nearest(key, known);
    refuse(printable(key, 60), near.empty() ? "unknown key; known are " + join(known, ", ")
                                            : "unknown key; did you mean " + near + "?");
    return;
  }
}

std::string Fields::path(std::string_view key) const {
  return where_.empty() ? std::string(key) : fmt::format("{}.{}", where_, key);
}

void Fields::refuse(std::string_view key, std::string_view why) {
  if (problem_.empty()) problem_ = fmt::format("{}: {}", path(key), why);
}

void Fields::refuse(const Error& error) {
  if (problem_.empty()) problem_ = error.message;
}

Result<> Fields::finish() const {
  if (!problem_.empty()) return Error{Code::InvalidArgument, problem_};
  return {};
}

const Json* Fields::need(std::string_view key) {
  const Json* value = find(key);
  if (value == nullptr) refuse(key, "is missing");
  return value;
}

std::optional<std::string> Fields::text_if(std::string_view key) {
  const Json* value = find(key);
  if (value == nullptr) return {};
  if (const auto* text = value->as_string()) return *text;
  refuse(key, "must be a text in quotes");
  return {};
}

std::string Fields::text(std::string_view key) {
  return need(key) == nullptr ? std::string{} : text_if(key).value_or("");
}

bool Fields::flag_if(std::string_view key) {
  const Json* value = find(key);
  if (value == nullptr) return false;
  const auto flag = value->as_bool();
  if (!flag) refuse(key, "must be true or false");
  return flag.value_or(false);
}

std::uint64_t Fields::count_or(std::string_view key, std::uint64_t otherwise, Range range) {
  const Json* value = find(key);
  if (value == nullptr) return otherwise;
  const auto number = value->as_uint();
  if (number && *number >= range.min && *number <= range.max) return *number;
  refuse(key, fmt::format("must be a whole number from {} to {}", range.min, range.max));
  return otherwise;
}

std::uint64_t Fields::count(std::string_view key, Range range) {
  return need(key) == nullptr ? range.min : count_or(key, range.min, range);
}

std::int64_t Fields::integer(std::string_view key) {
  const Json* value = need(key);
  if (value == nullptr) return 0;
  const auto number = value->as_int();
  if (!number) refuse(key, "must be a whole number");
  return number.value_or(0);
}

Decimal Fields::decimal(std::string_view key) {
  const Json* value = need(key);
  if (value == nullptr) return {};
  if (const auto* number = value->as_number()) {
    if (auto parsed = Decimal::parse(number->text)) return *std::move(parsed);
  }
  refuse(key, "must be a number");
  return {};
}

std::vector<std::string> Fields::texts(std::string_view key) {
  (void)need(key);
  std::vector<std::string> out;
  for (const auto& item : list_if(key)) {
    if (const auto* text = item.as_string()) {
      out.push_back(*text);
    } else {
      refuse(key, "must be a list of texts in quotes");
    }
  }
  return out;
}

const Json::Array& Fields::list_if(std::string_view key) {
  static const Json::Array kNone;
  const Json* value = find(key);
  if (value == nullptr) return kNone;
  if (const auto* items = value->as_array()) return *items;
  refuse(key, "must be a list");
  return kNone;
}

const Json::Object& Fields::table_if(std::string_view key) {
  static const Json::Object kNone;
  const Json* value = find(key);
  if (value == nullptr) return kNone;
  if (const auto* members = value->as_object()) return *members;
  refuse(key, "must be a table");
  return kNone;
}

}  // namespace coffer::program::detail
