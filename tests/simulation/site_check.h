// What must hold of a simulated site, whatever happened to it.
//
// Errors: failures of the test. Thread-safety: one thread.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <vector>

#include "base/clock.h"
#include "keeper/test_world.h"
#include "ledger/checkpoint.h"
#include "os/files.h"
#include "simulation/disk.h"
#include "simulation/machine.h"

namespace coffer::simulation {

constexpr std::uint64_t kLimitBits = 5000;  // of the dataset
constexpr std::uint64_t kGrantBits = 1600;  // of each grant

// How much is simulated: crashes, or what takes as long.
inline int crashes_wanted() {
  const char* wanted = std::getenv("COFFER_CRASHES");
  return wanted != nullptr ? std::atoi(wanted) : 300;
}

// What somebody was told, and how far the disk was then.
struct Told {
  std::size_t changes;
  keeper::Appended answer;
};

inline ledger::Checkpoint checkpoint_of(const front::Site& site, const std::string& note) {
  const auto key = ledger::VerifierKey::parse(site.status.ledger_vkey);
  auto checkpoint = ledger::open_checkpoint(note, *key);
  EXPECT_TRUE(checkpoint) << checkpoint.error().message;
  return checkpoint ? *checkpoint : ledger::Checkpoint{};
}

inline std::int64_t sum_of(front::Site& site, const Digest& grant, const char* amount) {
  const auto row = site.db.row(
      "SELECT COALESCE(SUM(json_extract(charged, '$.' || ?)), 0) FROM runs JOIN run_grants"
      " ON run = digest WHERE grant_digest = ?",
      {amount, grant.text()});
  EXPECT_TRUE(row) << row.error().message;
  return (*row)->integer(0);
}

// Everything that must hold of a machine that came up again.
inline void check(Machine& machine, const std::vector<Told>& told, std::size_t changes,
                  const std::vector<Digest>& grants) {
  front::Site& site = machine.site();
  const auto intact = site.db.row("PRAGMA integrity_check");
  ASSERT_TRUE(intact) << intact.error().message;
  EXPECT_EQ((*intact)->text(0), "ok");
  for (const auto& one : told) {
    if (one.changes > changes) break;
    for (const auto& entry : one.answer.entries) {
      const auto row = site.db.row("SELECT public FROM entries WHERE idx = ?",
                                   {static_cast<std::int64_t>(entry.index)});
      ASSERT_TRUE(row && *row) << "entry " << entry.index << " was acknowledged and is lost";
      EXPECT_EQ((*row)->blob(0), entry.public_bytes) << "entry " << entry.index;
    }
    if (one.answer.checkpoint.empty()) continue;
    const auto shown = checkpoint_of(site, one.answer.checkpoint);
    ASSERT_LE(shown.size, site.tree.size()) << "a checkpoint that was shown is not extended";
    const auto root = site.tree.root_at(shown.size);
    ASSERT_TRUE(root);
    EXPECT_EQ(*root, shown.root) << "a checkpoint is contradicted";
  }
  for (const auto& grant : grants) {
    const auto reply = machine.ask(keeper::GrantBudget{grant});
    ASSERT_TRUE(reply);
    const auto* budget = std::get_if<keeper::BudgetReply>(&*reply);
    if (budget == nullptr) continue;  // it was given after the crash
    EXPECT_EQ(static_cast<std::int64_t>(budget->spent.bits), sum_of(site, grant, "bits"));
    EXPECT_EQ(static_cast<std::int64_t>(budget->spent.runs), sum_of(site, grant, "runs"));
    EXPECT_LE(budget->spent.bits + budget->reserved.bits, kGrantBits);
  }
  const auto reply = machine.ask(keeper::DatasetBudget{keeper::test::kId});
  if (const auto* budget = reply ? std::get_if<keeper::BudgetReply>(&*reply) : nullptr) {
    EXPECT_LE(budget->spent.bits + budget->reserved.bits, kLimitBits);
  }
}

// A release is of one run only.
inline keeper::RunReport judged(keeper::test::World& world, const grant::Run& run) {
  auto report = world.judged(run);
  for (auto& output : report.outputs) {
    output.release = sha256("release " + output.name + " of " + digest_of(run).text());
  }
  return report;
}

struct Simulation {
  TemporaryDirectory scratch = *TemporaryDirectory::make(scratch_place());
  ManualClock clock;
  std::vector<Told> told;

  Simulation() { clock.set_unix_start(keeper::test::time_of(keeper::test::kStart)); }
  std::filesystem::path fresh(const std::string& name) const {
    const auto path = scratch.path() / name;
    EXPECT_TRUE(remove_tree(path));
    EXPECT_TRUE(make_directories(path));
    return path;
  }
};

}  // namespace coffer::simulation
