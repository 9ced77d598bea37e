// Runs: submit, watch, cancel.

#include "api/routes.h"
#include "api/streams.h"
#include "front/runs.h"

namespace coffer::api {
namespace {

Result<Json> run_new(Call& call) {
  return front::submit_run(call.site(), call.caller, call.envelope(), call.text("program_name"));
}

Result<Json> runs(Call& call) {
  return front::list_runs(call.site(), call.caller,
                          {.state = call.query("state"), .grant = call.query("grant")},
                          call.page());
}

Result<Json> run(Call& call) { return front::show_run(call.site(), call.caller, call.at("run")); }

void run_events(Call& call, net::Reply reply) {
  call.services.streams.open(
      {.caller = call.caller,
       .run = call.at("run"),
       .after = static_cast<std::int64_t>(call.header_number("Last-Event-ID", 0))},
      std::move(reply));
}

Result<Json> run_log(Call& call) {
  return front::run_log(call.site(), call.caller, call.at("run"));
}

Result<Json> run_cancel(Call& call) {
  return front::cancel_run(call.site(), call.caller, call.at("run"));
}

constexpr Route kRoutes[] = {
    {"POST", "/v1/runs", "runNew", Document{run_new}, Access::Token, "/v1/runs/"},
    {"GET", "/v1/runs", "runs", Document{runs}},
    {"GET", "/v1/runs/{run}", "run", Document{run}},
    {"GET", "/v1/runs/{run}/events", "runEvents", Stream{run_events}},
    {"GET", "/v1/runs/{run}/log", "runLog", Document{run_log}},
    {"POST", "/v1/runs/{run}/cancel", "runCancel", Document{run_cancel}},
};

}  // namespace

std::span<const Route> run_routes() { return kRoutes; }

}  // namespace coffer::api
