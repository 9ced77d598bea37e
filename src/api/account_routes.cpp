// Who asks, who there is, what waits.

#include "api/routes.h"
#include "front/inbox.h"
#include "front/users.h"

namespace coffer::api {
namespace {

Result<Json> version(Call& call) { return front::version_json(call.site()); }

Result<net::Response> openapi(Call&) {
  return net::Response::json(200, std::string(openapi_text()));
}

Result<Json> whoami(Call& call) { return front::whoami(call.site(), call.caller); }

Result<Json> inbox(Call& call) { return front::inbox(call.site(), call.caller, call.page()); }

Result<Json> key_register(Call& call) {
  return front::register_key(call.site(), call.caller, call.envelope());
}

Result<Json> users(Call& call) { return front::list_users(call.site(), call.caller, call.page()); }

Result<Json> user_add(Call& call) {
  std::vector<std::string> roles;
  for (const auto& role : *call.body["roles"].as_array()) roles.push_back(*role.as_string());
  return front::add_user(call.site(), call.caller, call.text("name"), roles);
}

Result<Json> user(Call& call) {
  return front::show_user(call.site(), call.caller, call.at("user"));
}

Result<Json> user_token(Call& call) {
  return front::renew_token(call.site(), call.caller, call.at("user"));
}

Result<Json> user_remove(Call& call) {
  return front::remove_user(call.site(), call.caller, call.at("user"), call.envelope());
}

constexpr Route kRoutes[] = {
    {"GET", "/v1/version", "version", Document{version}, Access::Open},
    {"GET", "/v1/openapi.json", "openapi", Whole{openapi}, Access::Open},
    {"GET", "/v1/whoami", "whoami", Document{whoami}},
    {"GET", "/v1/inbox", "inbox", Document{inbox}},
    {"POST", "/v1/keys", "keyRegister", Document{key_register}},
    {"GET", "/v1/users", "users", Document{users}},
    {"POST", "/v1/users", "userAdd", Document{user_add}, Access::Token, "", Secrecy::Secret},
    {"GET", "/v1/users/{user}", "user", Document{user}},
    {"POST", "/v1/users/{user}/token", "userToken", Document{user_token}, Access::Token, "",
     Secrecy::Secret},
    {"POST", "/v1/users/{user}/removal", "userRemove", Document{user_remove}},
};

}  // namespace

std::span<const Route> account_routes() { return kRoutes; }

}  // namespace coffer::api
