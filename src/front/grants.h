// Grants and the requests for them.
//
// Errors: NotFound (unknown, or not for the caller), Denied, the keeper's refusals.
// Thread-safety: the loop thread. Source: protocol.md section 3.
#pragma once

#include "front/runs.h"

namespace coffer::front {

Result<Json> post_request(Site& site, const Caller& caller, const Json& body);
Result<Json> list_requests(Site& site, const Caller& caller, const Page& page);
Result<Json> show_request(Site& site, const Caller& caller, const std::string& id);

Result<Json> post_grant(Site& site, const Caller& caller, std::string_view envelope,
                        const std::string& request);
Result<Json> list_grants(Site& site, const Caller& caller, const Page& page);
Result<Json> show_grant(Site& site, const Caller& caller, const std::string& id);
Result<Json> revoke_grant(Site& site, const Caller& caller, const std::string& id,
                          std::string_view envelope);
// The front's part of revocations that were handed to the keeper directly.
Result<> adopt_revocations(Site& site);

}  // namespace coffer::front
