#include "front/leftovers.h"

#include <unistd.h>

#include "os/files.h"
#include "vault/store.h"

namespace coffer::front {
namespace {

namespace fs = std::filesystem;

// An upload's file is made before its row; the archive of a build that goes on has none any more.
Result<> remove_unknown_uploads(Site& site) {
  std::error_code unreadable;
  for (const auto& entry : fs::directory_iterator(site.uploads(), unreadable)) {
    const std::string id = entry.path().filename();
    COFFER_TRY(const auto known,
               site.db.row("SELECT 1 FROM uploads WHERE id = ?1 UNION SELECT 1 FROM environments"
                           " WHERE state IN ('queued', 'building') AND"
                           " 'oci-' || substr(json_extract(spec, '$.oci'), 8) = ?1",
                           {id}));
    if (!known) (void)::unlink(entry.path().c_str());
  }
  return {};
}

Result<> remove_unfinished_chunks(Site& site) {
  COFFER_TRY(const auto rows,
             site.db.rows("SELECT dataset FROM claims UNION SELECT id FROM datasets"));
  for (const auto& row : rows) {
    auto store = vault::Store::open(site.data / "vault", row.text(0));
    if (store) COFFER_CHECK(store->remove_leftovers());  // none: nothing was ever sent
  }
  return {};
}

Result<> remove_unfinished_tiles(const fs::path& ledger) {
  COFFER_CHECK(coffer::remove_leftovers(ledger));
  std::error_code unreadable;
  for (const auto& entry : fs::recursive_directory_iterator(ledger, unreadable)) {
    if (entry.is_directory(unreadable)) COFFER_CHECK(coffer::remove_leftovers(entry.path()));
  }
  return {};
}

}  // namespace

Result<> remove_leftovers(Site& site) {
  COFFER_CHECK(remove_unknown_uploads(site));
  COFFER_CHECK(remove_unfinished_chunks(site));
  return remove_unfinished_tiles(site.data / "ledger");
}

}  // namespace coffer::front
