// The synthetic stand-in of a dataset, made from its card alone.
//
// What is promised: the paths, formats, column names, order and types of the published columns;
// every value lies within the published range or list; deterministic: the same card, rows and seed
// give the same bytes on any machine; no byte of a private row is in it, because none was an input.
// By default a column shows each published value, its least and its greatest at least once, and a
// blank where the card allows blanks (then about one row in 16), as far as there are rows enough;
// extremes come first.
// What is not promised: any distribution or dependence between columns, key relations between
// files, what the card does not publish: unpublished columns and files are left out. A column
// without published values or range gets plausible filler of its type (text with quotes, commas and
// non-ASCII letters in free text; distinct ids in identifiers).
// Formats: csv tsv ssv psv (LF, header), text, json (`{}`), png (a small grey picture); every other
// one becomes an empty file of that name, with a note.
// Errors: InvalidArgument (a card with missing, unknown or impossible members, hostile paths
// included), AlreadyExists, Unavailable (file system).
// Thread-safety: pure but for the directory.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace coffer::twin {

inline constexpr std::uint64_t kRowsDefaultMax = 100'000;

struct Options {
  // Rows of each table; without: as many as the card says, at most kRowsDefaultMax.
  std::optional<std::uint64_t> rows{};
  std::uint64_t seed{0};
};

struct Made {
  std::uint64_t files{0};
  std::uint64_t bytes{0};
  std::vector<std::string> notes;  // "scan.dcm: dicom is not synthesised, the file is empty"
};

// `card`: the canonical payload of a card (its `files` member is read). `directory`: empty,
// borrowed; files become 0444, directories 0555 (base/file_path.h).
Result<Made> make(const Json& card, const Options& options, int directory);

}  // namespace coffer::twin
