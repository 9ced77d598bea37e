// The status page, health and metrics.

#include "api/routes.h"
#include "api/status_page.h"
#include "front/counts.h"
#include "front/environments.h"
#include "front/users.h"

namespace coffer::api {
namespace {

constexpr std::size_t kEnvironmentsShown = 50;

Json checks_of(Call& call) {
  auto& links = call.site().links;
  const auto word = [](bool there) { return there ? "ok" : "not connected"; };
  return Json::object({{"keeper", word(links.has_keeper())},
                       {"worker", word(links.worker() != nullptr)},
                       {"builder", word(links.builder() != nullptr)}});
}

// Environments can wait for a builder; runs need keeper and worker.
bool takes_runs(Call& call) {
  auto& links = call.site().links;
  return links.has_keeper() && links.worker() != nullptr && !call.services.draining;
}

Result<net::Response> healthz(Call& call) {
  const Json body = Json::object(
      {{"status", call.services.draining ? "draining" : "ok"}, {"checks", Json::object({})}});
  return net::Response::json(200, body.canonical() + "\n");
}

Result<net::Response> readyz(Call& call) {
  const bool ready = takes_runs(call);
  const char* status = ready ? "ok" : call.services.draining ? "draining" : "starting";
  const Json body = Json::object({{"status", status}, {"checks", checks_of(call)}});
  return net::Response::json(ready ? 200 : 503, body.canonical() + "\n");
}

Result<net::Response> metrics(Call& call) {
  COFFER_TRY(auto text, call.services.metrics.render(call.site()));
  return net::Response::text(200, std::move(text), "text/plain; version=0.0.4; charset=utf-8");
}

Result<net::Response> status(Call& call) {
  auto& site = call.site();
  COFFER_TRY(const auto checkpoint, front::checkpoint_text(site));
  COFFER_TRY(const Json page,
             front::list_environments(site, {.limit = kEnvironmentsShown, .cursor = {}}));
  StatusFacts facts{.version = COFFER_VERSION,
                    .address = std::string(call.head.headers.get("Host")),
                    .fingerprint = front::keeper_fingerprint(site),
                    .ledger_vkey = site.status.ledger_vkey,
                    .entries = site.tree.size(),
                    .checkpoint = checkpoint,
                    .environments = {},
                    .ready = takes_runs(call),
                    .secure = call.services.reach == Reach::Proxied || call.services.tls};
  for (const auto& one : *page["items"].as_array()) {
    facts.environments.push_back({.name = one.text_or("name", ""),
                                  .digest = one.text_or("digest", ""),
                                  .state = one.text_or("state", "")});
  }
  auto response = net::Response::text(200, status_page(facts), "text/html; charset=utf-8");
  response.headers.add("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'");
  response.headers.add("Cache-Control", "no-store");
  return response;
}

constexpr Route kRoutes[] = {
    {"GET", "/", "status", Whole{status}, Access::Open},
    {"GET", "/healthz", "healthz", Whole{healthz}, Access::Local},
    {"GET", "/readyz", "readyz", Whole{readyz}, Access::Local},
    {"GET", "/metrics", "metrics", Whole{metrics}, Access::Local},
};

}  // namespace

std::span<const Route> status_routes() { return kRoutes; }

}  // namespace coffer::api
