#include "api/server.h"

#include <malloc.h>
#include <signal.h>

#include <cstdio>

#include "api/peers.h"
#include "api/service.h"
#include "api/streams.h"
#include "base/log.h"
#include "front/adopt.h"
#include "front/answers.h"
#include "front/archives.h"
#include "front/datasets.h"
#include "front/notices.h"
#include "front/schedule.h"
#include "front/uploads.h"

namespace coffer::api {
namespace {

constexpr Duration kTick = 100ms;
constexpr Duration kSweep = 60s;
constexpr Duration kAdopt = 5s;
constexpr Duration kTrim = 1s;
constexpr Duration kCollect = std::chrono::hours{1};
constexpr Duration kDrainPatience = 15s;
constexpr Duration kTalk = 10s;

void log_failure(const char* what, const Result<>& done) {
  if (!done) log_error("front", what, done.error());
}

// A periodic task that fails (a full disk) fails ten times a second: a line when it begins, one for
// each minute that it lasts, one when it is over.
class TickLog {
 public:
  explicit TickLog(const Clock& clock) : clock_(clock) {}
  void note(const Result<>& done) {
    if (done) {
      if (failed_ > 0) log_line("front", "periodic tasks go on", {{"failed", failed_}});
      failed_ = 0;
      return;
    }
    if (failed_++ > 0 && clock_.now() < say_again_) return;
    say_again_ = clock_.now() + 60s;
    log_failure("a periodic task failed", done);
  }

 private:
  const Clock& clock_;
  std::int64_t failed_{0};
  Instant say_again_{};
};

// Keeps the server silent from before an exclusive run starts until its slot. Between two such runs
// everybody is answered for a while.
class Quiet {
 public:
  Quiet(front::Site& site, net::Server& server) : site_(site), server_(server) {}

  Result<> follow() {
    COFFER_TRY(const auto need, front::need_of_quiet(site_));
    const bool under_way = need == front::Quiet::UnderWay;
    used_ = used_ || under_way || (offered_ && !site_.quiet);
    if (used_ && !under_way) {
      talk_until_ = site_.clock.now() + kTalk;
      used_ = offered_ = false;
    }
    const bool talks = need == front::Quiet::No ||
                       (need == front::Quiet::BeforeStart && site_.clock.now() < talk_until_);
    if (talks == !paused_) return {};
    paused_ = !talks;
    site_.quiet = false;
    if (talks) {
      server_.resume();
    } else {
      server_.pause(kDrainPatience, [this] { site_.quiet = offered_ = paused_ && !used_; });
    }
    return {};
  }

 private:
  front::Site& site_;
  net::Server& server_;
  bool paused_{false};
  bool offered_{false};  // a run may have started since
  bool used_{false};     // one did
  Instant talk_until_{};
};

// The host is what was asked for, the port what the system gave.
std::string address_of(const ServeOptions& options, std::uint16_t port) {
  const auto colon = options.listen.rfind(':');
  const std::string host = options.listen.substr(0, colon);
  return (options.tls_cert.empty() ? "http://" : "https://") + host + ":" + std::to_string(port);
}

}  // namespace

Result<> serve(front::Site& site, net::Loop& loop, UniqueFd listener, const ServeOptions& options) {
  COFFER_TRY(const Contract contract, Contract::parse(openapi_text()));
  Metrics metrics;
  Streams streams{site, loop};
  Services services{.site = site,
                    .contract = contract,
                    .metrics = metrics,
                    .streams = streams,
                    .reach = options.behind_proxy ? Reach::Proxied : Reach::Direct,
                    .tls = !options.tls_cert.empty()};
  Service service{services, site.clock};
  site.on_event = [&](const std::string&) { streams.wake(); };
  net::ServerOptions server_options;
  if (services.tls) server_options.tls = net::TlsFiles{options.tls_cert, options.tls_key};
  COFFER_TRY(auto server,
             net::Server::open(loop, std::move(listener), service, std::move(server_options)));

  Result<> ended;
  Peers peers{site, loop, [&](Error error) {
                ended = std::move(error);
                loop.stop();
              }};
  COFFER_CHECK(peers.start());
  TickLog ticks{site.clock};
  Quiet quiet{site, server};
  COFFER_CHECK(quiet.follow());
  front::Notices notices{site};
  ticks.note(notices.follow());  // what comes after it is told
  const auto tick = loop.every(kTick, [&] {
    peers.notice();
    front::send_archives(site);
    auto done = front::tick(site);
    if (done) done = quiet.follow();
    if (done) done = notices.follow();
    ticks.note(done);
  });
  const auto sweep = loop.every(kSweep, [&] {
    log_failure("old uploads could not be removed", front::end_old_uploads(site));
    log_failure("old answers could not be removed", front::end_old_answers(site));
  });
  // Requests of all sizes leave holes: without this the heap doubles in an hour of load.
  const auto trim = loop.every(kTrim, [] { (void)::malloc_trim(0); });
  const auto adopt = loop.every(kAdopt, [&] {
    log_failure("unknown runs could not be ended", front::end_unknown_runs(site));
  });
  const auto collect = loop.every(kCollect, [&] {
    log_failure("unused chunks could not be removed", front::collect_unused(site));
  });
  COFFER_TRY(const auto terminate, loop.on_signal(SIGTERM, [&] {
    services.draining = true;
    server.drain(kDrainPatience, [&] { loop.stop(); });
  }));
  (void)std::printf("coffer server: ready on %s\n", address_of(options, server.port()).c_str());
  (void)std::fflush(stdout);
  loop.run();
  site.on_event = [](const std::string&) {};
  return ended;
}

}  // namespace coffer::api
