#include "gate/reply.h"

#include <fcntl.h>

#include <random>

#include "gate/testing.h"

namespace coffer::gate {
namespace {

const std::vector<program::Output>& three() {
  static const std::vector<program::Output> kOutputs{
      metrics_of("a = { min = 0, max = 5, digits = 0 }"),
      table_of("rows_max = 3\ncolumns = [{ name = \"v\", min = 0, max = 5, digits = 0 }]"),
      tensors_of(R"(w = { shape = [2], dtype = "bf16" })")};
  return kOutputs;
}

// What the worker makes of these bytes from the judge.
std::vector<Finding> read_bytes(const ByteVector& bytes) {
  std::array<int, 2> ends{};
  EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const UniqueFd in{ends[0]};
  UniqueFd out{ends[1]};
  EXPECT_EQ(::write(out.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  out.reset();
  auto findings = read_reply(in.get(), three());
  EXPECT_TRUE(findings);
  return *std::move(findings);
}

// What the judge writes for these findings.
ByteVector bytes_of_findings(const std::vector<Finding>& findings) {
  std::array<int, 2> ends{};
  EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const UniqueFd in{ends[0]};
  UniqueFd out{ends[1]};
  for (const Finding& finding : findings) EXPECT_TRUE(write_finding(out.get(), finding));
  out.reset();
  ByteVector bytes(4096);
  bytes.resize(static_cast<std::size_t>(::read(in.get(), bytes.data(), bytes.size())));
  return bytes;
}

std::vector<Finding> good_findings() {
  const auto& outputs = three();
  return {judge_text(outputs[0], "{\"a\":5}"), judge_text(outputs[1], "v\n4\n2\n"),
          judge_text(outputs[2], one_tensor("F32", "[2]", raw<float>({1, -2})))};
}

TEST(Reply, ReadsWhatTheJudgeWrote) {
  const auto findings = good_findings();
  const ByteVector bytes = bytes_of_findings(findings);
  EXPECT_LE(bytes.size(), reply_bytes_max(three()));
  EXPECT_EQ(read_bytes(bytes), findings);
  using program::Refusal;
  const std::vector<Finding> refused{{.refusal = Refusal::Undeclared},
                                     {.refusal = Refusal::Malformed},
                                     {.refusal = Refusal::OutOfRange}};
  EXPECT_EQ(read_bytes(bytes_of_findings(refused)), refused);
}

TEST(Reply, NeverGivesAnObjectThatIsNone) {
  // Every truncation, every byte changed at random, and pure noise: always three findings, and an
  // object in one of them is valid.
  const ByteVector good = bytes_of_findings(good_findings());
  std::mt19937_64 random{4};
  std::size_t objects = 0;
  const auto check = [&](const ByteVector& bytes) {
    const auto findings = read_bytes(bytes);
    const auto& outputs = three();
    ASSERT_EQ(findings.size(), 3U);
    for (std::size_t i = 0; i < 3; ++i) {
      ASSERT_NE(findings[i].refusal.has_value(), !findings[i].object.bytes.empty());
      if (findings[i].refusal) continue;
      ++objects;
      ASSERT_TRUE(check_object(outputs[i], findings[i].object));
    }
  };
  for (std::size_t length = 0; length < good.size(); ++length) {
    check(ByteVector(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(length)));
  }
  for (int step = 0; step < 2000; ++step) {
    ByteVector bytes = good;
    for (std::uint64_t i = random() % 3 + 1; i > 0; --i) {
      bytes[random() % bytes.size()] = static_cast<std::byte>(random());
    }
    if (step % 4 == 0) {
      for (auto& byte : bytes) byte = static_cast<std::byte>(random() % 5);
    }
    check(bytes);
  }
  EXPECT_GT(objects, 100U);
}

TEST(Reply, IsNoneAtAllWithBytesLeftOver) {
  ByteVector bytes = bytes_of_findings(good_findings());
  bytes.push_back(std::byte{0});
  for (const Finding& finding : read_bytes(bytes)) EXPECT_EQ(outcome(finding), "malformed");
}

TEST(Reply, BelievesNothingOfAJudgeThatWasCutOff) {
  ByteVector bytes = bytes_of_findings(good_findings());
  bytes.resize(bytes.size() - 1);
  for (const Finding& finding : read_bytes(bytes)) EXPECT_EQ(outcome(finding), "malformed");
}

}  // namespace
}  // namespace coffer::gate
