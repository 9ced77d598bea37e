#include "front/site.h"

#include <fmt/format.h>

#include <algorithm>

#include "front/schema.h"
#include "os/files.h"

namespace coffer::front {

Result<> extend_tree(Site& site) {
  // Of a lost entry the leaf hash alone is known.
  return site.db.each("SELECT idx, public, leaf FROM entries WHERE idx >= ? ORDER BY idx",
                      {static_cast<std::int64_t>(site.tree.size())},
                      [&](const db::Row& row) -> Result<> {
                        if (static_cast<std::uint64_t>(row.integer(0)) != site.tree.size())
                          return {};
                        if (row.is_null(2)) {
                          site.tree.append(ledger::leaf_hash(row.blob(1)));
                        } else {
                          COFFER_TRY(const Digest leaf, Digest::from_bytes(row.blob(2)));
                          site.tree.append(leaf);
                        }
                        return {};
                      });
}

void Site::count_stored(const std::string& dataset, std::int64_t change) {
  auto& bytes = stored[dataset];
  const auto less = static_cast<std::uint64_t>(change < 0 ? -change : 0);
  bytes = change >= 0 ? bytes + static_cast<std::uint64_t>(change) : bytes - std::min(bytes, less);
}

bool Caller::is(std::string_view role) const {
  return std::find(roles.begin(), roles.end(), role) != roles.end();
}

Result<std::unique_ptr<Site>> open_site(const std::filesystem::path& data, const Clock& clock) {
  for (const char* folder : {"front/uploads", "ledger", "vault"}) {
    COFFER_CHECK(make_directories(data / folder, 0755));
  }
  COFFER_TRY(auto database, db::Database::open(data / "front" / "coffer.db", kMigrations));
  auto site = std::make_unique<Site>(data, clock, std::move(database));
  site->tree = ledger::MerkleTree{ledger::LeafFile::below(data / "front")};
  COFFER_CHECK(extend_tree(*site));
  return site;
}

Error not_found(std::string_view noun, std::string_view name) {
  return Error{Code::NotFound,
               fmt::format("{} {} is unknown, or not for you to see", noun, printable(name, 100))}
      .as("not_found");
}

Error bad_field(std::string field, std::string why) {
  return Error{Code::InvalidArgument, fmt::format("field '{}' {}", field, why)}
      .as("bad_request")
      .at(std::move(field));
}

}  // namespace coffer::front
