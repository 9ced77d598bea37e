#include "cell/cell_fixture.h"

#include <grp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/wire.h"
#include "os/channel.h"
#include "os/process.h"

namespace coffer::cell::test {
namespace {

constexpr uid_t kRootlessUser = 65534;
const std::string kRootlessGroups = "coffer-65534";

ByteVector encode(const Outcome& outcome) {
  WireWriter out;
  out.text(outcome.error).u8(static_cast<std::uint8_t>(outcome.ending));
  out.u32(static_cast<std::uint32_t>(outcome.exit_code)).text(outcome.output).text(outcome.errors);
  out.text(outcome.failure).boolean(outcome.out_full).text(outcome.proof);
  out.text(join(outcome.out, "\n")).i64(outcome.wall.count());
  return std::move(out).take();
}

Outcome decode(ByteView bytes) {
  WireReader in{bytes};
  Outcome outcome;
  outcome.error = in.text();
  outcome.ending = static_cast<Ending>(in.u8());
  outcome.exit_code = static_cast<int>(in.u32());
  outcome.output = in.text();
  outcome.errors = in.text();
  outcome.failure = in.text();
  outcome.out_full = in.boolean();
  outcome.proof = in.text();
  const std::string out = in.text();
  if (!out.empty()) outcome.out = split(out, '\n');
  outcome.wall = Duration{in.i64()};
  EXPECT_TRUE(in.finish());
  return outcome;
}

Outcome outcome_of(Result<Ended> result) {
  if (!result) return {.error = result.error().message + " [" + result.error().detail + "]"};
  Outcome outcome{.ending = result->ending,
                  .exit_code = result->exit_code,
                  .output = result->standard_output,
                  .errors = result->standard_error,
                  .out_full = result->out_full,
                  .proof = result->proof.record,
                  .wall = result->wall};
  if (result->failure) {
    outcome.failure = result->failure->class_name + " " + result->failure->file + ":" +
                      std::to_string(result->failure->line);
  }
  if (result->out) {
    const auto entries = walk(result->out.get());
    for (const auto& entry : entries.value()) outcome.out.push_back(entry.path);
  }
  return outcome;
}

void become_rootless() {
  if (::geteuid() != 0) return;
  if (!enter_delegated_groups(kRootlessGroups, kRootlessUser, kRootlessUser) ||
      ::setgroups(0, nullptr) != 0 ||
      ::setresgid(kRootlessUser, kRootlessUser, kRootlessUser) != 0 ||
      ::setresuid(kRootlessUser, kRootlessUser, kRootlessUser) != 0 ||
      ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) {  // forgotten with the user
    ::_exit(120);
  }
}

}  // namespace

std::map<std::string, std::string> verdicts(const std::string& output) {
  std::map<std::string, std::string> found;
  for (const auto& line : split(output, '\n')) {
    const auto space = line.find(' ');
    if (space != std::string::npos) found[line.substr(0, space)] = line.substr(space + 1);
  }
  return found;
}

void Cells::SetUp() {
  if (GetParam() == Mode::AsRoot && ::geteuid() != 0) GTEST_SKIP() << "needs root";
  if (GetParam() == Mode::Rootless && ::geteuid() == 0) {
    const auto delegated = delegate_groups(kRootlessGroups, kRootlessUser, kRootlessUser);
    if (!delegated) GTEST_SKIP() << delegated.error().message;
  }
  if (const auto usable = Cgroups::detect().usable(); !usable) {
    GTEST_SKIP() << usable.error().message;
  }
  scratch_.emplace(TemporaryDirectory::make().value());
  program_ = scratch_->path() / "program";
  stage_ = scratch_->path() / "stage";
  ASSERT_TRUE(make_directories(program_, 0755));
  ASSERT_TRUE(make_directories(stage_, 0755));
  std::filesystem::permissions(scratch_->path(), std::filesystem::perms{0755});
  std::filesystem::copy_file(COFFER_ATTACKS, program_ / "attacks");
}

void Cells::TearDownTestSuite() {
  for (const Controller controller : kControllers) {
    const auto base = Cgroups::detect().base(controller).base;
    const auto rootless = base.parent_path() / kRootlessGroups;
    for (const auto& directory : {rootless / "server", rootless}) (void)::rmdir(directory.c_str());
  }
}

Spec Cells::attack(std::vector<std::string> words) const {
  Spec spec;
  spec.argv = std::move(words);
  spec.argv.insert(spec.argv.begin(), "/program/attacks");
  spec.binds.push_back({.source = program_, .target = "/program"});
  spec.directory = "/program";
  spec.out_bytes = std::uint64_t{1} << 20;
  spec.output = Output::Keep;
  spec.resources = {.memory_bytes = std::uint64_t{64} << 20,
                    .cpus = 1,
                    .pids = 32,
                    .time = std::chrono::seconds{60},
                    .tmp_bytes = std::uint64_t{1} << 20,
                    .shm_bytes = std::uint64_t{1} << 20,
                    .entries_max = 100};
  return spec;
}

Result<ByteVector> Cells::supervise(
    const std::function<Result<ByteVector>(Stage&, const Launcher&)>& body) {
  COFFER_TRY(ChannelPair ends, make_channel_pair());
  COFFER_TRY(Process child, Process::fork([&] {
               ends.first.reset();
               if (GetParam() == Mode::Rootless) become_rootless();
               const auto work = [&]() -> Result<ByteVector> {
                 COFFER_TRY(const Launcher launcher, Launcher::create(Cgroups::detect()));
                 return supervised({.mount_point = stage_, .timeout = std::chrono::minutes{2}},
                                   [&](Stage& stage) { return body(stage, launcher); });
               };
               const auto answer = work();
               Channel line{std::move(ends.second)};
               const std::string error =
                   answer ? "" : answer.error().message + " [" + answer.error().detail + "]";
               WireWriter out;
               out.text(error).bytes(answer ? *answer : ByteVector{});
               return line.send(out.data(), std::chrono::seconds{10}) ? 0 : 1;
             }));
  ends.second.reset();
  Channel line{std::move(ends.first)};
  COFFER_TRY(const ByteVector record, line.receive(std::chrono::minutes{2}));
  WireReader in{record};
  const std::string error = in.text();
  const ByteView answer = in.bytes();
  if (!error.empty()) return Error{Code::Internal, error};
  return ByteVector(answer.begin(), answer.end());
}

Outcome Cells::run(const Spec& spec) {
  const auto answer = supervise([&](Stage& stage, const Launcher& launcher) -> Result<ByteVector> {
    return encode(outcome_of(launcher.run(stage, spec)));
  });
  if (!answer) return {.error = answer.error().message};
  return decode(*answer);
}

std::string Cells::outside(const std::vector<std::string>& words) const {
  auto ends = make_channel_pair().value();
  auto child = Process::fork([&] {
                 if (::unshare(CLONE_NEWNS) != 0 ||
                     ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
                     ::chdir(program_.c_str()) != 0 || ::dup2(ends.second.get(), 1) < 0) {
                   return 121;
                 }
                 std::vector<std::string> texts = words;
                 std::vector<char*> argv;
                 std::string name = "attacks";
                 argv.push_back(name.data());
                 for (auto& text : texts) argv.push_back(text.data());
                 argv.push_back(nullptr);
                 (void)::execv((program_ / "attacks").c_str(), argv.data());
                 return 122;
               }).value();
  ends.second.reset();
  const auto output = read_all(ends.first.get(), 1 << 20);
  EXPECT_TRUE(child.wait(std::chrono::seconds{30}));
  child.kill_tree();
  return output ? std::string(text_of(*output)) : "";
}

}  // namespace coffer::cell::test
