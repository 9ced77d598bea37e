#include "app/backup_head.h"

#include <fmt/format.h>

#include "base/json.h"
#include "front/schema.h"

namespace coffer::app {
namespace {

constexpr std::uint64_t kFormat = 1;

}  // namespace

std::string BackupHead::render() const {
  return Json::object({{"v", kFormat},
                       {"version", version},
                       {"made", made},
                       {"schema", schema},
                       {"entries", entries},
                       {"files", files},
                       {"bytes", bytes},
                       {"database", database.text()},
                       {"journal", journal.text()},
                       {"list", list.text()}})
             .canonical() +
         "\n";
}

Result<BackupHead> BackupHead::parse(std::string_view text) {
  COFFER_TRY(const Json json, Json::parse(text));
  BackupHead out{.version = json.text_or("version", "?"),
                 .made = json.text_or("made", ""),
                 .schema = static_cast<std::uint64_t>(json.int_or("schema", 0)),
                 .entries = static_cast<std::uint64_t>(json.int_or("entries", 0)),
                 .files = static_cast<std::uint64_t>(json.int_or("files", 0)),
                 .bytes = static_cast<std::uint64_t>(json.int_or("bytes", 0)),
                 .database = {},
                 .journal = {},
                 .list = {}};
  const auto format = static_cast<std::uint64_t>(json.int_or("v", 0));
  if (format > kFormat || out.schema > front::kMigrations.size()) {
    return Error{Code::FailedPrecondition,
                 fmt::format("the backup was made by coffer {}, this is {}: use a newer coffer",
                             printable(out.version, 40), COFFER_VERSION)}
        .as("backup_newer");
  }
  if (format != kFormat) return Error{Code::Corrupt, "backup.json is none: field 'v'"};
  COFFER_TRY(out.database, Digest::parse(json.text_or("database", "")));
  COFFER_TRY(out.journal, Digest::parse(json.text_or("journal", "")));
  COFFER_TRY(out.list, Digest::parse(json.text_or("list", "")));
  return out;
}

}  // namespace coffer::app
