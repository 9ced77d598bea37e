// Environments, programs, quotes.

#include <fcntl.h>
#include <sys/stat.h>

#include "api/problems.h"
#include "api/routes.h"
#include "front/environments.h"

namespace coffer::api {
namespace {

Result<Json> environment_add(Call& call) {
  return front::post_environment(call.site(), call.caller, call.body);
}

Result<Json> environments(Call& call) { return front::list_environments(call.site(), call.page()); }

// `name`, `sha256:…`, or `name@sha256:…`, which means the digest.
std::string environment_of(const Call& call) {
  const std::string& text = call.at("environment");
  const auto at = text.find('@');
  return at == std::string::npos ? text : text.substr(at + 1);
}

Result<Json> environment(Call& call) {
  return front::show_environment(call.site(), environment_of(call));
}

Result<net::Response> environment_remove(Call& call) {
  COFFER_CHECK(front::remove_environment(call.site(), call.caller, environment_of(call)));
  return net::Response::empty(204);
}

Result<Json> environment_log(Call& call) {
  return front::environment_log(call.site(), call.at("environment"),
                                call.query_number("offset", 0));
}

Result<net::Response> environment_archive(Call& call) {
  COFFER_TRY(const auto path, front::environment_archive(call.site(), environment_of(call)));
  UniqueFd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
  struct stat info {};
  if (!fd || ::fstat(fd.get(), &info) != 0) {
    return Error{Code::FailedPrecondition, "the environment's archive is not here"}.as(
        "environment_not_ready");
  }
  auto response =
      net::file_response(call.head, std::move(fd), static_cast<std::uint64_t>(info.st_size),
                         "application/octet-stream");
  response.headers.add("Coffer-Digest", "sha256:" + path.parent_path().filename().string());
  return response;
}

void program_add(Call& call, const front::JsonReply& reply) {
  front::post_program(call.site(), call.caller, call.body, reply);
}

Result<Json> program(Call& call) { return front::show_program(call.site(), call.at("digest")); }

// What submit would say, as the problem that it would be.
Result<Json> quote(Call& call) {
  COFFER_TRY(Json quoted, front::quote_run(call.site(), call.caller, call.body["run"]));
  const Json problem = quoted["problem"];
  if (problem.is_null()) return quoted;
  Error error{Code::FailedPrecondition, problem.text_or("detail", "")};
  error.rule = problem.text_or("code", "");
  error.field = problem.text_or("field", "");
  error.limit = problem.text_or("limit", "");
  error.next = problem.text_or("next", "");
  quoted.set("problem", problem_json(error));
  return quoted;
}

constexpr Route kRoutes[] = {
    {"POST", "/v1/environments", "environmentAdd", Document{environment_add}},
    {"GET", "/v1/environments", "environments", Document{environments}},
    {"GET", "/v1/environments/{environment}", "environment", Document{environment}},
    {"DELETE", "/v1/environments/{environment}", "environmentRemove", Whole{environment_remove}},
    {"GET", "/v1/environments/{environment}/log", "environmentLog", Document{environment_log}},
    {"GET", "/v1/environments/{environment}/archive", "environmentArchive",
     Whole{environment_archive}},
    {"POST", "/v1/programs", "programAdd", Later{program_add}},
    {"GET", "/v1/programs/{digest}", "program", Document{program}},
    {"POST", "/v1/quotes", "quote", Document{quote}},
};

}  // namespace

std::span<const Route> program_routes() { return kRoutes; }

}  // namespace coffer::api
