// growth_bench DIRECTORY SAMPLES SIZE...: how fast a client is answered as a site grows.
//
// A site is grown by the front's own functions over a real keeper in a process of its own: at each
// size there are that many runs (submitted and cancelled), that many datasets (added and graded)
// and five times as many ledger entries. Then a client on one connection asks the server, as any
// other does: HTTP, token, contract, answer, by the clock. Put DIRECTORY on a memory file system to
// see the software's growth alone.
#include <sys/wait.h>

#include <functional>
#include <map>
#include <random>
#include <thread>

#include "api/service.h"
#include "api/streams.h"
#include "bench.h"
#include "front/append.h"
#include "front/datasets.h"
#include "front/environments.h"
#include "front/runs.h"
#include "front/schedule.h"
#include "front/uploads.h"
#include "front/users.h"
#include "keeper/serve.h"
#include "keeper/test_world.h"
#include "net/client.h"
#include "os/files.h"

namespace coffer::bench {
namespace {

using front::Caller;
using front::Site;

const Caller kOperator{"operator", {"operator"}};
const Caller kOwner{"stew", {"owner"}};
const Caller kMany{"ada", {"researcher"}};  // nearly all runs are hers
const Caller kFew{"bob", {"researcher"}};   // a page of runs, the oldest
const Caller kAuditor{"eve", {"auditor"}};
constexpr std::size_t kFewRuns = 20;

const SystemClock& wall_clock() {
  static const SystemClock kClock;
  return kClock;
}

// A keeper in a process of its own, and the front's half of the site here.
class Running {
 public:
  explicit Running(const std::filesystem::path& data) {
    must(make_directories(data / "keeper", 0700));
    auto control = must(make_channel_pair());
    keeper_ = ::fork();
    if (keeper_ == 0) {
      control_ = std::move(control.second);
      control.first.reset();
      const auto served =
          keeper::serve(std::move(control_), {.data = data,
                                              .origin = "bench.example/ledger",
                                              .master_key_command = "",
                                              .identity = {},
                                              .confining = keeper::Confining::InsecureForTest});
      if (!served) fail(served.error());
      ::_exit(0);
    }
    control_ = std::move(control.first);
    auto line = must(make_channel_pair());
    must(send_fd(control_.get(), static_cast<std::uint8_t>(PeerTag::Front), line.second.get()));
    site = must(front::open_site(data, wall_clock()));
    site->links.accept(PeerTag::Keeper, std::move(line.first));
    site->capacity = {.cpus = 4, .memory_bytes = std::uint64_t{1} << 40};
    (void)must(site->links.ask_keeper_for<keeper::StatusReply>(keeper::Status{}, kForever));
    must(front::check_against_keeper(*site));
  }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;
  ~Running() {
    site.reset();
    control_.reset();
    (void)::waitpid(keeper_, nullptr, 0);
  }
  std::unique_ptr<Site> site;

 private:
  UniqueFd control_;
  pid_t keeper_{-1};
};

class Growing {
 public:
  explicit Growing(std::filesystem::path data) : data_(std::move(data)) {
    open();
    (void)must(front::first_operator(site()));
    for (const auto& caller : {kOwner, kMany, kFew, kAuditor}) {
      const Json user = must(front::add_user(site(), kOperator, caller.user, caller.roles));
      tokens_[caller.user] = user.text_or("token", "");
    }
    world_.emplace(site().status.ledger_vkey, site().status.seal_key,
                   [this](const keeper::Request& request) { return ask(request); });
    world_->now = static_cast<std::uint64_t>(site().now_ms());
    manifest_ = world_->dataset(world_->person("stew"), dataset_id(0), std::uint64_t{1} << 40);
    auto terms = world_->grant_object(world_->person("stew"), dataset_id(0), world_->person("ada"));
    terms.grantee_keys.push_back(world_->person("bob").sign.public_key());
    terms.until = keeper::test::time_of(world_->now + 30 * keeper::test::kDay);
    terms.budgets = {std::uint64_t{1} << 40, 0, 6, 1U << 30, std::uint64_t{1} << 50};
    terms.auto_bits = 0;
    terms.auto_total = 0;
    grant_ = world_->grant(world_->person("stew"), terms);
    add_environment_and_program();
  }

  Site& site() { return *running_->site; }

  // Closes and opens everything; seconds until it answers.
  double open() {
    running_.reset();
    return timed(CLOCK_MONOTONIC, [&] { running_.emplace(data_); });
  }

  void grow(std::size_t size) {
    for (; datasets_ < size; ++datasets_) add_dataset(datasets_ + 1);
    while (runs_.size() < size) {
      const auto& who = runs_.size() < kFewRuns ? kFew : kMany;
      const std::string digest = submit(who, next_run(who));
      (void)must(front::cancel_run(site(), who, digest));
      runs_.push_back(digest);
    }
  }

  std::string next_run(const Caller& who) {
    return world_->submit(world_->person(who.user), world_->run_object({grant_}, manifest_))
        .envelope;
  }
  std::string submit(const Caller& who, const std::string& envelope) {
    return must(front::submit_run(site(), who, envelope, "bench")).text_or("digest", "");
  }
  // What a size was measured with waits for no slot at the next one.
  void cancel_what_waits() {
    for (const auto& run : must(site().db.rows("SELECT digest FROM runs WHERE state = 'queued'"))) {
      (void)must(front::cancel_run(site(), kMany, run.text(0)));
    }
  }
  const std::string& token(const Caller& who) const { return tokens_.at(who.user); }
  std::string some_run() { return must(Digest::parse(runs_[below(runs_.size())])).id("run_"); }
  std::string some_dataset() { return "clinic/" + dataset_id(1 + below(datasets_)).substr(3); }
  std::uint64_t some_entry() { return below(site().tree.size()); }

 private:
  std::uint64_t below(std::uint64_t bound) {
    return std::uniform_int_distribution<std::uint64_t>{0, bound - 1}(random_);
  }
  static std::string dataset_id(std::size_t n) {
    return sha256("dataset " + std::to_string(n)).id("ds_");
  }

  // As the front's nouns do it, with what they keep beside the operation.
  Result<keeper::Reply> ask(const keeper::Request& request) {
    Json extra = Json::object({{"time", site().now_ms()}, {"user", kOwner.user}});
    COFFER_TRY(auto done, front::append(site(), request, extra));
    return keeper::Reply{std::move(done)};
  }

  void add_dataset(std::size_t n) {
    auto& owner = world_->person("stew");
    const auto manifest = world_->manifest_object(owner, dataset_id(n));
    world_->append(world_->add_manifest(owner, manifest));
    const auto card = world_->card_object(owner, manifest.dataset_id, grant::digest_of(manifest));
    world_->append(keeper::SetCard{world_->seed(), grant::render(grant::sign(card, owner.sign))});
  }

  void add_environment_and_program() {
    const env::Built built{.name = "bench",
                           .digest = sha256("environment"),
                           .bytes = 1,
                           .seconds = 1,
                           .description = "{}"};
    must(front::on_builder_record(site(), env::encode(env::Event{built})));
    const std::string upload = must(front::create_upload(site(), kMany, 1)).text_or("id", "");
    must(write_text(std::filesystem::path(site().uploads()) / upload, "p"));
    const std::string program = sha256("program").text();
    const Json body = Json::object({{"upload", upload}, {"digest", program}});
    front::post_program(site(), kMany, body,
                        [](Result<Json> done) { (void)must(std::move(done)); });
    const worker::Unpacked unpacked{upload, sha256("program"), 1, 1, ""};
    must(front::on_worker_record(site(), worker::encode(worker::Event{unpacked})));
  }

  std::filesystem::path data_;
  std::optional<Running> running_;
  std::optional<keeper::test::World> world_;
  std::map<std::string, std::string> tokens_;
  Digest manifest_;
  Digest grant_;
  std::size_t datasets_{0};
  std::vector<std::string> runs_;
  std::mt19937_64 random_{7};
};

// The site's server, without what it does by the clock: nothing else may be under way here.
class Serving {
 public:
  explicit Serving(Site& site)
      : loop_(must(net::Loop::open())),
        contract_(must(api::Contract::parse(api::openapi_text()))),
        streams_(site, loop_),
        services_{.site = site, .contract = contract_, .metrics = metrics_, .streams = streams_},
        service_(services_, site.clock),
        server_(must(net::Server::open(loop_, must(net::listen_on("127.0.0.1:0")), service_))) {}

  // Runs `client` on a thread of its own and serves it until it returns.
  void serve(const std::function<void(const std::string& url)>& client) {
    std::thread asking{[&] {
      client(fmt::format("http://127.0.0.1:{}", server_.port()));
      loop_.stop();
    }};
    loop_.run();
    asking.join();
  }

 private:
  net::Loop loop_;
  api::Contract contract_;
  api::Metrics metrics_;
  api::Streams streams_;
  api::Services services_;
  api::Service service_;
  net::Server server_;
};

void ask(Growing& growing, const std::string& url, std::size_t size, int samples) {
  const auto sampled = [&](const std::string& name, const Caller& who, auto next_call) {
    auto client = must(net::Client::open(
        {.url = url, .headers = {{"Authorization", "Bearer " + growing.token(who)}}}));
    std::vector<double> times;
    for (int i = -1; i < samples; ++i) {  // the first one connects
      const net::Call call = next_call();
      const double ms = 1000 * timed(CLOCK_MONOTONIC, [&] {
                          const auto answer = must(client.send(call));
                          if (answer.status / 100 != 2) fail({Code::Internal, answer.body});
                        });
      if (i >= 0) times.push_back(ms);
    }
    print_figure(fmt::format("growth.{}.{}", name, size), "ms", times);
  };
  const auto get = [](std::string target) { return net::Call{.target = std::move(target)}; };
  sampled("submit", kMany, [&] {
    return net::Call{.method = "POST",
                     .target = "/v1/runs",
                     .headers = {{"Content-Type", "application/json"}},
                     .body = fmt::format(R"({{"envelope":{},"program_name":"bench"}})",
                                         growing.next_run(kMany))};
  });
  for (const auto& who : {kMany, kFew, kOwner, kAuditor}) {
    sampled("list_runs." + who.roles[0] + "." + who.user, who,
            [&] { return get("/v1/runs?limit=50"); });
  }
  sampled("show_run", kAuditor, [&] { return get("/v1/runs/" + growing.some_run()); });
  sampled("list_datasets", kMany, [&] { return get("/v1/datasets?limit=50"); });
  sampled("show_dataset", kOwner, [&] { return get("/v1/datasets/" + growing.some_dataset()); });
  sampled("list_entries", kAuditor, [&] { return get("/v1/ledger/entries?limit=50"); });
  sampled("entry_proof", kAuditor,
          [&] { return get(fmt::format("/v1/ledger/entries/{}/proof", growing.some_entry())); });
}

void measure(Growing& growing, std::size_t size, int samples) {
  print_figure(fmt::format("growth.start.{}", size), "s", {growing.open()});
  Serving serving{growing.site()};
  serving.serve([&](const std::string& url) { ask(growing, url, size, samples); });
  std::vector<double> ticks;  // with the runs of `ask` waiting
  for (int i = 0; i < samples; ++i) {
    ticks.push_back(1000 * timed(CLOCK_MONOTONIC, [&] { must(front::tick(growing.site())); }));
  }
  print_figure(fmt::format("growth.tick.{}", size), "ms", ticks);
  growing.cancel_what_waits();
}

}  // namespace
}  // namespace coffer::bench

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  coffer::bench::Growing growing{argv[1]};
  for (int i = 3; i < argc; ++i) {
    const auto size = static_cast<std::size_t>(std::atoll(argv[i]));
    growing.grow(size);
    coffer::bench::measure(growing, size, std::atoi(argv[2]));
  }
  return 0;
}
