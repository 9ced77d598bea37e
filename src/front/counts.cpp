#include "front/counts.h"

namespace coffer::front {

Result<Counts> count(Site& site) {
  Counts out;
  COFFER_TRY(const auto runs, site.db.rows("SELECT state, COUNT(*) FROM runs GROUP BY state"));
  for (const char* state :
       {"queued", "running", "held", "done", "refused", "failed", "cancelled"}) {
    out.runs[state] = 0;
  }
  for (const auto& row : runs) out.runs[row.text(0)] = row.integer(1);
  COFFER_TRY(const auto row,
             site.db.row("SELECT (SELECT COUNT(*) FROM users WHERE removed IS NULL),"
                         " (SELECT COUNT(*) FROM datasets), (SELECT COUNT(*) FROM uploads),"
                         " (SELECT COALESCE(SUM(length), 0) FROM uploads),"
                         " (SELECT COUNT(*) FROM pending)"));
  out.users = row->integer(0);
  out.datasets = row->integer(1);
  out.uploads = row->integer(2);
  out.upload_bytes = row->integer(3);
  out.pending = row->integer(4);
  return out;
}

Result<std::string> checkpoint_text(Site& site) {
  COFFER_TRY(const auto row, site.db.row("SELECT text FROM checkpoint"));
  return row ? row->text(0) : std::string{};
}

}  // namespace coffer::front
