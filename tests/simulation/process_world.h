// A machine with simulated workers, and what happens to it, step by step, from a seed.
//
// Errors: failures of the test. Thread-safety: one thread.
#pragma once

#include <gtest/gtest.h>

#include <random>

#include "front/adopt.h"
#include "front/schedule.h"
#include "front/users.h"
#include "simulation/workers.h"

namespace coffer::simulation {

class ProcessWorld : public testing::Test {
 protected:
  void begin(std::uint64_t seed, std::function<Duration()> hold = {}) {
    random_.seed(seed);
    simulation_ = std::make_unique<Simulation>();
    machine_ = std::make_unique<Machine>(simulation_->fresh("data"), simulation_->clock);
    machine_->hold_answers(front::kKeeperPatience, std::move(hold));
    ASSERT_TRUE(machine_->start());
    ASSERT_TRUE(front::first_operator(machine_->site()));
    for (const char* name : {"stew", "ada", "rex"}) {
      ASSERT_TRUE(front::add_user(machine_->site(), {"operator", {"operator"}}, name,
                                  {"owner", "researcher", "reviewer"}));
    }
    world_ = std::make_unique<keeper::test::World>(
        machine_->site().status.ledger_vkey, machine_->site().status.seal_key,
        [this](const keeper::Request& request) { return machine_->ask(request); });
    auto& stew = world_->person("stew");
    manifest_ = world_->dataset(stew, keeper::test::kId, kLimitBits);
    auto terms = world_->grant_object(stew, keeper::test::kId, world_->person("ada"));
    terms.budgets.bits = kGrantBits;
    terms.approver_keys = {world_->person("rex").sign.public_key()};
    terms.approvals_needed = 1;
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
    if (below(3) == 0) run.outputs.push_back(keeper::test::weights_output());
    const auto reply = machine_->ask(world_->submit(world_->person("ada"), run));
    if (reply) submitted_.push_back(digest_of(run));
  }

  keeper::SubmitRun a_run() {
    return world_->submit(world_->person("ada"), world_->run_object(grants_, manifest_));
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
      auto limit = world_->limit_object(stew, keeper::test::kId, kLimitBits);
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
  void end_runs_of_the_keeper() {
    for (int i = 0; i < 40; ++i) {
      const auto ended = front::end_unknown_runs(site());
      EXPECT_TRUE(ended) << ended.error().message;
      advance(30s);
    }
  }

  // Nobody decides: what is held is withheld in the end.
  void outlast_held() {
    advance(std::chrono::milliseconds{keeper::kHeldMs});
    advance(1s);
    EXPECT_EQ(count("state = 'held'"), 0);
  }

  void check_submitted() {
    for (const auto& digest : submitted_) {
      const keeper::RunQuery query{digest};
      if (world_->rule(query) == "no_such_run") continue;  // an older keeper
      EXPECT_EQ(world_->must<keeper::RunReply>(query).phase, keeper::Phase::Over) << digest.text();
    }
    const auto budget = world_->budget(grants_[0]);
    EXPECT_EQ(budget.reserved, program::Cost{}) << "a run that is over reserves nothing";
    EXPECT_TRUE(front::check_against_keeper(site()));
  }
  void check_runs() {
    outlast_held();
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

}  // namespace coffer::simulation
