#include "scan/proposal.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "base/text.h"
#include "scan/decimal.h"

namespace coffer::scan {
namespace {

constexpr std::array<std::string_view, 8> kKinds{
    "identifier", "quasi_identifier", "sensitive", "free_text", "numeric", "label", "date",
    "other"};
constexpr std::array<std::string_view, 5> kTypes{"integer", "decimal", "text", "date", "boolean"};

template <std::size_t N>
Result<std::size_t> index_in(const std::array<std::string_view, N>& names, std::string_view text,
                             std::string_view what) {
  const auto at = std::find(names.begin(), names.end(), text);
  if (at != names.end()) return static_cast<std::size_t>(at - names.begin());
  const std::vector<std::string> known{names.begin(), names.end()};
  const std::string near = nearest(text, known);
  return Error{Code::InvalidArgument, fmt::format("'{}' is no {}: {}", printable(text, 40), what,
                                                  near.empty() ? "one of " + join(known, " ")
                                                               : "did you mean " + near + "?")};
}

Json column_json(const Column& column) {
  return Json::object({{"name", column.name},
                       {"kind", text_of(column.kind)},
                       {"type", text_of(column.type)},
                       {"values", column.values},
                       {"min", column.min},
                       {"max", column.max},
                       {"blanks", column.blanks == Blanks::Allowed}});
}

void read_column_members(StrictReader& in, Column& column) {
  column.name = in.text("name");
  const auto kind = parse_kind(in.text("kind"));
  const auto type = parse_type(in.text("type"));
  if (!kind) in.refuse("kind", kind.error().message);
  if (!type) in.refuse("type", type.error().message);
  column.kind = kind ? *kind : Kind::Other;
  column.type = type ? *type : Type::Text;
  column.values = in.texts("values");
  column.min = in.text("min");
  column.max = in.text("max");
  column.blanks = in.boolean("blanks") ? Blanks::Allowed : Blanks::Required;
}

Result<> check_columns(const File& file) {
  std::set<std::string_view> names;
  for (const auto& column : file.columns) {
    const std::string problem = column_defect(column);
    if (!problem.empty()) {
      return Error{Code::InvalidArgument,
                   fmt::format("column '{}': {}", printable(column.name, 60), problem)};
    }
    if (!names.insert(column.name).second) {
      return Error{Code::InvalidArgument,
                   fmt::format("column '{}' stands twice in one file", printable(column.name, 60))};
    }
  }
  return {};
}

Result<Column> column_from_proposal(const Json& json) {
  StrictReader in{json, "columns"};
  Column column;
  read_column_members(in, column);
  column.publish = in.boolean("publish") ? Publish::Yes : Publish::No;
  column.reason = in.text("reason");
  COFFER_CHECK(in.finish());
  return column;
}

Result<Tag> tag_from_proposal(const Json& json) {
  StrictReader in{json, "tags"};
  Tag tag;
  tag.name = in.text("name");
  const auto kind = parse_kind(in.text("kind"));
  if (!kind) in.refuse("kind", kind.error().message);
  tag.kind = kind ? *kind : Kind::Other;
  tag.reason = in.text("reason");
  COFFER_CHECK(in.finish());
  return tag;
}

const Json::Array& items_of(StrictReader& in, std::string_view key) {
  static const Json::Array kNone;
  const Json& list = in.any(key);
  if (const auto* items = list.as_array()) return *items;
  in.refuse(key, "must be a list");
  return kNone;
}

Result<File> file_from_proposal(const Json& json) {
  StrictReader in{json, "files"};
  File file;
  file.path = in.text("path");
  file.format = in.text("format");
  file.rows = in.uint("rows");
  file.publish = in.boolean("publish") ? Publish::Yes : Publish::No;
  file.reason = in.text("reason");
  const auto& columns = items_of(in, "columns");
  const auto& tags = items_of(in, "tags");
  if (json.find("defect") != nullptr) file.defect = in.text("defect");
  COFFER_CHECK(in.finish());
  for (const auto& item : columns) {
    COFFER_TRY(Column column, column_from_proposal(item));
    file.columns.push_back(std::move(column));
  }
  for (const auto& item : tags) {
    COFFER_TRY(Tag tag, tag_from_proposal(item));
    file.tags.push_back(std::move(tag));
  }
  COFFER_CHECK(check_columns(file));
  return file;
}

}  // namespace

std::string_view text_of(Kind kind) { return kKinds[static_cast<std::size_t>(kind)]; }
std::string_view text_of(Type type) { return kTypes[static_cast<std::size_t>(type)]; }

Result<Kind> parse_kind(std::string_view text) {
  COFFER_TRY(const std::size_t index, index_in(kKinds, text, "kind"));
  return static_cast<Kind>(index);
}

Result<Type> parse_type(std::string_view text) {
  COFFER_TRY(const std::size_t index, index_in(kTypes, text, "type"));
  return static_cast<Type>(index);
}

std::string column_defect(const Column& column) {
  if (column.name.empty()) return "name: is empty";
  if (column.min.empty() && column.max.empty()) return {};
  if (!column.values.empty()) return "values: stand beside a range";
  const bool dates = column.type == Type::Date;
  const auto good = [&](const std::string& text) {
    return dates ? is_iso_date(text) : is_canonical_decimal(text);
  };
  if (!good(column.min)) return "min: must be canonical decimal text, or a date";
  if (!good(column.max)) return "max: must be canonical decimal text, or a date";
  const bool ordered =
      dates ? column.min <= column.max : compare_decimal(column.min, column.max) <= 0;
  return ordered ? "" : "min: is above max";
}

Proposal carry_over(const Proposal& before, Proposal fresh,
                    const std::function<bool(const std::string& path)>& keeps) {
  std::set<std::string> there;
  for (const auto& file : fresh.files) there.insert(file.path);
  for (const auto& file : before.files) {
    if (!there.contains(file.path) && keeps(file.path)) fresh.files.push_back(file);
  }
  std::sort(fresh.files.begin(), fresh.files.end(),
            [](const File& a, const File& b) { return a.path < b.path; });
  return fresh;
}

Json to_json(const Proposal& proposal) {
  Json files = Json::array();
  for (const auto& file : proposal.files) {
    Json columns = Json::array();
    for (const auto& column : file.columns) {
      Json one = column_json(column);
      one.set("publish", column.publish == Publish::Yes);
      one.set("reason", column.reason);
      columns.push(std::move(one));
    }
    Json tags = Json::array();
    for (const auto& tag : file.tags) {
      tags.push(
          Json::object({{"name", tag.name}, {"kind", text_of(tag.kind)}, {"reason", tag.reason}}));
    }
    Json one = Json::object({{"path", file.path},
                             {"format", file.format},
                             {"rows", file.rows},
                             {"publish", file.publish == Publish::Yes},
                             {"reason", file.reason},
                             {"columns", std::move(columns)},
                             {"tags", std::move(tags)}});
    if (!file.defect.empty()) one.set("defect", file.defect);
    files.push(std::move(one));
  }
  return Json::object({{"files", std::move(files)}, {"notes", proposal.notes}});
}

Result<Proposal> proposal_from_json(const Json& json) {
  StrictReader in{json, "proposal"};
  Proposal out;
  const auto& files = items_of(in, "files");
  out.notes = in.texts("notes");
  COFFER_CHECK(in.finish());
  for (const auto& item : files) {
    COFFER_TRY(File file, file_from_proposal(item));
    out.files.push_back(std::move(file));
  }
  return out;
}

Json card_files(const Proposal& proposal) {
  Json files = Json::array();
  for (const auto& file : proposal.files) {
    if (file.publish == Publish::No) continue;
    Json columns = Json::array();
    for (const auto& column : file.columns) {
      if (column.publish == Publish::Yes) columns.push(column_json(column));
    }
    files.push(Json::object({{"path", file.path},
                             {"format", file.format},
                             {"rows", file.rows},
                             {"columns", std::move(columns)}}));
  }
  return files;
}

Result<std::vector<File>> files_from_card(const Json& card_files) {
  const auto* items = card_files.as_array();
  if (items == nullptr) return Error{Code::InvalidArgument, "card: files must be a list"};
  std::vector<File> out;
  for (const auto& item : *items) {
    StrictReader in{item, "card: files"};
    File file;
    file.path = in.text("path");
    file.format = in.text("format");
    file.rows = in.uint("rows");
    const auto& columns = items_of(in, "columns");
    COFFER_CHECK(in.finish());
    for (const auto& one : columns) {
      StrictReader column_in{one, "card: columns"};
      Column column;
      read_column_members(column_in, column);
      COFFER_CHECK(column_in.finish());
      file.columns.push_back(std::move(column));
    }
    COFFER_CHECK(check_columns(file));
    out.push_back(std::move(file));
  }
  return out;
}

}  // namespace coffer::scan
