#include "twin/twin.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/unique_fd.h"
#include "scan/scanner.h"

namespace coffer::twin {
namespace {

class TwinTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "twin-XXXXXX";
    root_ = ::mkdtemp(name.data());
  }
  void TearDown() override {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root_)) {
      if (entry.is_directory() && !entry.is_symlink()) ::chmod(entry.path().c_str(), 0755);
    }
    std::filesystem::remove_all(root_);
  }
  Result<Made> make_in(const std::string& name, const Json& card, const Options& options) {
    std::filesystem::create_directories(root_ + "/" + name);
    const UniqueFd fd{::open((root_ + "/" + name).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    return make(card, options, fd.get());
  }
  std::string read(const std::string& path) const {
    std::ostringstream out;
    out << std::ifstream(root_ + "/" + path, std::ios::binary).rdbuf();
    return out.str();
  }
  std::string root_;
};

Json card_of(const std::string& files) { return Json::object({{"files", *Json::parse(files)}}); }

const std::string kTable =
    R"({"path":"d/t.csv","format":"csv","rows":300,"columns":[
      {"name":"radius","kind":"numeric","type":"decimal","values":[],
       "min":"6.981","max":"28.11","blanks":false},
      {"name":"age, years","kind":"quasi_identifier","type":"integer",
       "values":[],"min":"18","max":"99","blanks":true},
      {"name":"note","kind":"free_text","type":"text","values":[],"min":"","max":"","blanks":false},
      {"name":"diagnosis","kind":"sensitive","type":"text",
       "values":["B","M"],"min":"","max":"","blanks":false}]})";

scan::File scan_of(const std::string& path, const std::string& content) {
  scan::Scanner scanner;
  scanner.begin(path);
  scanner.bytes(bytes_of(content));
  scanner.end();
  return std::move(scanner).take().files.at(0);
}

TEST_F(TwinTest, LooksToAScanAsTheCardSays) {
  const auto made = make_in("a", card_of("[" + kTable + "]"), {.seed = 3});
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(made->files, 1U);
  const std::string text = read("a/d/t.csv");
  EXPECT_EQ(made->bytes, text.size());
  EXPECT_TRUE(text.starts_with("radius,\"age, years\",note,diagnosis\n"));
  const scan::File file = scan_of("d/t.csv", text);
  EXPECT_EQ(file.reason, "");
  EXPECT_EQ(file.rows, 300U);
  ASSERT_EQ(file.columns.size(), 4U);
  EXPECT_EQ(file.columns[0].type, scan::Type::Decimal);
  EXPECT_EQ(file.columns[0].min, "6.981");
  EXPECT_EQ(file.columns[0].max, "28.11");
  EXPECT_EQ(file.columns[0].blanks, scan::Blanks::Required);
  EXPECT_EQ(file.columns[1].type, scan::Type::Integer);
  EXPECT_EQ(file.columns[1].min, "18");
  EXPECT_EQ(file.columns[1].max, "99");
  EXPECT_EQ(file.columns[1].blanks, scan::Blanks::Allowed);
  EXPECT_EQ(file.columns[2].kind, scan::Kind::FreeText);
  EXPECT_EQ(file.columns[3].values, (std::vector<std::string>{"B", "M"}));
}

TEST_F(TwinTest, IsTheSameForTheSameSeedAndHasAnyRows) {
  const Json card = card_of("[" + kTable + "]");
  ASSERT_TRUE(make_in("a", card, {.rows = 50, .seed = 3}));
  ASSERT_TRUE(make_in("b", card, {.rows = 50, .seed = 3}));
  ASSERT_TRUE(make_in("c", card, {.rows = 50, .seed = 4}));
  EXPECT_EQ(read("a/d/t.csv"), read("b/d/t.csv"));
  EXPECT_NE(read("a/d/t.csv"), read("c/d/t.csv"));
  EXPECT_EQ(scan_of("t.csv", read("a/d/t.csv")).rows, 50U);
  ASSERT_TRUE(make_in("e", card, {.rows = 0}));
  EXPECT_EQ(read("e/d/t.csv"), "radius,\"age, years\",note,diagnosis\n");
}

TEST_F(TwinTest, OtherFormatsAreSmallOrEmptyWithANote) {
  const auto plain = [](const std::string& path, const std::string& format) {
    return R"({"path":")" + path + R"(","format":")" + format + R"(","rows":0,"columns":[]})";
  };
  const auto made =
      make_in("a",
              card_of("[" + plain("p.png", "png") + "," + plain("s.dcm", "dicom") + "," +
                      plain("j.json", "json") + "," + plain("e.csv", "csv") + "]"),
              {});
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(made->files, 4U);
  EXPECT_EQ(made->notes,
            (std::vector<std::string>{"e.csv: none of its columns is published, the file is empty",
                                      "s.dcm: dicom is not synthesised, the file is empty"}));
  EXPECT_EQ(read("a/s.dcm"), "");
  EXPECT_EQ(scan_of("p", read("a/p.png")).format, "png");
  EXPECT_EQ(read("a/j.json"), "{}\n");
}

TEST_F(TwinTest, ASingleColumnWithBlanksHasNoBlankLines) {
  const auto made = make_in("a", card_of(R"([{"path":"t.csv","format":"csv","rows":100,"columns":[
      {"name":"x","kind":"numeric","type":"integer",
       "values":[],"min":"0","max":"1","blanks":true}]}])"),
                            {});
  ASSERT_TRUE(made);
  const scan::File file = scan_of("t.csv", read("a/t.csv"));
  EXPECT_EQ(file.rows, 100U);
  EXPECT_EQ(file.reason, "");
}

TEST_F(TwinTest, HostileCardsWriteNothing) {
  const auto path = [](const std::string& text) {
    return card_of(R"([{"path":"a.csv","format":"json","rows":0,"columns":[]},
                       {"path":")" +
                   text + R"(","format":"json","rows":0,"columns":[]}])");
  };
  for (const char* bad : {"../x", "/etc/x", "a.csv", "a.csv/x", "x/./y", ""}) {
    EXPECT_FALSE(make_in("out", path(bad), {})) << bad;
    EXPECT_TRUE(std::filesystem::is_empty(root_ + "/out")) << bad;
  }
  EXPECT_FALSE(make_in("out", Json::object({}), {}));
  EXPECT_TRUE(make_in("out", path("x/y"), {}));
}

}  // namespace
}  // namespace coffer::twin
