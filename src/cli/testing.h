// What the tests of cli share: a home directory of their own, pipes for stdout and stderr.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "cli/cli.h"
#include "os/files.h"

namespace coffer::cli::testing {

// A temporary HOME, gone with it.
class Home {
 public:
  Home() : directory_(*TemporaryDirectory::make()) {}
  const std::filesystem::path& path() const { return directory_.path(); }
  Surroundings surroundings() const {
    Surroundings result;
    result.variables = {{"HOME", path().string()}};
    return result;
  }

 private:
  TemporaryDirectory directory_;
};

// What a command line did.
struct Ran {
  int status{-1};
  std::string out;
  std::string err;
};

inline std::string content_of(int fd) {
  std::string text;
  char buffer[4096];
  off_t at = 0;
  for (ssize_t got; (got = ::pread(fd, buffer, sizeof buffer, at)) > 0; at += got) {
    text.append(buffer, static_cast<std::size_t>(got));
  }
  return text;
}

// Runs `coffer WORDS`; `input` is on its standard input.
inline Ran run_line(const Home& home, std::vector<std::string> words, const std::string& input = {},
                    const Extensions& extensions = {}) {
  Surroundings surroundings = home.surroundings();
  const auto file = [&](const char* name) {
    std::string path = (home.path() / (std::string(name) + ".XXXXXX")).string();
    return UniqueFd{::mkstemp(path.data())};
  };
  const UniqueFd in = file("in"), out = file("out"), err = file("err");
  EXPECT_TRUE(write_all(in.get(), bytes_of(input)).has_value());
  EXPECT_EQ(::lseek(in.get(), 0, SEEK_SET), 0);
  surroundings.in = in.get();
  surroundings.out = out.get();
  surroundings.err = err.get();
  words.insert(words.begin(), "coffer");
  std::vector<const char*> argv;
  for (const auto& word : words) argv.push_back(word.c_str());
  Ran ran;
  ran.status = run(static_cast<int>(argv.size()), argv.data(), surroundings, extensions);
  ran.out = content_of(out.get());
  ran.err = content_of(err.get());
  return ran;
}

}  // namespace coffer::cli::testing
