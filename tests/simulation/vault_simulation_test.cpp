// The vault over a simulated disk: a chunk or list that was acknowledged is there, whole, after any
// power failure, and nothing half done is taken for whole.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "os/files.h"
#include "simulation/disk.h"
#include "vault/store.h"

namespace coffer::simulation {
namespace {

constexpr auto kDataset = "ds_aaaaaaaaaaaaaaaa";

// The simulation itself can tell: what was synced is always there, what was not sometimes is not.
TEST(SimulatedDisk, LosesWhatWasNotSyncedAndNothingElse) {
  const auto scratch = *TemporaryDirectory::make(scratch_place());
  const auto root = scratch.path() / "disk";
  ASSERT_TRUE(make_directories(root));
  SimulatedDisk disk{root};
  ASSERT_TRUE(write_text(root / "safe", "safe"));
  const UniqueFd file{::open((root / "loose").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600)};
  ASSERT_TRUE(write_all(file.get(), bytes_of("loose")));
  int lost = 0;
  constexpr int kCrashes = 64;
  for (int i = 0; i < kCrashes; ++i) {
    const auto left = scratch.path() / ("left" + std::to_string(i));
    disk.crash(disk.changes(), static_cast<std::uint64_t>(i), left);
    EXPECT_EQ(read_text(left / "safe", 100).value(), "safe");
    const auto loose = read_text(left / "loose", 100);
    lost += loose && *loose == "loose" ? 0 : 1;
  }
  EXPECT_GT(lost, 0);
  EXPECT_LT(lost, kCrashes);
}

TEST(VaultSimulation, KeepsEveryAcknowledgedChunkThroughAPowerFailure) {
  const std::uint64_t seed = seed_of_run();
  SCOPED_TRACE("replay: COFFER_SEED=" + std::to_string(seed));
  std::mt19937_64 random{seed};
  const auto scratch = *TemporaryDirectory::make(scratch_place());
  const auto vault = scratch.path() / "disk" / "vault";
  ASSERT_TRUE(make_directories(scratch.path() / "disk"));
  SimulatedDisk disk{scratch.path() / "disk"};
  ASSERT_TRUE(make_directories(vault));
  auto store = vault::Store::create(vault, kDataset);
  ASSERT_TRUE(store) << store.error().message;
  const std::size_t created = disk.changes();
  std::map<Digest, std::pair<std::size_t, ByteVector>> told;  // by name: when, and what
  for (int i = 0; i < 60; ++i) {
    ByteVector sealed(vault::kSealedOverhead + random() % 5000);
    for (auto& byte : sealed) byte = static_cast<std::byte>(random());
    const Digest name = sha256(sealed);
    ASSERT_TRUE(store->put(name, sealed));
    told.emplace(name, std::pair{disk.changes(), sealed});
  }
  for (int i = 0; i < 80 && !HasFatalFailure(); ++i) {
    const std::size_t changes = created + random() % (disk.changes() - created + 1);
    SCOPED_TRACE("crash " + std::to_string(i) + " after change " + std::to_string(changes));
    const auto left = scratch.path() / ("left" + std::to_string(i));
    disk.crash(changes, seed + static_cast<std::uint64_t>(i), left);
    auto again = vault::Store::open(left / "vault", kDataset);
    ASSERT_TRUE(again) << again.error().message;
    for (const auto& [name, one] : told) {
      const auto chunk = again->chunk(name);
      if (one.first <= changes) {
        ASSERT_TRUE(chunk) << "an acknowledged chunk is lost: " << chunk.error().message;
      }
      EXPECT_TRUE(!chunk || *chunk == one.second) << "half a chunk is taken for a whole one";
    }
    EXPECT_TRUE(remove_tree(left));
  }
}

}  // namespace
}  // namespace coffer::simulation
