// Quota: how many bytes one user and all of them may keep on this server.
//
// Counted are announced uploads, sealed chunks and lists of datasets (to their owner), programs (to
// who sent them first) and environments (to who asked for them last). All bytes that a user
// sends begin as an upload, so that is where they are refused: before the first of them arrives.
// What an add that is refused has sent already goes at once.
// Invariants: the count of the vault follows every pack, removal and collection, and is taken anew
// at each start. Units: bytes; 0 is no limit.
// Errors: FailedPrecondition (quota_exceeded: the limit and what is used), those of the database.
// Thread-safety: the loop thread.
#pragma once

#include "front/site.h"

namespace coffer::front {

struct Usage {
  std::uint64_t uploads{0};
  std::uint64_t datasets{0};
  std::uint64_t programs{0};
  std::uint64_t environments{0};
  std::uint64_t total() const { return uploads + datasets + programs + environments; }
};
Result<Usage> usage_of_all(Site& site);
Result<Usage> usage_of(Site& site, const std::string& user);

// Whether `bytes` more may be kept for the caller.
Result<> check_quota(Site& site, const Caller& caller, std::uint64_t bytes);

// At start: what the vault holds, by dataset.
Result<> count_vault(Site& site);

}  // namespace coffer::front
