#include <fcntl.h>
#include <fmt/format.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/json.h"
#include "base/log.h"
#include "cell/cell.h"
#include "cell/detail/child.h"
#include "cell/detail/filter.h"
#include "cell/detail/mounts.h"
#include "cell/detail/outside.h"
#include "cell/detail/watch.h"
#include "os/channel.h"
#include "os/confine.h"
#include "os/files.h"

namespace coffer::cell {

using namespace detail;  // NOLINT(google-build-using-namespace): the inside of this part

namespace {

constexpr Duration kProofPatience = std::chrono::seconds{20};
constexpr std::array kProfiles{Profile::Program, Profile::Parser, Profile::Builder};

const char* name_of(Profile profile) {
  switch (profile) {
    case Profile::Program:
      return "program";
    case Profile::Parser:
      return "parser";
    case Profile::Builder:
      return "builder";
  }
  std::abort();
}

struct Pipe {
  UniqueFd read{};
  UniqueFd write{};
};
Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return system_error("make a pipe", errno);
  return Pipe{UniqueFd{ends[0]}, UniqueFd{ends[1]}};
}

Result<> write_once(const std::string& file, const std::string& value) {
  const UniqueFd fd{::open(file.c_str(), O_WRONLY | O_CLOEXEC)};
  if (!fd || ::write(fd.get(), value.data(), value.size()) != static_cast<ssize_t>(value.size())) {
    return Error{Code::FailedPrecondition,
                 "cell_unproven: user namespaces (no map of the cell's user)",
                 system_error("write " + file, errno).detail};
  }
  return {};
}

Result<> check_spec(const Spec& spec) {
  const Resources& need = spec.resources;
  if (spec.argv.empty() && spec.kit == Kit::None) {
    return Error{Code::InvalidArgument, "a cell needs a program"};
  }
  if (need.cpus == 0 || need.pids < 4 || need.memory_bytes < (std::uint64_t{4} << 20)) {
    return Error{Code::InvalidArgument, "a cell needs a processor, 4 processes and 4MiB"};
  }
  if (spec.inside == Inside::Root && spec.profile != Profile::Builder) {
    return Error{Code::InvalidArgument, "only a builder may be uid 0 inside"};
  }
  return {};
}

Config config_for(const Spec& spec, const Assembly& assembly) {
  Config config{.profile = static_cast<std::uint8_t>(spec.profile),
                .kit = static_cast<std::uint8_t>(spec.kit),
                .keep_output = spec.output == Output::Keep,
                .has_out = spec.out_bytes.has_value(),
                .directory = spec.directory,
                .argv = spec.argv,
                .read_only = assembly.read_only};
  for (const auto& [name, value] : spec.env) config.env.push_back(name + "=" + value);
  return config;
}

// The descriptors between a cell and its launcher. Each side closes the other's ends.
struct Lines {
  UniqueFd ours;
  UniqueFd theirs;
  UniqueFd config;
  UniqueFd input;
  Pipe output;
  Pipe error;

  static Result<Lines> open(const Spec& spec, const Assembly& assembly) {
    COFFER_TRY(ChannelPair line, make_channel_pair());
    COFFER_TRY(UniqueFd config, sealed_memory_file("config", config_for(spec, assembly).encode()));
    COFFER_TRY(UniqueFd input, sealed_memory_file("input", spec.input));
    Lines lines{
        std::move(line.first), std::move(line.second), std::move(config), std::move(input), {}, {}};
    if (spec.output == Output::Keep) {
      COFFER_TRY(lines.output, make_pipe());
      COFFER_TRY(lines.error, make_pipe());
    }
    return lines;
  }
  void close_theirs() {
    theirs.reset();
    config.reset();
    input.reset();
    output.write.reset();
    error.write.reset();
  }
};

// The cell's first process. Killed and reaped when this goes.
class Living {
 public:
  Living(pid_t pid, UniqueFd pidfd) : pid_(pid), pidfd_(std::move(pidfd)) {}
  Living(const Living&) = delete;
  Living& operator=(const Living&) = delete;
  ~Living() {
    if (pid_ < 0) return;
    (void)::kill(pid_, SIGKILL);
    reap();
  }
  pid_t pid() const { return pid_; }
  int pidfd() const { return pidfd_.get(); }
  void reap() {
    while (::waitpid(pid_, nullptr, __WALL) < 0 && errno == EINTR) {
    }
    pid_ = -1;
  }

 private:
  pid_t pid_;
  UniqueFd pidfd_;
};

// As the kernel takes it from 5.7 on; glibc's header may lack the last field.
struct CloneArguments {
  std::uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid,
      set_tid_size, cgroup;
};

std::uint64_t namespace_flags(Profile profile) {
  constexpr std::uint64_t kIntoNewTime = 0x00000080;
  const std::uint64_t all =
      CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | kIntoNewTime;
  return profile == Profile::Builder ? all : all | CLONE_NEWNET;
}

// Goes back to where it was: the first process starts in the cell's directory.
class WorkingDirectory {
 public:
  static Result<WorkingDirectory> change(const std::filesystem::path& to) {
    UniqueFd before{::open(".", O_PATH | O_DIRECTORY | O_CLOEXEC)};
    if (::chdir(to.c_str()) != 0) return system_error("enter a directory", errno);
    return WorkingDirectory{std::move(before)};
  }
  WorkingDirectory(WorkingDirectory&&) noexcept = default;
  WorkingDirectory& operator=(WorkingDirectory&&) = delete;
  ~WorkingDirectory() {
    // Whoever needs a place names it in full: being elsewhere harms nothing.
    if (before_ && ::fchdir(before_.get()) != 0) log_line("cell", "cannot go back to a directory");
  }

 private:
  explicit WorkingDirectory(UniqueFd before) : before_(std::move(before)) {}
  UniqueFd before_;
};

std::uint64_t whole_memory(const Resources& resources) {
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return resources.memory_bytes / page * page;
}

}  // namespace

struct Launcher::State {
  Cgroups cgroups;
  UniqueFd kit;
  Digest kit_digest;
  int landlock_abi{};
  std::array<std::vector<sock_filter>, kProfiles.size()> filters;
  std::array<Digest, kProfiles.size()> filter_digests;

  const std::vector<sock_filter>& filter(Profile profile) const {
    return filters[static_cast<std::size_t>(profile)];
  }
  Proof proof(const Spec& spec, const SelfTest& test) const;
};

namespace {

// One cell from its clone to its end.
class Run {
 public:
  Run(const Spec& spec, Stage& stage, Assembly assembly, Group group, Lines lines)
      : spec_(spec),
        stage_(stage),
        assembly_(std::move(assembly)),
        group_(std::move(group)),
        lines_(std::move(lines)) {}

  Result<> start(const std::vector<sock_filter>& filter, int kit, int landlock_abi) {
    ChildPlan plan{.assembly = &assembly_,
                   .filter = &filter,
                   .profile = spec_.profile,
                   .inside_id = spec_.inside == Inside::Root ? 0 : kInsideId,
                   .landlock_abi = landlock_abi,
                   .line = lines_.theirs.get(),
                   .config = lines_.config.get(),
                   .kit = kit,
                   .standard_input = lines_.input.get(),
                   .standard_output = lines_.input.get(),
                   .standard_error = lines_.input.get()};
    if (spec_.output == Output::Keep) {
      plan.standard_output = lines_.output.write.get();
      plan.standard_error = lines_.error.write.get();
    }
    COFFER_TRY(const WorkingDirectory there, WorkingDirectory::change(assembly_.directory));
    CloneArguments arguments{};
    int pidfd = -1;
    arguments.flags = namespace_flags(spec_.profile) | CLONE_PIDFD;
    arguments.pidfd = reinterpret_cast<std::uint64_t>(&pidfd);
    arguments.exit_signal = SIGCHLD;
    if (group_.clone_fd() >= 0) {
      constexpr std::uint64_t kIntoGroup = 0x200000000;
      arguments.flags |= kIntoGroup;
      arguments.cgroup = static_cast<std::uint64_t>(group_.clone_fd());
    }
    const long pid = ::syscall(SYS_clone3, &arguments, sizeof arguments);
    if (pid == 0) {
      (void)::close(lines_.ours.release());
      enter_cell(plan);
    }
    if (pid < 0) {
      return Error{Code::FailedPrecondition,
                   "cell_unproven: namespaces; `coffer doctor` says what "
                   "this machine lacks",
                   system_error("clone", errno).detail};
    }
    living_.emplace(static_cast<pid_t>(pid), UniqueFd{pidfd});
    lines_.close_theirs();
    return let_in(static_cast<pid_t>(pid), plan.inside_id);
  }

  Result<SelfTest> prove() {
    COFFER_TRY(const ByteVector record,
               read_record(lines_.ours.get(), SystemClock{}.now() + kProofPatience));
    if (static_cast<char>(record[0]) == StepFailure::kType) {
      WireReader in{record};
      (void)in.u8();
      const auto step = static_cast<Step>(in.u8());
      return unproven(StepFailure{step, in.u32()});
    }
    COFFER_TRY(SelfTest test, SelfTest::decode(record));
    for (std::size_t i = 0; i < kInsideWalls; ++i) {
      if (test.findings[i] == Finding::Open) return unproven(static_cast<Wall>(i));
    }
    COFFER_CHECK(check_from_outside({.pid = living_->pid(),
                                     .profile = spec_.profile,
                                     .seen_uid = stage_.as_root() ? spec_.ids.uid : 0,
                                     .seen_gid = stage_.as_root() ? spec_.ids.gid : 0,
                                     .limits = limits()},
                                    group_));
    return test;
  }

  Result<Ended> finish() {
    const Instant started = SystemClock{}.now();
    if (::write(lines_.ours.get(), &kGo, 1) != 1) {
      return Error{Code::Unavailable, "the cell ended before it was started"};
    }
    COFFER_TRY(Seen seen, watch({.line = lines_.ours.get(),
                                 .pidfd = living_->pidfd(),
                                 .cancel = spec_.cancel_fd,
                                 .memory_event = group_.memory_event_fd(),
                                 .standard_output = lines_.output.read.get(),
                                 .standard_error = lines_.error.read.get(),
                                 .output_max = spec_.output_max,
                                 .deadline = started + spec_.resources.time}));
    living_->reap();
    Ended ended;
    ended.wall = SystemClock{}.now() - started;
    COFFER_TRY(const std::uint64_t memory_kills, group_.memory_kills());
    COFFER_TRY(ended.cpu_us, group_.cpu_microseconds());
    classify(ended, seen, memory_kills > 0);
    ended.standard_output = std::move(seen.standard_output);
    ended.standard_error = std::move(seen.standard_error);
    take_out(ended);
    COFFER_CHECK(group_.remove(std::chrono::seconds{10}));
    take_down(assembly_);
    return ended;
  }

  GroupLimits limits() const {
    return {whole_memory(spec_.resources), spec_.resources.pids, spec_.resources.cpus};
  }
  // After an error: nothing of the cell stays.
  void abandon() {
    living_.reset();
    take_down(assembly_);
  }

 private:
  Result<> let_in(pid_t pid, std::uint32_t inside) {
    const bool root = stage_.as_root();
    const std::string directory = fmt::format("/proc/{}/", pid);
    COFFER_CHECK(write_once(directory + "setgroups", "deny"));
    COFFER_CHECK(write_once(directory + "uid_map",
                            fmt::format("{} {} 1", inside, root ? spec_.ids.uid : 0)));
    COFFER_CHECK(write_once(directory + "gid_map",
                            fmt::format("{} {} 1", inside, root ? spec_.ids.gid : 0)));
    COFFER_CHECK(group_.attach(pid));
    // If the machine runs out of memory, cells go first.
    (void)write_once(directory + "oom_score_adj", "500");
    if (::write(lines_.ours.get(), &kMapped, 1) != 1) {
      return Error{Code::Unavailable, "the cell ended before it was let in"};
    }
    return {};
  }

  static void classify(Ended& ended, Seen& seen, bool memory) {
    if (seen.timed_out) {
      ended.ending = Ending::Time;
    } else if (seen.cancelled) {
      ended.ending = Ending::Killed;
    } else if (memory || seen.memory_event) {
      ended.ending = Ending::Memory;
    } else if (seen.end) {
      constexpr int kNotStarted = 127;
      ended.ending = Ending::Finished;
      ended.exit_code = seen.end->exec_error != 0 ? kNotStarted
                        : seen.end->signal != 0   ? 128 + seen.end->signal
                                                  : seen.end->exit_code;
      if (!seen.end->class_name.empty()) {
        ended.failure =
            Failure{std::move(seen.end->class_name), std::move(seen.end->file), seen.end->line};
      }
    }
  }

  void take_out(Ended& ended) {
    if (!assembly_.out) return;
    struct statvfs room {};
    ended.out_full =
        ::fstatvfs(assembly_.out.get(), &room) == 0 && (room.f_bfree == 0 || room.f_ffree == 0);
    ended.out = std::move(assembly_.out);
    ended.out_path = assembly_.out_path;
  }

  const Spec& spec_;
  Stage& stage_;
  Assembly assembly_;
  Group group_;
  Lines lines_;
  std::optional<Living> living_;
};

}  // namespace

Proof Launcher::State::proof(const Spec& spec, const SelfTest& test) const {
  Json::Array held;
  for (std::size_t i = 0; i < kWallNames.size(); ++i) {
    if (i >= kInsideWalls || test.findings[i] == Finding::Held) {
      held.emplace_back(kWallNames[i]);
    }
  }
  const Json record =
      Json::object({{"v", 1},
                    {"profile", name_of(spec.profile)},
                    {"walls", std::move(held)},
                    {"limits", Json::object({{"memory_bytes", whole_memory(spec.resources)},
                                             {"pids", spec.resources.pids},
                                             {"cpus", spec.resources.cpus}})},
                    {"cgroup", cgroups.base(Controller::Memory).version},
                    {"landlock", landlock_abi},
                    {"filter", filter_digests[static_cast<std::size_t>(spec.profile)].text()},
                    {"kit", kit_digest.text()}});
  std::string text = record.canonical();
  const Digest digest = sha256(text);
  return {std::move(text), digest};
}

Launcher::Launcher(std::unique_ptr<State> state) : state_(std::move(state)) {}
Launcher::Launcher(Launcher&&) noexcept = default;
Launcher& Launcher::operator=(Launcher&&) noexcept = default;
Launcher::~Launcher() = default;

Result<Launcher> Launcher::create(Cgroups cgroups) {
  if (auto usable = cgroups.usable(); !usable) {
    return std::move(usable).error().in("cell_unproven: limits");
  }
  (void)cgroups.sweep();  // of launchers that were killed
  auto state = std::make_unique<State>();
  state->cgroups = std::move(cgroups);
  state->landlock_abi = coffer::landlock_abi();
  if (state->landlock_abi < 1) return unproven(StepFailure{Step::Landlock, ENOSYS});
  COFFER_TRY(state->kit, sealed_memory_file("init", kit_bytes()));
  state->kit_digest = sha256(kit_bytes());
  for (const Profile profile : kProfiles) {
    const auto at = static_cast<std::size_t>(profile);
    COFFER_TRY(state->filters[at], compile_filter(profile));
    state->filter_digests[at] = sha256(std::as_bytes(std::span{state->filters[at]}));
  }
  return Launcher{std::move(state)};
}

Result<Ended> Launcher::run(Stage& stage, const Spec& spec, const BeforeStart& before_start) const {
  COFFER_CHECK(check_spec(spec));
  COFFER_TRY(Assembly assembly, assemble(stage, spec));
  const std::string name = assembly.directory.filename();
  COFFER_TRY(Group group, state_->cgroups.create(name, {whole_memory(spec.resources),
                                                        spec.resources.pids, spec.resources.cpus}));
  COFFER_TRY(Lines lines, Lines::open(spec, assembly));
  Run run{spec, stage, std::move(assembly), std::move(group), std::move(lines)};
  const auto go = [&]() -> Result<Ended> {
    COFFER_CHECK(run.start(state_->filter(spec.profile), state_->kit.get(), state_->landlock_abi));
    COFFER_TRY(const SelfTest test, run.prove());
    const Proof proof = state_->proof(spec, test);
    if (before_start) COFFER_CHECK(before_start(proof));
    COFFER_TRY(Ended ended, run.finish());
    ended.proof = proof;
    return ended;
  };
  auto ended = go();
  if (!ended) run.abandon();
  return ended;
}

Result<Launcher::Answer> Launcher::ask(Stage& stage, Question question) const {
  Spec spec;
  spec.kit = question.kit;
  spec.argv = std::move(question.args);
  spec.binds = std::move(question.binds);
  spec.input = std::move(question.input);
  spec.out_bytes = question.out_bytes;
  spec.output = Output::Keep;
  spec.output_max = question.answer_max + 1;
  spec.resources = question.resources;
  spec.profile = Profile::Parser;
  spec.ids = question.ids;
  spec.cancel_fd = question.cancel_fd;
  COFFER_TRY(Ended ended, run(stage, spec));
  if (ended.ending != Ending::Finished || ended.exit_code != 0 ||
      ended.standard_output.size() > question.answer_max) {
    // A parser that refuses says so with 1; whatever else happens is no statement about its input.
    const bool refused = ended.ending == Ending::Finished && ended.exit_code == 1;
    return Error{
        refused ? Code::InvalidArgument : Code::Unavailable,
        refused ? "a parser in its cell refused its input" : "a parser's cell gave no answer",
        fmt::format("ending {} exit {} said {}", static_cast<int>(ended.ending), ended.exit_code,
                    printable(ended.standard_error, 500))};
  }
  return Answer{std::move(ended.standard_output), std::move(ended.out)};
}

}  // namespace coffer::cell
