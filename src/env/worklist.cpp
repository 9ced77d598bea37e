#include "env/worklist.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/log.h"
#include "env/base.h"
#include "os/files.h"

namespace coffer::env {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kWaitingMax = 32;
constexpr std::size_t kLineMax = 400;
constexpr unsigned kPackagesEnd = 84;  // percent, where sealing begins
constexpr char kStep = 'P';
constexpr char kMade = 'M';
constexpr char kError = 'E';

// The build itself, in a process of its own; steps and outcome go through `news`.
int build_here(const Workshop& workshop, const Spec& spec, const fs::path& work, Channel& news) {
  const auto step = [&](Stage stage, unsigned percent) {
    WireWriter out;
    out.u8(kStep).u8(static_cast<std::uint8_t>(stage)).u8(static_cast<std::uint8_t>(percent));
    (void)news.send(out.data(), kForever);
  };
  const auto made = make_environment(workshop, spec, work, step);
  WireWriter out;
  if (made) {
    out.u8(kMade).raw(made->digest.bytes).u64(made->bytes).text(made->description);
  } else {
    out.u8(kError).u8(static_cast<std::uint8_t>(made.error().code)).text(made.error().message);
    log_error("builder", "failed", made.error());
  }
  return news.send(out.data(), kForever) ? 0 : 1;
}

}  // namespace

Result<> Worklist::clean() {
  COFFER_CHECK(make_directories(workshop_.environments, 0755));
  std::error_code ignored;
  std::vector<fs::path> old;
  for (const auto& entry : fs::directory_iterator(workshop_.environments, ignored)) {
    if (entry.path().filename().string().starts_with('.')) old.push_back(entry.path());
  }
  // What another server is making just now is no leftover.
  const auto alone = lock_cache(workshop_.cache, Wait::Now);
  for (const auto& entry : fs::directory_iterator(workshop_.cache / "base", ignored)) {
    if (!alone || !*alone) break;
    if (entry.path().filename().string().starts_with("half-")) old.push_back(entry.path());
  }
  for (const auto& path : old) COFFER_CHECK(remove_tree(path));
  return make_directories(workshop_.environments / ".incoming", 0700);
}

void Worklist::fail(const std::string& name, const Error& error) {
  tell_(Failed{name, error.code, error.message});
}

void Worklist::take(const Request& request) {
  std::visit(
      [this](const auto& message) {
        using Message = std::decay_t<decltype(message)>;
        if constexpr (std::is_same_v<Message, Build>) take_build(message);
        if constexpr (std::is_same_v<Message, Archive>) take_archive(message);
        if constexpr (std::is_same_v<Message, Cancel>) take_cancel(message);
        if constexpr (std::is_same_v<Message, Remove>) take_remove(message);
      },
      request);
}

void Worklist::take_build(const Build& build) {
  const bool known = (running_ && running_->build == build) ||
                     std::find(waiting_.begin(), waiting_.end(), build) != waiting_.end();
  if (known) return;
  if (waiting_.size() >= kWaitingMax) {
    return fail(build.name, {Code::Unavailable, "32 builds are waiting already; try again later"});
  }
  waiting_.push_back(build);
  if (running_)
    tell_(Progress{build.name, Stage::Waiting, 0, "waiting for " + running_->build.name});
}

void Worklist::take_archive(const Archive& part) {
  const fs::path path = archive_path(workshop_, part.archive);
  const int flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | (part.offset == 0 ? O_TRUNC : 0);
  const UniqueFd file{::open(path.c_str(), flags, 0600)};
  const off_t end = file ? ::lseek(file.get(), 0, SEEK_END) : -1;
  // A gap or a full disk shows when the build compares the digest.
  if (end < 0 || static_cast<std::uint64_t>(end) != part.offset) return;
  if (auto written = write_all(file.get(), part.bytes); !written) {
    log_error("builder", "archive", written.error());
    (void)::unlink(path.c_str());
  }
}

void Worklist::take_cancel(const Cancel& cancel) {
  const Error cancelled{Code::Cancelled, "the build was cancelled"};
  const auto gone = std::remove_if(waiting_.begin(), waiting_.end(),
                                   [&](const Build& build) { return build.name == cancel.name; });
  if (gone != waiting_.end()) {
    waiting_.erase(gone, waiting_.end());
    fail(cancel.name, cancelled);
  }
  if (!running_ || running_->build.name != cancel.name) return;
  running_->process.kill_tree();
  end();
  fail(cancel.name, cancelled);
}

void Worklist::take_remove(const Remove& remove) {
  const std::string name = hex(remove.digest.bytes);
  const fs::path aside = workshop_.environments / (".removed-" + name);
  const bool moved = ::rename((workshop_.environments / name).c_str(), aside.c_str()) == 0;
  if (!moved && errno != ENOENT) {
    return fail("", system_error("remove the environment", errno));
  }
  if (auto removed = remove_tree(aside); !removed) return fail("", removed.error());
  tell_(Removed{remove.digest});
}

Result<> Worklist::start(const Build& build) {
  COFFER_TRY(const Json json, Json::parse(build.spec));
  COFFER_TRY(Spec spec, Spec::parse(json));
  const fs::path work = workshop_.environments / (".build-" + std::to_string(++builds_));
  COFFER_CHECK(remove_tree(work));
  COFFER_CHECK(make_directories(work / "scratch", 0755));
  COFFER_CHECK(write_text(work / "scratch/log", "", 0644));
  // Opened before anything from outside runs: whatever is done to the name later, this is the log.
  UniqueFd log{::open((work / "scratch/log").c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
  if (!log) return system_error("open the log of the build", errno);
  COFFER_TRY(ChannelPair ends, make_channel_pair());
  COFFER_TRY(Process process, Process::fork([&] {
               ends.first.reset();
               Channel news{std::move(ends.second)};
               return build_here(workshop_, spec, work, news);
             }));
  ends.second.reset();
  running_.emplace(Running{.build = build,
                           .spec = std::move(spec),
                           .work = work,
                           .process = std::move(process),
                           .news = Channel{std::move(ends.first)},
                           .log = std::move(log),
                           .started = clock_.now()});
  return {};
}

void Worklist::advance() {
  while (!running_ && !waiting_.empty()) {
    const Build build = std::move(waiting_.front());
    waiting_.pop_front();
    if (auto started = start(build); !started) fail(build.name, started.error());
  }
  if (!running_) return;
  follow_log();
  while (running_ && hear()) {
  }
}

void Worklist::follow_log() {
  std::array<char, 16 << 10> part;
  const ssize_t got =
      ::pread(running_->log.get(), part.data(), part.size(), static_cast<off_t>(running_->log_at));
  if (got <= 0) return;
  running_->log_at += static_cast<std::uint64_t>(got);
  for (const char c : std::string_view(part.data(), static_cast<std::size_t>(got))) {
    if (c == '\n') {
      say_line();
    } else if (running_->line.size() < kLineMax) {
      running_->line.push_back(c);
    }
  }
}

void Worklist::say_line() {
  const std::string line = printable(std::exchange(running_->line, {}), kLineMax);
  // Nobody knows how many packages will come; each one found moves the bar a little.
  const bool moves = trim(line).starts_with("Collecting") || trim(line).starts_with("Downloading");
  if (running_->stage == Stage::Packages && moves && running_->percent < kPackagesEnd) {
    ++running_->percent;
  }
  tell_(Progress{running_->build.name, running_->stage,
                 static_cast<std::uint8_t>(running_->percent), line});
}

// Takes one piece of news; false when there is none.
bool Worklist::hear() {
  const auto record = running_->news.receive(Duration::zero());
  if (!record && record.error().code == Code::Cancelled) return false;
  if (!record) {
    const std::string name = running_->build.name;
    end();
    fail(name, {Code::Internal, "the build ended without a word; see the log"});
    return false;
  }
  WireReader in{*record};
  const auto kind = static_cast<char>(in.u8());
  if (kind == kStep) {
    running_->stage = static_cast<Stage>(in.u8());
    running_->percent = std::max<unsigned>(running_->percent, in.u8());
    tell_(Progress{running_->build.name, running_->stage,
                   static_cast<std::uint8_t>(running_->percent), ""});
    return true;
  }
  follow_log();
  const std::string name = running_->build.name;
  Event outcome = Failed{name, Code::Internal, {}};
  if (kind == kMade) {
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(clock_.now() - running_->started);
    outcome = Built{name, *Digest::from_bytes(in.raw(32)), in.u64(),
                    static_cast<std::uint32_t>(seconds.count()), in.text()};
  } else {
    outcome = Failed{name, static_cast<Code>(in.u8()), in.text()};
  }
  end();  // first, so that whoever hears of it finds nothing half made
  tell_(outcome);
  return false;
}

void Worklist::end() {
  const fs::path work = running_->work;
  if (running_->spec.oci) {
    (void)::unlink(archive_path(workshop_, *running_->spec.oci).c_str());
  }
  (void)running_->process.wait(10s);
  running_.reset();
  if (auto removed = remove_tree(work); !removed) log_error("builder", "clean", removed.error());
}

}  // namespace coffer::env
