// Fields: reads one table of a manifest and says what is wrong in the words of its writer.
//
// The first problem wins; after it, values read are defaults and finish() tells it. Every key that
// may stand is named at construction; another one is a problem, with the nearest known one.
// Errors: InvalidArgument. Thread-safety: as a plain value; borrows the table.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "program/decimal.h"

namespace coffer::program::detail {

// The inclusive range of a count, and how to say it.
struct Range {
  std::uint64_t min{0};
  std::uint64_t max{UINT64_MAX};
};

class Fields {
 public:
  Fields(const Json& table, std::string where, const std::vector<std::string>& known);

  // The member, or null; with need() its absence is a problem.
  const Json* find(std::string_view key) const { return table_.find(key); }
  const Json* need(std::string_view key);

  std::string text(std::string_view key);  // required
  std::optional<std::string> text_if(std::string_view key);
  bool flag_if(std::string_view key);                      // absent: false
  std::uint64_t count(std::string_view key, Range range);  // required
  std::uint64_t count_or(std::string_view key, std::uint64_t otherwise, Range range);
  std::int64_t integer(std::string_view key);            // required
  Decimal decimal(std::string_view key);                 // required
  std::vector<std::string> texts(std::string_view key);  // required, a list of strings
  // The items of a list or the members of a table; none when absent.
  const Json::Array& list_if(std::string_view key);
  const Json::Object& table_if(std::string_view key);

  void refuse(std::string_view key, std::string_view why);
  // Takes over the problem of something that was read from a member.
  void refuse(const Error& error);
  Result<> finish() const;
  // "outputs.metrics.kind"
  std::string path(std::string_view key) const;

 private:
  const Json& table_;
  std::string where_;
  std::string problem_;
};

}  // namespace coffer::program::detail
