// Runs cells for the tests: as root with a user of their own, and rootless as another user.
//
// Everything a test makes is below one temporary directory; control groups made for the rootless
// user are taken away again. Thread-safety: one test at a time.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cell/cell.h"
#include "os/files.h"

namespace coffer::cell::test {

enum class Mode : std::uint8_t { AsRoot, Rootless };
inline std::string name_of_mode(const ::testing::TestParamInfo<Mode>& info) {
  return info.param == Mode::AsRoot ? "AsRoot" : "Rootless";
}

// What came back from a cell, or why there was none.
struct Outcome {
  std::string error{};  // message, empty when it ran
  Ending ending{Ending::Killed};
  int exit_code{0};
  std::string output{};   // stdout
  std::string errors{};   // stderr
  std::string failure{};  // "Class file:line"
  bool out_full{false};
  std::string proof{};
  std::vector<std::string> out{};  // paths in /out
  Duration wall{};
};

class Cells : public ::testing::TestWithParam<Mode> {
 protected:
  void SetUp() override;
  static void TearDownTestSuite();

  // A spec that runs the hostile program with these words, output kept, one minute, 64 MiB.
  Spec attack(std::vector<std::string> words) const;
  Outcome run(const Spec& spec);
  // `body` in the supervisor, with everything it needs.
  Result<ByteVector> supervise(
      const std::function<Result<ByteVector>(Stage&, const Launcher&)>& body);
  // The hostile program outside of any cell, as this test's own user, with mounts of its own.
  // Its stdout.
  std::string outside(const std::vector<std::string>& words) const;

  std::optional<TemporaryDirectory> scratch_;
  std::filesystem::path program_;  // directory with the program `attacks`
  std::filesystem::path stage_;    // to mount the stage on
};

// "NAME verdict" lines as a map.
std::map<std::string, std::string> verdicts(const std::string& output);

}  // namespace coffer::cell::test
