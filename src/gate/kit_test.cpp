#include "gate/kit.h"

#include <sys/wait.h>

#include "gate/canonical.h"
#include "gate/evidence.h"
#include "gate/reply.h"
#include "gate/testing.h"

namespace coffer::gate {
namespace {

struct Answer {
  int status{-1};
  std::string text;
};

// Runs an entry point in a process of its own, as the cell does.
Answer run_mode(int (*mode)(int, char**), std::vector<std::string> arguments,
                const std::string& request) {
  std::array<int, 2> in{};
  std::array<int, 2> out{};
  EXPECT_EQ(::pipe(in.data()), 0);
  EXPECT_EQ(::pipe(out.data()), 0);
  // Before there is a process that may end without reading it.
  EXPECT_EQ(::write(in[1], request.data(), request.size()), static_cast<ssize_t>(request.size()));
  const pid_t child = ::fork();
  if (child == 0) {
    std::vector<char*> argv;
    for (auto& argument : arguments) argv.push_back(argument.data());
    (void)::dup2(in[0], 0);
    (void)::dup2(out[1], 1);
    for (const int fd : {in[0], in[1], out[0], out[1]}) (void)::close(fd);
    ::_exit(mode(static_cast<int>(argv.size()), argv.data()));
  }
  (void)::close(in[0]);
  (void)::close(out[1]);
  (void)::close(in[1]);
  Answer answer;
  std::string buffer(4096, '\0');
  for (ssize_t got = 0; (got = ::read(out[0], buffer.data(), buffer.size())) > 0;) {
    answer.text.append(buffer, 0, static_cast<std::size_t>(got));
  }
  (void)::close(out[0]);
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  answer.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return answer;
}

const std::vector<program::Output>& outputs() {
  static const std::vector<program::Output> kTwo =
      outputs_of(output_toml("metrics", "metrics",
                             "[outputs.fields]\na = { min = 0, max = 255, digits = 0 }") +
                 output_toml("w", "tensors",
                             "[outputs.tensors]\nw = { shape = [40], dtype = \"i8\", scale = 1 }"));
  return kTwo;
}

TEST(Kit, JudgesThePathItIsGiven) {
  const TempDirectory out;
  out.write("metrics.json", "{\"a\":165}");
  const std::string request = program::declaration_json(outputs()).canonical();
  const Answer answer = run_mode(judge_main, {"judge", out.path()}, request);
  EXPECT_EQ(answer.status, 0);
  EXPECT_EQ(hex(bytes_of(answer.text)),
            "000000000000000008a5"
            "02");  // 8 bits; malformed
  EXPECT_EQ(run_mode(judge_main, {"judge", out.path() + "/none"}, request).status, 1);
  EXPECT_EQ(run_mode(judge_main, {"judge", out.path()}, "{}").status, 1);
}

TEST(Kit, ExaminesCanonicalFilesOnly) {
  const std::string line = "8412345,M,II,47,17.99,10.38,122.8,1001,0.1184";
  const TempDirectory inputs;
  inputs.write("clinic/data.csv", "id,d,s,age,a,b,c,e,f\n" + line + "\n");
  const TempDirectory canonical;
  const std::string bytes = line.substr(0, 40);
  const Finding finding = judge_text(outputs()[1], one_tensor("I8", "[40]", bytes));
  canonical.write("w.safetensors", *Canonical::decode(outputs()[1], finding.object)->text());
  const Json request = Json::object({{"outputs", program::declaration_json(outputs())},
                                     {"inputs", Json::object({{"clinic", nullptr}})}});
  const Answer answer =
      run_mode(evidence_main, {"evidence", inputs.path(), canonical.path()}, request.canonical());
  EXPECT_EQ(answer.status, 0);
  ASSERT_EQ(answer.text.size(), 2 * kEvidenceBytes);
  const ByteView records = bytes_of(answer.text);
  EXPECT_EQ(*parse_evidence(records.first(kEvidenceBytes)), Evidence{});
  const auto second = parse_evidence(records.subspan(kEvidenceBytes));
  EXPECT_TRUE(second->copies_bytes);
  EXPECT_EQ(second->longest_match, 40U);
}

}  // namespace
}  // namespace coffer::gate
