// Front and keeper over a simulated disk: the power fails at any write, and nothing that was
// acknowledged is lost, spent twice or contradicted.
#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <regex>

#include "front/append.h"
#include "front/users.h"
#include "keeper/test_world.h"
#include "ledger/verify.h"
#include "simulation/disk.h"
#include "simulation/site_check.h"

namespace coffer::simulation {
namespace {

namespace fs = std::filesystem;

constexpr std::array kPeople{"root", "stew", "ada", "rex"};

// People, data, grants and runs, each step chosen by a seed.
class Workload {
 public:
  Workload(Machine& machine, std::uint64_t seed) : machine_(machine), random_(seed) {}

  // Calls `told` after each acknowledgement. Ends early when a step is not acknowledged.
  void play(int steps, const std::function<void(const keeper::Appended&)>& told) {
    told_ = told;
    if (!begin()) return;
    for (int i = 0; i < steps && alive_; ++i) step();
  }
  const std::vector<Digest>& grants() const { return grants_; }
  void go_on_when_unavailable() { goes_on_ = true; }

 private:
  // "" when it was accepted.
  bool does(const keeper::Request& request) {
    if (!alive_) return false;
    const auto reply = world_->ask(request);
    if (!reply) {
      // A refusal by the rules is no fault of the disk.
      const bool unavailable = reply.error().code == Code::Unavailable && !goes_on_;
      if (unavailable || reply.error().code == Code::Internal) alive_ = false;
      return false;
    }
    if (const auto* appended = std::get_if<keeper::Appended>(&*reply)) told_(*appended);
    return !std::holds_alternative<keeper::Refused>(*reply);
  }

  bool begin() {
    auto& site = machine_.site();
    if (!front::first_operator(site)) return false;
    const front::Caller operating{"operator", {"operator"}};
    for (const char* name : kPeople) {
      if (!front::add_user(site, operating, name, {"owner", "researcher", "reviewer"})) {
        return false;
      }
    }
    world_.emplace(site.status.ledger_vkey, site.status.seal_key,
                   [this](const keeper::Request& request) { return machine_.ask(request); });
    for (const char* name : kPeople) {
      auto person = std::make_unique<keeper::test::Person>(keeper::test::Person{
          name, keeper::test::sign_key_of(name), keeper::test::seal_key_of(name), {}});
      person->object = world_->key_object(name, person->sign, person->seal);
      const auto role =
          std::string_view{name} == "root" ? keeper::KeyRole::Operator : keeper::KeyRole::User;
      if (!does(keeper::RegisterKey{world_->seed(),
                                    render(grant::sign(person->object, person->sign)), role})) {
        return false;
      }
      people_[name] = std::move(person);
    }
    const auto manifest = world_->manifest_object(stew(), keeper::test::kId);
    manifest_ = digest_of(manifest);
    if (!does(world_->add_manifest(stew(), manifest))) return false;
    const auto card = world_->card_object(stew(), keeper::test::kId, manifest_);
    if (!does(keeper::SetCard{world_->seed(), render(grant::sign(card, stew().sign))})) {
      return false;
    }
    const auto limit = world_->limit_object(stew(), keeper::test::kId, kLimitBits);
    return does(keeper::SetLimit{world_->seed(), render(grant::sign(limit, stew().sign))});
  }

  void step() {
    advance(below(3000));
    switch (below(8)) {
      case 0:
        give();
        break;
      case 1:
      case 2:
      case 3:
        submit();
        break;
      case 4:
        cancel();
        break;
      default:
        carry_on();
    }
  }

  void give() {
    auto terms = world_->grant_object(stew(), keeper::test::kId, *people_["ada"]);
    terms.approver_keys = {people_["rex"]->sign.public_key()};
    terms.approvals_needed = 1;
    terms.budgets.bits = kGrantBits;
    terms.budgets.runs = 9;
    terms.auto_bits = 30;
    terms.auto_total = 300;
    const auto request = world_->add_grant(stew(), terms);
    if (does(request)) grants_.push_back(digest_of(terms));
  }
  void submit() {
    if (grants_.empty()) return give();
    auto run = world_->run_object({grants_[below(grants_.size())]}, manifest_);
    if (below(2) == 0) run.outputs.push_back(keeper::test::weights_output());
    if (does(world_->submit(*people_["ada"], run))) runs_.push_back({run, 0});
  }
  void cancel() {
    if (runs_.empty()) return;
    auto& [run, at] = runs_[below(runs_.size())];
    if (at != 0) return;
    if (does(keeper::Cancel{world_->seed(), digest_of(run), keeper::CancelCause::Cancelled})) {
      at = 9;
    }
  }
  void carry_on() {
    if (runs_.empty()) return;
    auto& [run, at] = runs_[below(runs_.size())];
    const Digest digest = digest_of(run);
    if (at == 0) {
      if (does(world_->open(digest)) && does(keeper::Started{digest, 1})) at = 1;
    } else if (at == 1) {
      if (does(keeper::Report{digest, 1, judged(*world_, run)})) at = 2;
    } else if (at == 2) {
      advance(700'000);
      const auto known = world_->ask(keeper::RunQuery{digest});
      const auto* reply = known ? std::get_if<keeper::RunReply>(&*known) : nullptr;
      if (reply == nullptr || !reply->settled) return;
      if (does(keeper::Settle{world_->seed(), digest, *reply->settled})) at = 3;
    } else if (at == 3 && run.outputs.size() > 1) {
      const bool ok = below(2) == 0;
      const auto verdict = ok ? grant::ApprovalVerdict::Approve : grant::ApprovalVerdict::Refuse;
      if (!does(keeper::Approve{world_->seed(),
                                world_->approval(*people_["rex"], digest, "weights", verdict)})) {
        return;
      }
      if (does(keeper::Decide{
              world_->seed(), digest, "weights",
              ok ? keeper::Decision::Released : keeper::Decision::Withheld,
              ok ? keeper::DecisionCause::Approved : keeper::DecisionCause::Refused})) {
        at = 4;
      }
    }
  }

  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
  void advance(std::uint64_t ms) {
    machine_.advance(std::chrono::milliseconds{static_cast<std::int64_t>(ms)});
    world_->now += ms;
  }
  keeper::test::Person& stew() { return *people_["stew"]; }

  struct Submitted {
    grant::Run run;
    int at;  // 0 queued, 1 started, 2 reported, 3 settled, 4 decided, 9 cancelled
  };
  Machine& machine_;
  std::mt19937_64 random_;
  std::function<void(const keeper::Appended&)> told_;
  std::optional<keeper::test::World> world_;
  std::map<std::string, std::unique_ptr<keeper::test::Person>> people_;
  Digest manifest_;
  std::vector<Digest> grants_;
  std::vector<Submitted> runs_;
  bool alive_{true};
  bool goes_on_{false};
};

TEST(SiteSimulation, SurvivesAPowerFailureAtAnyWrite) {
  const std::uint64_t seed = seed_of_run();
  SCOPED_TRACE("replay: COFFER_SEED=" + std::to_string(seed));
  Simulation simulation;
  const auto data = simulation.fresh("data");
  SimulatedDisk disk{data};
  Machine machine{data, simulation.clock};
  ASSERT_TRUE(machine.start());
  Workload workload{machine, seed};
  workload.play(120, [&](const keeper::Appended& answer) {
    simulation.told.push_back({disk.changes(), answer});
  });
  ASSERT_GT(simulation.told.size(), 30U) << "too little happened";
  machine.stop();

  std::mt19937_64 random{seed};
  for (int i = 0; i < crashes_wanted() && !HasFatalFailure(); ++i) {
    const std::size_t changes = 1 + random() % disk.changes();
    SCOPED_TRACE("crash " + std::to_string(i) + " after change " + std::to_string(changes));
    const auto left = simulation.fresh("left");
    disk.crash(changes, seed + static_cast<std::uint64_t>(i), left);
    Machine again{left, simulation.clock};
    const auto started = again.start();
    ASSERT_TRUE(started) << started.error().message << " " << started.error().detail;
    check(again, simulation.told, changes, workload.grants());
    if (again.site().tree.size() == 0) continue;
    const auto policy =
        ledger::Policy::of_key(*ledger::VerifierKey::parse(again.site().status.ledger_vkey));
    const auto report = ledger::verify_directory(left / "ledger", policy);
    EXPECT_TRUE(report) << report.error().message;
  }
}

TEST(SiteSimulation, SurvivesAFullOrFailingDiskAtAnyWrite) {
  const std::uint64_t seed = seed_of_run();
  SCOPED_TRACE("replay: COFFER_SEED=" + std::to_string(seed));
  std::mt19937_64 random{seed};
  for (int i = 0; i < crashes_wanted() / 3 && !HasFatalFailure(); ++i) {
    SCOPED_TRACE("fault " + std::to_string(i));
    Simulation simulation;
    const auto data = simulation.fresh("data");
    std::vector<Digest> grants;
    {
      SimulatedDisk disk{data};
      Machine machine{data, simulation.clock};
      ASSERT_TRUE(machine.start());
      constexpr std::array kErrors{ENOSPC, EIO, EDQUOT};
      disk.fail(disk.changes() + random() % 900, 1 + random() % 50, kErrors[random() % 3]);
      Workload workload{machine, random()};
      workload.play(60, [&](const keeper::Appended& answer) {
        simulation.told.push_back({0, answer});
      });
      grants = workload.grants();
    }
    Machine again{data, simulation.clock};
    const auto started = again.start();
    ASSERT_TRUE(started) << started.error().message << " " << started.error().detail;
    check(again, simulation.told, 0, grants);
  }
}

// Also where the keeper has room and only its answer finds none, and for whoever comes next.
TEST(SiteSimulation, FullDiskIsNamedWhereverItIsMet) {
  constexpr std::size_t kAnywhere = 40;
  const std::regex reason{"disk is full|No space left|cannot be written now|does not answer"};
  std::size_t refused = 0;
  for (std::size_t change = 0; change < kAnywhere; ++change) {
    SCOPED_TRACE("full from change " + std::to_string(change));
    Simulation simulation;
    const auto data = simulation.fresh("data");
    SimulatedDisk disk{data};
    Machine machine{data, simulation.clock};
    ASSERT_TRUE(machine.start());
    ASSERT_TRUE(front::first_operator(machine.site()));
    ASSERT_TRUE(front::add_user(machine.site(), {"operator", {"operator"}}, "stew", {"owner"}));
    keeper::test::World world{machine.site().status.ledger_vkey, machine.site().status.seal_key,
                              [&](const keeper::Request& request) { return machine.ask(request); }};
    auto& stew = world.person("stew");
    world.dataset(stew, keeper::test::kId, kLimitBits);
    disk.fail(disk.changes() + change, 1000, ENOSPC);
    for (std::uint64_t sequence = 2; sequence < 5; ++sequence) {
      auto limit = world.limit_object(stew, keeper::test::kId, kLimitBits);
      limit.sequence = sequence;
      const auto done =
          machine.ask(keeper::SetLimit{world.seed(), render(grant::sign(limit, stew.sign))});
      if (done) continue;
      ++refused;
      // SQLite does not say why a sync failed, and a keeper whose journal is full has ended.
      EXPECT_TRUE(std::regex_search(done.error().message, reason)) << done.error().message;
    }
  }
  EXPECT_GT(refused, kAnywhere) << "too little happened";
}

// The keeper has done what the front gave up waiting for: nothing is stored before that.
TEST(SiteSimulation, SurvivesAnswersThatComeTooLate) {
  const std::uint64_t seed = seed_of_run();
  SCOPED_TRACE("replay: COFFER_SEED=" + std::to_string(seed));
  Simulation simulation;
  Machine machine{simulation.fresh("data"), simulation.clock};
  std::mt19937_64 random{seed};
  std::atomic<int> held{-40};  // not while the workload begins
  machine.hold_answers(30ms,
                       [&]() -> Duration { return ++held > 0 && random() % 8 == 0 ? 90ms : 0ms; });
  ASSERT_TRUE(machine.start());
  front::Site& site = machine.site();
  Workload workload{machine, seed};
  workload.go_on_when_unavailable();
  workload.play(150, [&](const keeper::Appended& answer) {
    simulation.told.push_back({0, answer});
    if (answer.checkpoint.empty()) return;
    EXPECT_EQ(checkpoint_of(site, answer.checkpoint).size, site.tree.size())
        << "an entry is missing before one that is stored";
  });
  ASSERT_GT(simulation.told.size(), 30U) << "too little happened";
  for (int i = 0; i < 100 && site.unfinished; ++i) (void)front::finish_pending(site);
  ASSERT_FALSE(site.unfinished);
  held = -1'000'000;
  check(machine, simulation.told, 0, workload.grants());
  EXPECT_TRUE(front::check_against_keeper(site));
}

// One partial tile is written for each checkpoint: what full ones replace goes.
TEST(SiteSimulation, PartialTilesDoNotPileUp) {
  Simulation simulation;
  const auto data = simulation.fresh("data");
  Machine machine{data, simulation.clock};
  ASSERT_TRUE(machine.start());
  ASSERT_TRUE(front::first_operator(machine.site()));
  keeper::test::World world{machine.site().status.ledger_vkey, machine.site().status.seal_key,
                            [&](const keeper::Request& request) { return machine.ask(request); }};
  for (int i = 0; i < 800; ++i) {
    const std::string name = "p" + std::to_string(i);
    ASSERT_TRUE(front::add_user(machine.site(), {"operator", {"operator"}}, name, {"owner"}));
    (void)world.person(name);
  }
  std::vector<std::string> partial;
  for (const auto& entry : fs::recursive_directory_iterator(data / "ledger" / "tile")) {
    if (entry.path().extension() == ".p") partial.push_back(entry.path().lexically_relative(data));
  }
  std::sort(partial.begin(), partial.end());
  EXPECT_EQ(partial, (std::vector<std::string>{"ledger/tile/0/002.p", "ledger/tile/0/003.p",
                                               "ledger/tile/1/000.p", "ledger/tile/entries/002.p",
                                               "ledger/tile/entries/003.p"}));
  const auto policy =
      ledger::Policy::of_key(*ledger::VerifierKey::parse(machine.site().status.ledger_vkey));
  EXPECT_TRUE(ledger::verify_directory(data / "ledger", policy));
}

}  // namespace
}  // namespace coffer::simulation
