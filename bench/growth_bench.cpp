// growth_bench DIRECTORY SAMPLES FIRST SIZE...: how fast a client is answered as a site grows.
//
// Beside the site that grows stands one that stays as small as FIRST, and both are asked in turn,
// so that a busy moment of the machine meets both. A site is grown by the front's own functions
// over a real keeper in a process of its own: at each size there are that many runs (submitted and
// cancelled), that many datasets (added and graded) and five times as many ledger entries. Then a
// client on one connection asks the server, as any other does: HTTP, token, contract, answer, by
// the clock. Put DIRECTORY on a memory file system to see the software's growth alone.
#include <sys/wait.h>

#include <array>
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
  Serving(net::Loop& loop, Site& site)
      : contract_(must(api::Contract::parse(api::openapi_text()))),
        streams_(site, loop),
        services_{.site = site, .contract = contract_, .metrics = metrics_, .streams = streams_},
        service_(services_, site.clock),
        server_(must(net::Server::open(loop, must(net::listen_on("127.0.0.1:0")), service_))) {}
  std::string url() const { return fmt::format("http://127.0.0.1:{}", server_.port()); }

 private:
  api::Contract contract_;
  api::Metrics metrics_;
  api::Streams streams_;
  api::Services services_;
  api::Service service_;
  net::Server server_;
};

struct Asked {
  Growing* site;
  std::string url;
  std::string figure;  // what its figures' names end in
};

using NextCall = std::function<net::Call(Growing&)>;
constexpr int kTurn = 50;

void sample(const std::array<Asked, 2>& both, int samples, const std::string& name,
            const Caller& who, const NextCall& next_call) {
  std::vector<net::Client> clients;
  for (const auto& one : both) {
    clients.push_back(must(net::Client::open(
        {.url = one.url, .headers = {{"Authorization", "Bearer " + one.site->token(who)}}})));
  }
  std::array<std::vector<double>, 2> times;
  const auto ask_one = [&](std::size_t at) {
    const net::Call call = next_call(*both[at].site);
    return 1000 * timed(CLOCK_MONOTONIC, [&] {
             const auto answer = must(clients[at].send(call));
             if (answer.status / 100 != 2) fail({Code::Internal, answer.body});
           });
  };
  for (std::size_t at = 0; at < both.size(); ++at) (void)ask_one(at);  // connects
  for (int done = 0; done < samples; done += kTurn) {
    for (std::size_t at = 0; at < both.size(); ++at) {
      for (int i = 0; i < kTurn; ++i) times[at].push_back(ask_one(at));
    }
  }
  for (std::size_t at = 0; at < both.size(); ++at) {
    print_figure(fmt::format("growth.{}.{}", name, both[at].figure), "ms", times[at]);
  }
}

void ask(const std::array<Asked, 2>& both, int samples) {
  const auto get = [](std::string target) { return net::Call{.target = std::move(target)}; };
  sample(both, samples, "submit", kMany, [&](Growing& site) {
    return net::Call{
        .method = "POST",
        .target = "/v1/runs",
        .headers = {{"Content-Type", "application/json"}},
        .body = fmt::format(R"({{"envelope":{},"program_name":"bench"}})", site.next_run(kMany))};
  });
  for (const auto& who : {kMany, kFew, kOwner, kAuditor}) {
    sample(both, samples, "list_runs." + who.roles[0] + "." + who.user, who,
           [&](Growing&) { return get("/v1/runs?limit=50"); });
  }
  sample(both, samples, "show_run", kAuditor,
         [&](Growing& site) { return get("/v1/runs/" + site.some_run()); });
  sample(both, samples, "list_datasets", kMany,
         [&](Growing&) { return get("/v1/datasets?limit=50"); });
  sample(both, samples, "show_dataset", kOwner,
         [&](Growing& site) { return get("/v1/datasets/" + site.some_dataset()); });
  sample(both, samples, "list_entries", kAuditor,
         [&](Growing&) { return get("/v1/ledger/entries?limit=50"); });
  sample(both, samples, "entry_proof", kAuditor, [&](Growing& site) {
    return get(fmt::format("/v1/ledger/entries/{}/proof", site.some_entry()));
  });
}

// With the runs of ask() waiting.
void tick(const Asked& one, int samples) {
  std::vector<double> ticks;
  for (int i = 0; i < samples; ++i) {
    ticks.push_back(1000 * timed(CLOCK_MONOTONIC, [&] { must(front::tick(one.site->site())); }));
  }
  print_figure("growth.tick." + one.figure, "ms", ticks);
  one.site->cancel_what_waits();
}

void measure(Growing& small, Growing& large, std::size_t size, int samples) {
  net::Loop loop = must(net::Loop::open());
  Serving first{loop, small.site()};
  Serving second{loop, large.site()};
  const auto figure = std::to_string(size);
  const std::array<Asked, 2> both{
      {{&small, first.url(), figure + ".beside"}, {&large, second.url(), figure}}};
  std::thread asking{[&] {
    ask(both, samples);
    loop.stop();
  }};
  loop.run();
  asking.join();
  for (const auto& one : both) tick(one, samples);
}

}  // namespace
}  // namespace coffer::bench

int main(int argc, char** argv) {
  if (argc < 5) return 2;
  const std::filesystem::path directory = argv[1];
  const int samples = std::atoi(argv[2]);
  coffer::bench::Growing small{directory / "small"};
  small.grow(static_cast<std::size_t>(std::atoll(argv[3])));
  const double small_start = small.open();
  // Made later, gone before: its keepers hold what ends the small one's.
  coffer::bench::Growing large{directory / "large"};
  for (int i = 4; i < argc; ++i) {
    const auto size = static_cast<std::size_t>(std::atoll(argv[i]));
    large.grow(size);
    coffer::bench::print_figure(fmt::format("growth.start.{}.beside", size), "s", {small_start});
    coffer::bench::print_figure(fmt::format("growth.start.{}", size), "s", {large.open()});
    coffer::bench::measure(small, large, size, samples);
  }
  return 0;
}
