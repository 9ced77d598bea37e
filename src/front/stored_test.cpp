#include "front/stored.h"

#include <gtest/gtest.h>

#include "keeper/test_world.h"
#include "os/files.h"

namespace coffer::front {
namespace {

TEST(NamedPaths, HoldAVersionForWhichTheKeeperHasNotAnswered) {
  const TemporaryDirectory directory = TemporaryDirectory::make().value();
  const SystemClock clock;
  const auto site = open_site(directory.path(), clock).value();
  keeper::test::World world;
  const auto& owner = world.person("stew");
  const auto manifest = world.manifest_object(owner, "ds_aaaaaaaaaaaaaaaa");
  const keeper::Request asked{world.add_manifest(owner, manifest)};
  ASSERT_TRUE(
      site->db.run("INSERT INTO pending(op, extra) VALUES(?, '{}')", {keeper::encode(asked)}));
  const std::vector<std::string> wanted{"vault/" + manifest.dataset_id + "/lists/" +
                                        hex(manifest.chunk_list.bytes)};
  const auto named = named_paths(*site);
  ASSERT_TRUE(named) << named.error().message;
  EXPECT_EQ(*named, wanted);
  ASSERT_TRUE(site->db.run("DELETE FROM pending"));
  EXPECT_TRUE(named_paths(*site)->empty());
}

}  // namespace
}  // namespace coffer::front
