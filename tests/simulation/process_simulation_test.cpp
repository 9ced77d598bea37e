// Front and keeper with a table of simulated processes: the worker and the supervisors of runs.
// Any of them ends at any moment, and every run comes to its end all the same.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>

#include "front/adopt.h"
#include "front/schedule.h"
#include "front/users.h"
#include "simulation/site_check.h"
#include "worker/messages.h"

namespace coffer::simulation {
namespace {

using keeper::test::kId;

// What worker/serve.cpp and worker/execute.cpp do, one step at a time: the front's orders are
// taken, each run is opened, started, reported and told to have ended by a supervisor of its own.
class Workers {
 public:
  Workers(Machine& machine, const ManualClock& clock, keeper::test::World& world)
      : machine_(machine), clock_(clock), world_(world) {}

  // The supervisor of the site hands over a connection to the front, old or new.
  Result<> connect() {
    COFFER_TRY(ChannelPair line, make_channel_pair());
    front_.emplace(std::move(line.second));
    machine_.site().links.accept(PeerTag::Worker, std::move(line.first));
    return front::resume_worker(machine_.site());
  }

  // The worker, and with it all that it looked after.
  void die() {
    jobs_.clear();
    front_.reset();
  }

  // Without a last word. One that had told nothing is told to have ended by the worker.
  void kill_one(std::uint64_t which) {
    if (jobs_.empty()) return;
    auto job = std::next(jobs_.begin(), static_cast<std::ptrdiff_t>(which % jobs_.size()));
    end_without_word(job->first, job->second);
  }

  void take_orders() {
    for (;;) {
      auto record = front_->receive(0s);
      if (!record) return;
      const auto request = worker::decode_request(*record);
      ASSERT_TRUE(request);
      if (const auto* order = std::get_if<worker::Execute>(&*request)) take(*order);
      if (const auto* order = std::get_if<worker::Kill>(&*request)) {
        if (const auto job = jobs_.find(order->run); job != jobs_.end()) {
          end_without_word(job->first, job->second);
        }
      }
    }
  }

  // One step of one supervisor.
  void step(std::uint64_t which, bool fails) {
    if (jobs_.empty()) return;
    auto job = std::next(jobs_.begin(), static_cast<std::ptrdiff_t>(which % jobs_.size()));
    step(job->first, job->second, fails);
  }
  void step_all() {
    for (auto& [digest, job] : jobs_) step(digest, job, false);
  }
  std::size_t opened() const { return opened_; }

 private:
  enum class At : std::uint8_t { Begun, Opened, Started, Reported, Over };
  struct Job {
    grant::Run run;
    std::uint32_t attempt{0};
    At at{At::Begun};
    std::uint64_t visible_ms{0};
    std::vector<worker::Event> told{};
  };

  static bool is_last(const Job& job) {
    return !job.told.empty() && !std::holds_alternative<worker::Started>(job.told.back());
  }

  void take(const worker::Execute& order) {
    const Digest digest = sha256(order.run);
    if (const auto known = jobs_.find(digest); known != jobs_.end()) {
      const auto& told = known->second.told;
      const auto* refused = told.empty() ? nullptr : std::get_if<worker::NotStarted>(&told.back());
      if (refused == nullptr || refused->cause != worker::kAwaitsLimit) {
        for (const auto& event : told) tell(event);
        if (known->second.at != At::Over || is_last(known->second)) return;
      }
    }
    jobs_[digest] = {*grant::parse<grant::Run>(text_of(order.run)), order.attempt};
  }

  void step(const Digest& digest, Job& job, bool fails) {
    switch (job.at) {
      case At::Begun:
        return open(digest, job);
      case At::Opened: {
        if (fails) return end(job, worker::NotStarted{digest, "environment", "no such file"});
        const auto noted = ask<keeper::StartedReply>(keeper::Started{digest, job.attempt});
        if (!noted) return end(job, not_started(digest, noted.error()));
        job.at = At::Started;
        return tell(job, worker::Started{digest, static_cast<std::int64_t>(noted->started_ms)});
      }
      case At::Started: {
        const auto noted =
            ask<keeper::ReportReply>(keeper::Report{digest, job.attempt, judged(world_, job.run)});
        if (!noted) {
          job.at = At::Over;  // it says so in its log
          return;
        }
        job.visible_ms = noted->visible_at_ms;
        job.at = At::Reported;
        return;
      }
      case At::Reported:
        if (now_ms() < job.visible_ms) return;
        return end(job, worker::Ended{digest});
      case At::Over:
        return;
    }
  }

  void open(const Digest& digest, Job& job) {
    const auto permit = ask<keeper::PermitReply>(world_.open(digest, job.attempt));
    if (permit) {
      ++opened_;
      job.at = At::Opened;
      return;
    }
    const std::string& rule = permit.error().rule;
    const bool known = rule == "no_retry" || rule == "already_over" || rule == "already_reported";
    if (known) return end(job, worker::Ended{digest});
    end(job, not_started(digest, permit.error()));
  }

  static worker::NotStarted not_started(const Digest& digest, const Error& error) {
    worker::NotStarted out{digest, error.rule, error.message};
    if (error.rule == "suspended" || error.rule == "frozen") {
      out.cause = worker::kAwaitsLimit;
    } else if (error.rule != "revoked") {
      const bool denied = error.code == Code::Denied || error.code == Code::BudgetExhausted;
      out.cause = denied ? "revoked" : "environment";
    }
    return out;
  }

  void end_without_word(const Digest& digest, Job& job) {
    if (job.at == At::Over) return;
    job.at = At::Over;
    if (job.told.empty()) {
      tell(job, worker::NotStarted{digest, "environment", "the cell's supervisor died"});
    }
  }
  void end(Job& job, const worker::Event& event) {
    job.at = At::Over;
    tell(job, event);
  }
  void tell(Job& job, const worker::Event& event) {
    job.told.push_back(event);
    tell(event);
  }
  // As the front reads it off the connection.
  void tell(const worker::Event& event) {
    const auto heard = front::on_worker_record(machine_.site(), worker::encode(event));
    EXPECT_TRUE(heard) << heard.error().message;
  }

  template <class T>
  Result<T> ask(const keeper::Request& request) {
    COFFER_TRY(keeper::Reply reply, machine_.ask(request));
    if (const auto* refused = std::get_if<keeper::Refused>(&reply)) {
      return Error{refused->code, refused->message}.as(refused->rule);
    }
    return std::get<T>(std::move(reply));
  }
  std::uint64_t now_ms() const {
    return static_cast<std::uint64_t>(clock_.unix_time().time_since_epoch().count());
  }

  Machine& machine_;
  const ManualClock& clock_;
  keeper::test::World& world_;
  std::optional<Channel> front_;
  std::map<Digest, Job> jobs_;
  std::size_t opened_{0};
};

class ProcessSimulation : public testing::Test {
 protected:
  void begin(std::uint64_t seed, std::function<Duration()> hold = {}) {
    random_.seed(seed);
    simulation_ = std::make_unique<Simulation>();
    machine_ = std::make_unique<Machine>(simulation_->fresh("data"), simulation_->clock);
    machine_->hold_answers(front::kKeeperPatience, std::move(hold));
    ASSERT_TRUE(machine_->start());
    ASSERT_TRUE(front::first_operator(machine_->site()));
    for (const char* name : {"stew", "ada"}) {
      ASSERT_TRUE(front::add_user(machine_->site(), {"operator", {"operator"}}, name,
                                  {"owner", "researcher"}));
    }
    world_ = std::make_unique<keeper::test::World>(
        machine_->site().status.ledger_vkey, machine_->site().status.seal_key,
        [this](const keeper::Request& request) { return machine_->ask(request); });
    auto& stew = world_->person("stew");
    manifest_ = world_->dataset(stew, kId, kLimitBits);
    auto terms = world_->grant_object(stew, kId, world_->person("ada"));
    terms.budgets.bits = kGrantBits;
    grants_ = {world_->grant(stew, terms)};
    submitted_.clear();
    limits_ = 1;
    workers_ = std::make_unique<Workers>(*machine_, simulation_->clock, *world_);
    reconnect();
  }

  front::Site& site() { return machine_->site(); }
  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
  void pass(Duration time) {
    machine_->advance(time);
    world_->now += static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(time).count());
  }
  void advance(Duration time) {
    pass(time);
    const auto ticked = front::tick(site());
    EXPECT_TRUE(ticked) << ticked.error().message;
  }
  void reconnect() {
    site().capacity = {.cpus = 3, .memory_bytes = std::uint64_t{1} << 40};
    const auto connected = workers_->connect();
    EXPECT_TRUE(connected) << connected.error().message;
  }

  void submit() {
    auto run = world_->run_object(grants_, manifest_);
    run.resources.cpus = 1;
    const auto reply = machine_->ask(world_->submit(world_->person("ada"), run));
    if (reply) submitted_.push_back(digest_of(run));
  }

  void fault() {
    switch (below(4)) {
      case 0:
        ASSERT_TRUE(machine_->restart_front());
        return reconnect();
      case 1:
        ASSERT_TRUE(machine_->restart_keeper());
        return;
      case 2:
        workers_->die();
        return reconnect();
      default:
        workers_->kill_one(random_());
    }
  }

  void step() {
    switch (below(9)) {
      case 0:
        return submit();
      case 1:
        if (submitted_.empty() || below(4) > 0) return;
        // Over already: nothing to cancel.
        (void)front::end_run(site(), submitted_[below(submitted_.size())].text(),
                             keeper::CancelCause::Cancelled);
        return;
      case 2:
        return advance(std::chrono::milliseconds{below(3000)});
      case 3:
        return fault();
      default:
        workers_->take_orders();
        workers_->step(random_(), below(12) == 0);
    }
  }

  // As a database that was restored from before it.
  void forget(const Digest& run) {
    for (const char* rows : {"run_grants WHERE run", "outputs WHERE run", "runs WHERE digest"}) {
      ASSERT_TRUE(site().db.run(std::string("DELETE FROM ") + rows + " = ?", {run.text()}));
    }
  }

  std::int64_t count(const std::string& where) {
    const auto row = site().db.row("SELECT COUNT(*) FROM runs WHERE " + where);
    EXPECT_TRUE(row);
    return (*row)->integer(0);
  }

  // Nothing fails any more: what was submitted is over in a while, wherever it was.
  void come_to_rest() {
    for (int i = 0; i < 400 && count("state IN ('queued', 'running')") > 0; ++i) {
      workers_->take_orders();
      workers_->step_all();
      advance(i < 200 ? 1s : 30s);
      if (i % 50 != 49) continue;
      // Runs of a grant with several losses wait for the owner to say that he goes on.
      auto& stew = world_->person("stew");
      auto limit = world_->limit_object(stew, kId, kLimitBits);
      limit.sequence = ++limits_;
      world_->append(keeper::SetLimit{world_->seed(), render(grant::sign(limit, stew.sign))});
    }
    const auto left = site().db.rows(
        "SELECT digest, state, attempt, wanted FROM runs WHERE state IN ('queued', 'running')");
    ASSERT_TRUE(left);
    for (const auto& row : *left) {
      ADD_FAILURE() << row.text(0) << " is " << row.text(1) << " for ever, attempt "
                    << row.integer(2) << ", wanted '" << row.text(3) << "'";
    }
  }

  // Within the longest that any of them may take.
  void end_unknown_runs() {
    for (int i = 0; i < 40; ++i) {
      const auto ended = front::end_unknown_runs(site());
      EXPECT_TRUE(ended) << ended.error().message;
      advance(30s);
    }
  }

  void check_submitted() {
    for (const auto& digest : submitted_) {
      const auto known = world_->must<keeper::RunReply>(keeper::RunQuery{digest});
      EXPECT_EQ(known.phase, keeper::Phase::Over) << digest.text();
    }
    const auto budget = world_->budget(grants_[0]);
    EXPECT_EQ(budget.reserved, program::Cost{}) << "a run that is over reserves nothing";
    EXPECT_TRUE(front::check_against_keeper(site()));
  }
  void check_runs() {
    check_submitted();
    check(*machine_, simulation_->told, 0, grants_);
  }

  std::mt19937_64 random_;
  std::unique_ptr<Simulation> simulation_;
  std::unique_ptr<Machine> machine_;
  std::unique_ptr<keeper::test::World> world_;
  std::unique_ptr<Workers> workers_;
  Digest manifest_;
  std::vector<Digest> grants_;
  std::vector<Digest> submitted_;
  std::uint64_t limits_{1};  // signed so far
};

TEST_F(ProcessSimulation, EveryRunComesToItsEndWhateverProcessEnds) {
  const std::uint64_t seed = seed_of_run();
  SCOPED_TRACE("replay: COFFER_SEED=" + std::to_string(seed));
  std::size_t opened = 0;
  const auto rounds = static_cast<std::uint64_t>(crashes_wanted()) / 40;
  for (std::uint64_t round = 0; round < rounds && !HasFailure(); ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    bool passes = false;  // time, between two questions of the front
    begin(seed + round, [&]() -> Duration {
      if (passes && below(20) == 0) pass(std::chrono::milliseconds{below(3000)});
      return 0s;
    });
    passes = true;
    for (int i = 0; i < 250 && !HasFailure(); ++i) step();
    come_to_rest();
    check_runs();
    opened += workers_->opened();
  }
  EXPECT_GT(opened, 20U) << "too little happened";
}

// The front was stopped after the keeper's word and before its own: it hears only of the end.
TEST_F(ProcessSimulation, RunWhoseStartWasNeverHeardIsSettledWhenItEnds) {
  begin(seed_of_run());
  const auto run = world_->run_object(grants_, manifest_);
  const Digest digest = digest_of(run);
  world_->append(world_->submit(world_->person("ada"), run));
  world_->start(digest);
  world_->must<keeper::ReportReply>(keeper::Report{digest, 1, judged(*world_, run)});
  const auto state = [&] {
    return (*site().db.row("SELECT state FROM runs WHERE digest = ?", {digest.text()}))->text(0);
  };
  EXPECT_EQ(state(), "queued");
  ASSERT_TRUE(
      front::on_worker_record(site(), worker::encode(worker::Event{worker::Ended{digest}})));
  EXPECT_EQ(state(), "running");
  machine_->advance(5s);
  ASSERT_TRUE(front::tick(site()));
  EXPECT_EQ(state(), "done");
}

// Runs of a restored database go on while the front asks for them: a report arrives, or their slot
// comes, between any two of its questions.
TEST_F(ProcessSimulation, RunsThatOnlyTheKeeperKnowsEndWheneverTheyMoveOn) {
  std::function<void()> move_on;
  int before = -1;  // so many answers more
  begin(seed_of_run(), [&]() -> Duration {
    if (before-- == 0) move_on();
    return 0s;
  });
  grant::Run run;
  const auto report = [&] {
    (void)machine_->ask(keeper::Report{digest_of(run), 1, judged(*world_, run)});
  };
  struct Story {
    const char* name;
    std::function<void()> first;
    std::function<void()> then;
  };
  const std::array stories{
      Story{"a report arrives", [] {}, report},
      Story{"the slot of a report comes", report, [&] { machine_->advance(5s); }},
      Story{"a report arrives after the last slot", [&] { machine_->advance(2h); }, report},
  };
  for (const auto& story : stories) {
    for (int answers = 0; answers < 4; ++answers) {
      SCOPED_TRACE(fmt::format("{}, after {} answers", story.name, answers));
      run = world_->run_object(grants_, manifest_);
      const Digest digest = digest_of(run);
      world_->append(world_->submit(world_->person("ada"), run));
      world_->start(digest);
      forget(digest);
      story.first();
      move_on = story.then;
      before = answers;
      const auto first = front::end_unknown_runs(site());
      EXPECT_TRUE(first) << first.error().message;
      before = -1;
      machine_->advance(60s);
      const auto second = front::end_unknown_runs(site());
      EXPECT_TRUE(second) << second.error().message;
      EXPECT_EQ(world_->must<keeper::RunReply>(keeper::RunQuery{digest}).phase,
                keeper::Phase::Over);
    }
  }
  EXPECT_EQ(world_->budget(grants_[0]).reserved, program::Cost{});
}

// What the keeper knows beyond it comes to its end, and the database goes on with what it has.
TEST_F(ProcessSimulation, EveryRunComesToItsEndAfterOldDatabasesToo) {
  const std::uint64_t seed = seed_of_run();
  SCOPED_TRACE("replay: COFFER_SEED=" + std::to_string(seed));
  std::size_t accepted = 0;
  const auto rounds = static_cast<std::uint64_t>(crashes_wanted()) / 20;
  for (std::uint64_t round = 0; round < rounds && !HasFailure(); ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    std::uint64_t answers = 0;  // until the copy, also between the keeper's word and the front's
    begin(seed + round, [&]() -> Duration {
      const bool now = answers > 0 && --answers == 0;
      EXPECT_TRUE(!now || machine_->copy("front", "copy"));
      return 0s;
    });
    answers = 1 + below(150);
    for (int i = 0; i < 200 && !HasFailure(); ++i) step();
    if (answers > 0) continue;
    const auto size = site().tree.size();
    ASSERT_TRUE(machine_->put_back("copy", "front"));
    const auto started = machine_->start();
    if (!started) {
      EXPECT_EQ(started.error().rule, "database_older") << started.error().message;
      const auto recovered = machine_->recover("copy of yesterday");
      ASSERT_TRUE(recovered) << recovered.error().message;
      ++accepted;
    }
    EXPECT_GE(site().tree.size(), size);
    reconnect();
    for (int i = 0; i < 50 && !HasFailure(); ++i) step();
    come_to_rest();
    end_unknown_runs();
    check_submitted();
  }
  EXPECT_GT(accepted, rounds / 2) << "too little happened";
}

TEST_F(ProcessSimulation, GapThatTheKeeperDidNotEnterIsStillThere) {
  begin(seed_of_run());
  ASSERT_TRUE(machine_->copy("front", "copy"));
  submit();
  ASSERT_TRUE(machine_->put_back("copy", "front"));
  ASSERT_FALSE(machine_->recover(""));
  machine_->stop();
  const auto started = machine_->start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().rule, "database_older");
  ASSERT_TRUE(machine_->recover("copy of yesterday"));
  const auto named = site().db.row("SELECT COUNT(*) FROM entries WHERE kind = ?",
                                   {std::string(ledger::kRecoveryKind)});
  ASSERT_TRUE(named);
  EXPECT_EQ((*named)->integer(0), 1);
}

// The front was killed before it stored the answer, and the keeper's memory is of a time before.
TEST_F(ProcessSimulation, OlderKeeperIsNotAskedForWhatItForgot) {
  begin(seed_of_run());
  ASSERT_TRUE(machine_->copy("keeper", "copy"));
  const keeper::Request asked =
      world_->submit(world_->person("ada"), world_->run_object(grants_, manifest_));
  ASSERT_TRUE(machine_->ask(asked));
  submit();
  ASSERT_TRUE(
      site().db.run("INSERT INTO pending(op, extra) VALUES(?, '{}')", {keeper::encode(asked)}));
  const auto size = site().tree.size();
  ASSERT_TRUE(machine_->put_back("copy", "keeper"));
  const auto started = machine_->start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().rule, "keeper_older");
  const auto recovered = machine_->recover("copy of yesterday");
  ASSERT_TRUE(recovered) << recovered.error().message;
  EXPECT_GT(site().tree.size(), size);
  EXPECT_TRUE(front::check_against_keeper(site()));
}

TEST_F(ProcessSimulation, SecondServerOnTheDirectoryIsRefusedAndChangesNothing) {
  begin(seed_of_run());
  submit();
  Machine second{machine_->data(), simulation_->clock};
  const auto started = second.start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().message, "journal: another keeper has it");
  submit();
  come_to_rest();
  check_runs();
}

}  // namespace
}  // namespace coffer::simulation
