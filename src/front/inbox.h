// The inbox: what waits for the caller, and news of the last 30 days. Nothing of it is stored: it
// follows from requests, held outputs, events, grants and budgets as they are now.
//
// Kinds: request (to an owner), held (for an approver who has not spoken), released and refused (of
// one's runs), grant_given, grant_revoked, grant_expiring (within 14 days), budget (80 percent
// used), key_missing.
// Invariants: items are newest first and have an id that stays while they do.
// Errors: those of the database and the keeper. Thread-safety: the loop thread.
#pragma once

#include "front/runs.h"

namespace coffer::front {

inline constexpr std::int64_t kSoonMs = 14LL * 24 * 3600 * 1000;  // before a grant ends

// 80 percent of one of its limits is spent or reserved.
bool mostly_used(const keeper::BudgetReply& budget);

Result<Json> inbox(Site& site, const Caller& caller, const Page& page);

}  // namespace coffer::front
