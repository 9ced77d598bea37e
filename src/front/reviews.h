// Held outputs: who waits for whom, the evidence, the approvals, the decision; and releases.
//
// Invariants: an output is decided once; its key leaves the keeper only to an approver who asked
// (an entry of its own) or, released, to a grantee.
// Errors: NotFound (unknown, or not for the caller), the keeper's refusals.
// Thread-safety: the loop thread. Source: protocol.md sections 4 and 5.
#pragma once

#include "front/runs.h"

namespace coffer::front {

Result<Json> list_reviews(Site& site, const Caller& caller, const Page& page);
// The keys of a held output and its evidence, sealed to the caller; each answer is an entry.
Result<Json> open_evidence(Site& site, const Caller& caller, std::string_view run,
                           const std::string& output);
Result<Json> post_approval(Site& site, const Caller& caller, std::string_view envelope);

// A release with its proof, and its key sealed to the caller, a grantee; each answer is an entry.
Result<Json> open_release(Site& site, const Caller& caller, std::string_view run,
                          const std::string& output);
Result<Json> list_releases(Site& site, const Caller& caller, std::string_view run,
                           const Page& page);
Result<Json> show_release(Site& site, const Caller& caller, const std::string& id);

enum class SealedFile : std::uint8_t { Output, Evidence };
// Where the sealed bytes lie that the caller may have: an approver while held, a grantee released.
Result<std::filesystem::path> sealed_file(Site& site, const Caller& caller, std::string_view run,
                                          const std::string& output, SealedFile which);

// Withholds what nobody decided in 14 days.
Result<> expire_held(Site& site);
// A grant was revoked: what is held under it is withheld.
Result<> withhold_revoked(Site& site, const std::string& grant_digest);

}  // namespace coffer::front
