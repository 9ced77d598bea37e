#include "cli/tarball.h"

#include "cli/testing.h"

namespace coffer::cli {
namespace {

std::string tar_of(const testing::Home& home,
                   const std::vector<std::pair<std::string, std::string>>& files) {
  std::string path = (home.path() / "t.XXXXXX").string();
  const UniqueFd fd{::mkstemp(path.data())};
  TarWriter tar{fd.get()};
  for (const auto& [name, content] : files) {
    EXPECT_TRUE(tar.add(name, content, FileMode::Plain).has_value());
  }
  EXPECT_TRUE(tar.finish().has_value());
  return testing::content_of(fd.get());
}

TEST(Tar, HasOneHeaderAndPaddedContentForEachFile) {
  const testing::Home home;
  const std::string tar =
      tar_of(home, {{"coffer.toml", "abc"}, {"src/main.py", std::string(512, 'x')}});
  ASSERT_EQ(tar.size(), 512U * (2 + 2 + 2));
  EXPECT_EQ(tar.substr(0, 11), "coffer.toml");
  EXPECT_EQ(tar.substr(124, 11), "00000000003");
  EXPECT_EQ(tar.substr(257, 5), "ustar");
  EXPECT_EQ(tar.substr(512, 3), "abc");
  EXPECT_EQ(tar.substr(1024, 11), "src/main.py");
}

TEST(Tar, HeadersHaveTheirChecksum) {
  const testing::Home home;
  const std::string tar = tar_of(home, {{"a", ""}});
  unsigned sum = 0;
  for (std::size_t i = 0; i < 512; ++i) {
    sum += static_cast<unsigned char>(i >= 148 && i < 156 ? ' ' : tar[i]);
  }
  EXPECT_EQ(std::stoul(tar.substr(148, 6), nullptr, 8), sum);
}

TEST(Tar, SaysLongPathsInARecord) {
  const testing::Home home;
  const std::string path(150, 'p');
  const std::string tar = tar_of(home, {{path, "x"}});
  EXPECT_EQ(tar[156], 'x');
  EXPECT_EQ(tar.substr(512, 9), "160 path=");
  EXPECT_EQ(tar.substr(521, 150), path);
}

}  // namespace
}  // namespace coffer::cli
