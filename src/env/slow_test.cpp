// Makes real environments out of this machine's own sources. Needs a network and control groups.
#include <gtest/gtest.h>

#include <chrono>

#include "env/builder_test_kit.h"
#include "env/recipe.h"
#include "env/seal.h"

namespace coffer::env {
namespace {

namespace fs = std::filesystem;

class RealBuilds : public testing::Test {
 protected:
  RealBuilds() : directory_(*TemporaryDirectory::make("/var/tmp")) {
    fs::permissions(directory_.path(), fs::perms{0755});
  }
  // The usual cache: what was made before is only verified, which is what a user sees as well.
  Builder builder() { return Builder{directory_.path() / "data", cache_directory()}; }
  Built build(Builder& front, const std::string& name, const std::string& spec) {
    front.restart_progress();
    front.send(Build{name, spec});
    const auto outcome = front.outcome(std::chrono::minutes{10});
    if (const auto* failed = std::get_if<Failed>(&outcome)) {
      ADD_FAILURE() << failed->message << "\n" << front.lines();
      return {};
    }
    return std::get<Built>(outcome);
  }
  Job job_in(const Digest& digest) {
    const fs::path work = directory_.path() / "job";
    fs::create_directories(work / "stage");
    std::error_code ignored;
    fs::remove(work / "root", ignored);
    fs::create_directory_symlink(directory_.path() / "data/env" / hex(digest.bytes) / "root",
                                 work / "root");
    return Job{.work = work, .cache = {}, .variables = {}, .report = [](Stage, unsigned) {}};
  }
  std::string run(const Digest& digest, const std::vector<std::string>& argv) {
    const Job job = job_in(digest);
    const auto said =
        ask_in_cell(job, {.root = fs::canonical(job.root()), .argv = argv, .writable = {}});
    return said ? *said : said.error().message;
  }
  TemporaryDirectory directory_;
};

TEST_F(RealBuilds, SklearnPresetImportsAndItsDigestHolds) {
  auto front = builder();
  const Built made = build(front, "python-sklearn", R"({"preset":"sklearn"})");
  EXPECT_EQ(run(made.digest,
                {"/usr/bin/python3", "-c", "import sklearn, pandas; print(sklearn.__name__)"}),
            "sklearn\n");
  const auto json = Json::parse(made.description);
  ASSERT_TRUE(json);
  const auto frame = Frame::parse(
      Json::object({{"profile", (*json)["profile"]}, {"variables", (*json)["variables"]}}));
  ASSERT_TRUE(frame);
  const auto walked =
      digest_tree(directory_.path() / "data/env" / hex(made.digest.bytes) / "root", *frame);
  ASSERT_TRUE(walked) << walked.error().message;
  EXPECT_EQ(walked->digest, made.digest);
  EXPECT_EQ((*json)["interpreter"].text_or("path", ""), "/usr/bin/python3");
  const Built again = build(front, "python-sklearn", R"({"preset":"sklearn"})");
  EXPECT_EQ(again.digest, made.digest);
}

TEST_F(RealBuilds, APackageThatDoesNotExistIsNamed) {
  auto front = builder();
  front.send(Build{"none", R"({"pip":["cofferdam-no-such-package-here"]})"});
  const auto outcome = front.outcome(std::chrono::minutes{5});
  const auto* failed = std::get_if<Failed>(&outcome);
  ASSERT_NE(failed, nullptr);
  EXPECT_NE(
      failed->message.find("No matching distribution found for cofferdam-no-such-package-here"),
      std::string::npos)
      << failed->message << front.lines();
}

TEST_F(RealBuilds, AptPackagesAreThereWithWhatTheirScriptsDo) {
  auto front = builder();
  const Built made = build(front, "with-mawk", R"({"apt":["mawk"],"pip":["threadpoolctl"]})");
  EXPECT_EQ(run(made.digest, {"/usr/bin/awk", "BEGIN { print 6 * 7 }"}), "42\n");
}

}  // namespace
}  // namespace coffer::env
