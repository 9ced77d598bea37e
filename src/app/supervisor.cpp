#include "app/supervisor.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>

#include <array>
#include <deque>

#include "app/data_lock.h"
#include "app/identity.h"
#include "app/stopped.h"
#include "base/clock.h"
#include "base/log.h"
#include "net/server.h"
#include "os/channel.h"
#include "os/files.h"
#include "os/process.h"

namespace coffer::app {
namespace {

constexpr std::size_t kDeathsMax = 20;
constexpr Duration kDeathsWindow = 60s;
constexpr Duration kDrainPatience = 20s;

struct Member {
  PeerTag tag;
  std::string name;
  std::optional<Process> process{};
  UniqueFd control{};
  std::deque<Instant> deaths{};
};

struct Pair {
  PeerTag a;
  PeerTag b;
};
constexpr std::array kPairs{
    Pair{PeerTag::Keeper, PeerTag::Front}, Pair{PeerTag::Keeper, PeerTag::Worker},
    Pair{PeerTag::Worker, PeerTag::Front}, Pair{PeerTag::Builder, PeerTag::Front}};

class Supervisor {
 public:
  Supervisor(const ServerOptions& options, DataLock lock, UniqueFd listener)
      : options_(options), lock_(std::move(lock)), listener_(std::move(listener)) {}

  Result<> start() {
    for (auto& member : members_) COFFER_CHECK(spawn(member));
    for (const auto& pair : kPairs) COFFER_CHECK(connect(pair));
    return give_listener();
  }

  // Until a signal or a refusal.
  Result<> watch(int signals) {
    for (;;) {
      std::array<pollfd, 5> polled{};
      polled[0] = {signals, POLLIN, 0};
      for (std::size_t i = 0; i < members_.size(); ++i) {
        polled[i + 1] = {members_[i].process->pidfd(), POLLIN, 0};
      }
      if (::poll(polled.data(), polled.size(), -1) < 0 && errno != EINTR) {
        return system_error("wait for the server's processes", errno);
      }
      if ((polled[0].revents & POLLIN) != 0) return drain();
      for (std::size_t i = 0; i < members_.size(); ++i) {
        if ((polled[i + 1].revents & POLLIN) != 0) COFFER_CHECK(restart(members_[i]));
      }
    }
  }

 private:
  Result<> spawn(Member& member) {
    COFFER_TRY(ChannelPair control, make_channel_pair());
    SpawnOptions spawn{
        .program = "/proc/self/exe", .program_fd = -1, .argv = {"coffer-" + member.name}};
    for (auto& argument : to_arguments(options_)) spawn.argv.push_back(std::move(argument));
    spawn.fds = {
        {control.second.get(), kControlFd}, {lock_.processes.get(), kLockFd}, {1, 1}, {2, 2}};
    COFFER_TRY(auto process, Process::spawn(spawn));
    member.process.emplace(std::move(process));
    member.control = std::move(control.first);
    log_line("server", "process started",
             {{"name", member.name}, {"pid", std::int64_t{member.process->pid()}}});
    return {};
  }

  Member& member(PeerTag tag) {
    for (auto& m : members_) {
      if (m.tag == tag) return m;
    }
    std::abort();
  }

  // A peer that has just died is started again in its own turn and gets its connections then.
  Result<> connect(const Pair& pair) {
    COFFER_TRY(ChannelPair ends, make_channel_pair());
    (void)send_fd(member(pair.a).control.get(), static_cast<std::uint8_t>(pair.b), ends.first.get())
        .has_value();
    (void)send_fd(member(pair.b).control.get(), static_cast<std::uint8_t>(pair.a),
                  ends.second.get())
        .has_value();
    return {};
  }

  Result<> give_listener() {
    (void)send_fd(member(PeerTag::Front).control.get(),
                  static_cast<std::uint8_t>(PeerTag::Listener), listener_.get())
        .has_value();
    return {};
  }

  Result<> restart(Member& dead) {
    COFFER_TRY(const ExitStatus status, dead.process->wait(0s));
    log_line("server", "process ended",
             {{"name", dead.name},
              {"code", std::int64_t{status.code}},
              {"signal", std::int64_t{status.signal}}});
    if (status.signal == 0 && status.code == kRefuses) {
      return Error{Code::FailedPrecondition, dead.name + " refused to start; see above"};
    }
    const Instant now = clock_.now();
    auto& deaths = dead.deaths;
    deaths.push_back(now);
    while (now - deaths.front() > kDeathsWindow) deaths.pop_front();
    if (deaths.size() > kDeathsMax) {
      return Error{Code::Unavailable, dead.name + " keeps dying; see the log above"};
    }
    COFFER_CHECK(spawn(dead));
    for (const auto& pair : kPairs) {
      if (pair.a == dead.tag || pair.b == dead.tag) COFFER_CHECK(connect(pair));
    }
    return dead.tag == PeerTag::Front ? give_listener() : Result<>{};
  }

  // The front first: it lets requests under way finish. The others have nothing that a kill loses;
  // each ends, and takes its cells away, when its control connection closes.
  Result<> drain() {
    auto& front = member(PeerTag::Front);
    front.process->signal(SIGTERM);
    (void)front.process->wait(kDrainPatience).has_value();
    for (auto tag : {PeerTag::Worker, PeerTag::Builder, PeerTag::Keeper}) {
      member(tag).control.reset();
    }
    for (auto tag : {PeerTag::Worker, PeerTag::Builder, PeerTag::Keeper}) {
      (void)member(tag).process->wait(5s).has_value();
    }
    return {};
  }

  const ServerOptions& options_;
  SystemClock clock_;
  DataLock lock_;
  UniqueFd listener_;
  std::array<Member, 4> members_{
      Member{PeerTag::Keeper, "keeper"}, Member{PeerTag::Worker, "worker"},
      Member{PeerTag::Builder, "builder"}, Member{PeerTag::Front, "front"}};
};

Result<UniqueFd> signal_descriptor() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGHUP);
  if (::sigprocmask(SIG_BLOCK, &signals, nullptr) != 0) return system_error("block signals", errno);
  UniqueFd fd{::signalfd(-1, &signals, SFD_CLOEXEC)};
  if (!fd) return system_error("receive signals", errno);
  return fd;
}

bool is_loopback(const std::string& address) {
  return address.starts_with("127.") || address.starts_with("[::1]:") ||
         address.starts_with("localhost:");
}

}  // namespace

Result<> supervise(const ServerOptions& options) {
  if (!is_loopback(options.listen) && options.tls_cert.empty() && !options.behind_proxy) {
    return Error{Code::InvalidArgument,
                 "--listen " + options.listen +
                     " is beyond this machine: give --tls-cert and --tls-key, or --behind-proxy"}
        .as("tls_required");
  }
  if (options.tls_cert.empty() != options.tls_key.empty()) {
    return Error{Code::InvalidArgument, "--tls-cert and --tls-key go together"};
  }
  COFFER_CHECK(check_is_whole(options.data));
  COFFER_CHECK(make_data_directory(options.data));
  COFFER_TRY(DataLock lock, lock_data(options.data));
  auto listener = net::listen_on(options.listen);
  if (!listener) return std::move(listener).error().in("--listen");
  COFFER_TRY(const UniqueFd signals, signal_descriptor());
  Supervisor supervisor{options, std::move(lock), *std::move(listener)};
  COFFER_CHECK(supervisor.start());
  return supervisor.watch(signals.get());
}

std::vector<std::string> to_arguments(const ServerOptions& options) {
  std::vector<std::string> out{"server", "--data", options.data.string(), "--listen",
                               options.listen};
  const auto add = [&](const char* flag, const std::string& value) {
    if (value.empty()) return;
    out.emplace_back(flag);
    out.push_back(value);
  };
  add("--tls-cert", options.tls_cert);
  add("--tls-key", options.tls_key);
  add("--notify-command", options.notify_command);
  add("--master-key-command", options.master_key_command);
  add("--quota-user", options.quota_user);
  add("--quota-total", options.quota_total);
  if (options.behind_proxy) out.emplace_back("--behind-proxy");
  return out;
}

}  // namespace coffer::app
