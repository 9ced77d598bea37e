// The ledger as its readers may see it: everybody the public entries, those whom an entry is about
// and auditors its private part too.
//
// An entry is about: the user it names; the owner of its dataset; owner, grantees and approvers of
// its grant; of its run the user, and owners and approvers of the run's grants.
// Invariants: a filter by dataset, user or run finds only entries whose private part the caller may
// read, so that no filter tells what an entry is about.
// Errors: NotFound (beyond the end, or lost: only its hash stands), InvalidArgument (a filter).
// Thread-safety: the loop thread. Source: docs/formats/ledger.md, C2SP tlog-proof.
#pragma once

#include "front/runs.h"

namespace coffer::front {

struct EntryFilter {
  std::string dataset;  // org/name, or org/name@vN: the same entries
  std::string user;
  std::string run;  // id
  std::string kind;
  std::string since;  // times; from then on
  std::string until;  // before then
};
Result<Json> list_entries(Site& site, const Caller& caller, const EntryFilter& filter,
                          const Page& page);
Result<Json> show_entry(Site& site, const Caller& caller, std::uint64_t index);
// The text of a .tlog-proof; it opens the entry where the caller may read it.
Result<std::string> entry_proof(Site& site, const Caller& caller, std::uint64_t index);

}  // namespace coffer::front
