// What a scan proposes about a dataset's files and columns, for the steward to confirm.
//
// Kinds and types are those of the card. A proposal holds private facts (values, ranges, reasons)
// and is sealed to the owner; what leaves is card_files() of what the steward let be published.
// Invariants: a column's name is unique in its file; min and max are canonical decimal text or a
// date, both or neither; identifier and free text columns propose no values and no range.
// to_json and proposal_from_json are inverse.
// Errors: InvalidArgument, naming the member.
// Thread-safety: as plain values.
// Source: protocol.md section 3 (card); docs/formats/vault.md says how it is sealed.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "base/text.h"

namespace coffer::scan {

enum class Kind : std::uint8_t {
  Identifier,
  QuasiIdentifier,
  Sensitive,
  FreeText,
  Numeric,
  Label,
  Date,
  Other,
};
enum class Type : std::uint8_t { Integer, Decimal, Text, Date, Boolean };
enum class Publish : std::uint8_t { No, Yes };
// Required: no blank may occur; Allowed: one may, and a twin has some.
enum class Blanks : std::uint8_t { Required, Allowed };

using coffer::text_of;                // of bytes: the overloads below would hide it
std::string_view text_of(Kind kind);  // identifier quasi_identifier sensitive free_text ...
std::string_view text_of(Type type);
Result<Kind> parse_kind(std::string_view text);  // the error names the nearest one
Result<Type> parse_type(std::string_view text);

struct Column {
  std::string name{};
  Kind kind{Kind::Other};
  Type type{Type::Text};
  std::vector<std::string> values{};  // all of them, where they are few; else none
  std::string min{};
  std::string max{};
  Blanks blanks{Blanks::Allowed};
  Publish publish{Publish::Yes};
  std::string reason{};  // in words, for the steward
  friend bool operator==(const Column&, const Column&) = default;
};

// What is wrong with a column from a steward or a card, "min: is above max"; empty when nothing is.
std::string column_defect(const Column& column);

// Something in a file that is no column: an EXIF or DICOM tag. Never published.
struct Tag {
  std::string name{};
  Kind kind{Kind::Other};
  std::string reason{};
  friend bool operator==(const Tag&, const Tag&) = default;
};

struct File {
  std::string path{};
  std::string format{};   // csv, tsv, parquet, png, jpeg, tiff, dicom, text, json, ... or other
  std::uint64_t rows{0};  // 0 where the format has none
  std::vector<Column> columns{};
  std::vector<Tag> tags{};
  Publish publish{Publish::Yes};
  std::string reason{};  // about name and format
  std::string defect{};  // of a table: why it cannot be read in one way only; else empty
  friend bool operator==(const File&, const File&) = default;
};

struct Proposal {
  std::vector<File> files{};
  std::vector<std::string> notes{};  // about the dataset as a whole
  friend bool operator==(const Proposal&, const Proposal&) = default;
};

// `fresh`, and of `before` the files that `keeps` answers true for and that `fresh` has not: what
// an append leaves as it was is not read again. Ascending by path.
Proposal carry_over(const Proposal& before, Proposal fresh,
                    const std::function<bool(const std::string& path)>& keeps);

Json to_json(const Proposal& proposal);
Result<Proposal> proposal_from_json(const Json& json);

// The `files` member of a card: published files and columns only, members as the card wants them.
Json card_files(const Proposal& proposal);
// The inverse, for whoever reads a card: every member present, reasons empty, everything published.
Result<std::vector<File>> files_from_card(const Json& card_files);

}  // namespace coffer::scan
