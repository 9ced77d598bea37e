// Requests for grants, grants, revocations.

#include "api/routes.h"
#include "front/grants.h"

namespace coffer::api {
namespace {

Result<Json> request_new(Call& call) {
  return front::post_request(call.site(), call.caller, call.body);
}

Result<Json> requests(Call& call) {
  return front::list_requests(call.site(), call.caller, call.page());
}

Result<Json> request(Call& call) {
  return front::show_request(call.site(), call.caller, call.at("request"));
}

Result<Json> grant_new(Call& call) {
  return front::post_grant(call.site(), call.caller, call.envelope(), call.text("request"));
}

Result<Json> grants(Call& call) {
  return front::list_grants(call.site(), call.caller, call.page());
}

Result<Json> grant(Call& call) {
  return front::show_grant(call.site(), call.caller, call.at("grant"));
}

Result<Json> grant_revoke(Call& call) {
  return front::revoke_grant(call.site(), call.caller, call.at("grant"), call.envelope());
}

constexpr Route kRoutes[] = {
    {"POST", "/v1/requests", "requestNew", Document{request_new}, Access::Token, "/v1/requests/"},
    {"GET", "/v1/requests", "requests", Document{requests}},
    {"GET", "/v1/requests/{request}", "request", Document{request}},
    {"POST", "/v1/grants", "grantNew", Document{grant_new}, Access::Token, "/v1/grants/"},
    {"GET", "/v1/grants", "grants", Document{grants}},
    {"GET", "/v1/grants/{grant}", "grant", Document{grant}},
    {"POST", "/v1/grants/{grant}/revocation", "grantRevoke", Document{grant_revoke}},
};

}  // namespace

std::span<const Route> grant_routes() { return kRoutes; }

}  // namespace coffer::api
