#include "front/recovery.h"

#include <algorithm>

#include "front/append.h"
#include "front/apply.h"

namespace coffer::front {
namespace {

constexpr std::uint32_t kLeavesAtOnce = 65'536;

// The leaves that the keeper lacks, from the database.
std::vector<Digest> leaves_after(const Site& site, const Missing& missing) {
  std::vector<Digest> out;
  for (std::uint64_t i = missing.keeper; i < missing.database; ++i) {
    if (auto leaf = site.tree.leaf(i)) out.push_back(*leaf);
  }
  return out;
}

}  // namespace

Missing missing_entries(const Site& site) {
  Missing out{.database = site.tree.size(), .keeper = site.status.tree_size};
  if (out.database == out.keeper) out.forked = site.tree.root() != site.status.root;
  return out;
}

Result<Missing> go_on_without_missing(Site& site, const std::string& reason) {
  COFFER_CHECK(resend_pending(site));  // the keeper may have its entries still
  const Missing missing = missing_entries(site);
  if (missing.forked) {
    return Error{Code::FailedPrecondition,
                 "the two ledgers contradict each other: bring back the "
                 "right copy of one of them"};
  }
  if (missing.database == missing.keeper) return missing;
  keeper::Recover operation{
      .seed = keeper::fresh_seed(), .reason = reason, .lost = {}, .leaves = {}, .checkpoint = {}};
  if (missing.database < missing.keeper) {
    operation.lost = {missing.database, missing.keeper - 1};
  } else {
    operation.lost = {missing.keeper, missing.database - 1};
    operation.leaves = leaves_after(site, missing);
    COFFER_TRY(const auto row, site.db.row("SELECT text FROM checkpoint"));
    if (row) operation.checkpoint = row->text(0);
  }
  COFFER_CHECK(append(site, operation));
  COFFER_CHECK(publish_ledger(site));
  COFFER_CHECK(check_against_keeper(site));
  return missing;
}

// The keeper knows the hashes of what the database has lost.
Result<> apply(const Applied& context, const keeper::Recover& op) {
  Site& site = context.site;
  std::uint64_t next = op.lost.first;
  while (next <= op.lost.last) {
    const auto count =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(kLeavesAtOnce, op.lost.last - next + 1));
    COFFER_TRY(const auto reply,
               site.links.ask_keeper_for<keeper::LeavesReply>(keeper::Leaves{next, count}));
    if (reply.leaves.empty()) return Error{Code::Corrupt, "the keeper gives no leaves"};
    for (const auto& leaf : reply.leaves) {
      // An entry that is not lost, or that a pending operation brought back, stays as it is.
      COFFER_CHECK(site.db.run(
          "INSERT OR IGNORE INTO entries(idx, kind, time, public, leaf) VALUES(?,"
          " 'lost', 0, x'', ?)",
          {static_cast<std::int64_t>(next++), ByteVector(leaf.bytes.begin(), leaf.bytes.end())}));
    }
  }
  return {};
}

}  // namespace coffer::front
