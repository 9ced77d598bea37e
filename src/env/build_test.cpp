#include <gtest/gtest.h>

#include "env/base.h"
#include "env/builder_test_kit.h"
#include "env/host.h"
#include "env/image_test_kit.h"
#include "env/job.h"
#include "env/seal.h"

namespace coffer::env {
namespace {

namespace fs = std::filesystem;

std::string text_of_file(const fs::path& path) {
  const auto text = read_text(path, 1 << 20);
  return text ? *text : "absent";
}

TEST(HostSettings, CarryTheIndexAndCopyTheCertificatesItNeeds) {
  const auto directory = TemporaryDirectory::make();
  const fs::path host = directory->path() / "host", bundle = directory->path() / "ca.pem";
  fs::create_directory(host);
  ASSERT_TRUE(write_text(bundle, "certificate"));
  const auto settings = host_settings({{"PIP_INDEX_URL", "https://mirror/simple"},
                                       {"PIP_CERT", bundle},
                                       {"HTTPS_PROXY", "http://proxy:3128"},
                                       {"PIP_TARGET", "/elsewhere"},
                                       {"SECRET", "of the server"}},
                                      host);
  ASSERT_TRUE(settings) << settings.error().message;
  const auto& variables = settings->variables;
  EXPECT_EQ(variables.at("PIP_INDEX_URL"), "https://mirror/simple");
  EXPECT_EQ(variables.at("HTTPS_PROXY"), "http://proxy:3128");
  EXPECT_TRUE(variables.at("PIP_CERT").starts_with("/host/"));
  EXPECT_EQ(text_of_file(host / variables.at("PIP_CERT").substr(6)), "certificate");
  EXPECT_FALSE(variables.contains("PIP_TARGET"));
  EXPECT_FALSE(variables.contains("SECRET"));
}

TEST(HostSettings, RewriteThePathsInTheUsersOwnFile) {
  const auto directory = TemporaryDirectory::make();
  const fs::path host = directory->path() / "host", home = directory->path() / "home";
  const fs::path wheels = directory->path() / "wheels";
  for (const auto& path : {host, wheels, home / ".config/pip"}) fs::create_directories(path);
  ASSERT_TRUE(write_text(home / ".config/pip/pip.conf",
                         "[global]\nindex-url = https://mirror/simple\nfind-links = " +
                             wheels.string() + "\ntarget = /elsewhere\n"));
  const auto settings = host_settings({{"HOME", home}}, host);
  ASSERT_TRUE(settings) << settings.error().message;
  EXPECT_EQ(settings->variables.at("XDG_CONFIG_HOME"), "/host/config");
  const auto text = text_of_file(host / "config/pip/pip.conf");
  EXPECT_NE(text.find("index-url = https://mirror/simple\n"), std::string::npos);
  EXPECT_EQ(text.find(wheels.string()), std::string::npos);
  EXPECT_EQ(text.find("target"), std::string::npos);
  const auto& shown = settings->binds.back();
  EXPECT_EQ(shown.source, fs::canonical(wheels));
  EXPECT_NE(text.find("find-links = " + shown.target + "\n"), std::string::npos);
}

TEST(Explain, SaysWhatToDoInOneLine) {
  EXPECT_EQ(
      explain("pip", "x\nERROR: Could not install: [Errno 28] No space left on device\n").message,
      "pip failed: the disk is full");
  const auto network = explain("pip", "WARNING: Retrying\nMax retries exceeded with url\n");
  EXPECT_EQ(network.code, Code::Unavailable);
  EXPECT_NE(network.message.find("PIP_INDEX_URL"), std::string::npos);
  const auto unknown = explain("pip", "ERROR: No matching distribution found for nunpy\n");
  EXPECT_EQ(unknown.code, Code::InvalidArgument);
  EXPECT_EQ(unknown.message, "pip failed: ERROR: No matching distribution found for nunpy");
  EXPECT_EQ(explain("pip", "ERROR: something new\n[notice] a new pip\n").message,
            "pip failed: ERROR: something new");
}

class ImageBuilds : public testing::Test {
 protected:
  ImageBuilds() : directory_(*TemporaryDirectory::make()) {}
  Builder builder() { return Builder{data(), directory_.path() / "cache"}; }
  fs::path data() const { return directory_.path() / "data"; }
  fs::path environment(const Digest& digest) const { return data() / "env" / hex(digest.bytes); }

  static Build build_of(const Digest& archive) {
    return {"image", Spec{.oci = archive}.json().canonical()};
  }
  static void send_archive(Builder& builder, const std::string& archive, std::size_t part = 1000) {
    for (std::size_t at = 0; at < archive.size(); at += part) {
      const auto bytes = bytes_of(std::string_view{archive}.substr(at, part));
      builder.send(Archive{sha256(archive), at, {bytes.begin(), bytes.end()}});
    }
  }
  Built built(Builder& builder) {
    const auto outcome = builder.outcome();
    const auto* built = std::get_if<Built>(&outcome);
    if (const auto* failed = std::get_if<Failed>(&outcome)) ADD_FAILURE() << failed->message;
    return built == nullptr ? Built{} : *built;
  }
  static std::string failure(Builder& builder) {
    const auto outcome = builder.outcome();
    const auto* failed = std::get_if<Failed>(&outcome);
    return failed == nullptr ? "no failure" : failed->message;
  }
  bool nothing_is_left() const {
    for (const auto& entry : fs::directory_iterator(data() / "env")) {
      if (entry.path().filename() != ".incoming" || !fs::is_empty(entry.path())) return false;
    }
    return true;
  }
  TemporaryDirectory directory_;
};

TEST_F(ImageBuilds, RemovesAHalfMadeBaseUnlessSomebodyIsMakingIt) {
  const fs::path cache = directory_.path() / "cache";
  const fs::path half = cache / "base/half-0123";
  fs::create_directories(half / "usr");
  {
    const auto making = lock_cache(cache, Wait::UntilFree);
    ASSERT_TRUE(making && *making);
    Builder beside = builder();
    send_archive(beside, "no archive");
    beside.send(build_of(sha256("no archive")));
    EXPECT_NE(failure(beside), "no failure");  // it has started, and cleaned up
    EXPECT_TRUE(fs::exists(half));
  }
  Builder alone = builder();
  send_archive(alone, "no archive");
  alone.send(build_of(sha256("no archive")));
  EXPECT_NE(failure(alone), "no failure");
  EXPECT_FALSE(fs::exists(half));
}

const std::string kImage = archive_of({{raw_tar({{"bin/", '5', "", "", 0755},
                                                 {"bin/tool", '0', "#!/bin/sh\n", "", 0755},
                                                 {"bin/set", '0', "x", "", 04755},
                                                 {"tmp/left", '0', "x"},
                                                 {"etc/f", '0', "y"}})},
                                       R"(["PATH=/bin","COFFER_OUT=/elsewhere","MODEL=small"])"});

TEST_F(ImageBuilds, GiveASealedEnvironmentWhoseDigestHolds) {
  auto front = builder();
  send_archive(front, kImage);
  front.send(build_of(sha256(kImage)));
  const Built made = built(front);
  const fs::path place = environment(made.digest);
  const Frame frame{.profile = "standard", .variables = {{"PATH", "/bin"}, {"MODEL", "small"}}};
  const auto walked = digest_tree(place / "root", frame);
  ASSERT_TRUE(walked) << walked.error().message;
  EXPECT_EQ(walked->digest, made.digest);
  EXPECT_EQ(walked->bytes, made.bytes);
  EXPECT_EQ(text_of_file(place / "root/bin/tool"), "#!/bin/sh\n");
  EXPECT_TRUE(fs::is_empty(place / "root/tmp"));
  EXPECT_EQ(text_of_file(place / "env.json"), made.description);
  EXPECT_TRUE(unpack(place / "env.tar.zst", directory_.path() / "copy", made.digest));
  EXPECT_TRUE(fs::is_empty(data() / "env/.incoming"));
}

TEST_F(ImageBuilds, ComeOutOfTheCacheTheSecondTimeWithoutTheArchive) {
  Digest first;
  {
    auto front = builder();
    send_archive(front, kImage);
    front.send(build_of(sha256(kImage)));
    first = built(front).digest;
    front.send(Remove{first});
    EXPECT_TRUE(std::holds_alternative<Removed>(front.outcome()));
    EXPECT_TRUE(nothing_is_left());
  }
  auto front = builder();
  front.send(build_of(sha256("another archive")));
  EXPECT_NE(failure(front).find("was not sent"), std::string::npos);
  front.restart_progress();
  front.send(build_of(sha256(kImage)));
  EXPECT_EQ(built(front).digest, first);
  EXPECT_TRUE(fs::exists(environment(first) / "root/bin/tool"));
}

TEST_F(ImageBuilds, ADamagedCacheIsNotBelieved) {
  auto front = builder();
  send_archive(front, kImage);
  front.send(build_of(sha256(kImage)));
  const Digest digest = built(front).digest;
  front.send(Remove{digest});
  (void)front.outcome();
  for (const auto& entry : fs::directory_iterator(directory_.path() / "cache/sealed")) {
    if (entry.path().extension() != ".zst") continue;
    ASSERT_TRUE(write_text(entry.path(), "damaged"));
  }
  front.restart_progress();
  send_archive(front, kImage);
  front.send(build_of(sha256(kImage)));
  EXPECT_EQ(built(front).digest, digest);
  EXPECT_EQ(text_of_file(environment(digest) / "root/bin/tool"), "#!/bin/sh\n");
}

TEST_F(ImageBuilds, OfAHostileArchiveFailWithItsReasonAndLeaveNothing) {
  auto front = builder();
  const std::string hostile = archive_of({{raw_tar({{"../../evil", '0', "x"}})}});
  send_archive(front, hostile);
  front.send(build_of(sha256(hostile)));
  EXPECT_EQ(failure(front), "layer: a name that leads outside: ../../evil");
  EXPECT_TRUE(nothing_is_left());
  EXPECT_FALSE(fs::exists(directory_.path() / "evil"));
}

TEST_F(ImageBuilds, OfAnArchiveThatArrivedOtherwiseFail) {
  auto front = builder();
  send_archive(front, kImage.substr(0, kImage.size() - 1));
  std::string half = kImage;
  half.resize(2000);
  const auto bytes = bytes_of(half);
  front.send(Archive{sha256(kImage), 0, {bytes.begin(), bytes.end()}});
  front.send(build_of(sha256(kImage)));
  EXPECT_EQ(failure(front), "the OCI archive arrived damaged; add the environment again");
}

TEST_F(ImageBuilds, OutliveTheConnectionThatAskedForThem) {
  auto front = builder();
  send_archive(front, kImage);
  front.send(build_of(sha256(kImage)));
  front.connect();
  send_archive(front, kImage);
  front.send(build_of(sha256(kImage)));
  EXPECT_TRUE(fs::exists(environment(built(front).digest) / "env.json"));
}

TEST_F(ImageBuilds, HalfMadeAreRemovedAtStart) {
  fs::create_directories(data() / "env/.build-7/root" / "usr");
  fs::create_directories(data() / "env/.incoming/x");
  auto front = builder();
  front.send(Remove{sha256("none")});
  EXPECT_TRUE(std::holds_alternative<Removed>(front.outcome()));
  EXPECT_TRUE(nothing_is_left());
}

TEST_F(ImageBuilds, ASpecThatIsNoneFailsByName) {
  auto front = builder();
  front.send(Build{"bad", R"({"preset":"sklaern"})"});
  EXPECT_NE(failure(front).find("did you mean sklearn?"), std::string::npos);
}

}  // namespace
}  // namespace coffer::env
