#include "worker/serve.h"

#include <fcntl.h>
#include <poll.h>

#include <algorithm>
#include <optional>
#include <thread>

#include "base/forward_clock.h"
#include "base/log.h"
#include "keeper/client.h"
#include "os/channel.h"
#include "os/files.h"
#include "os/process.h"
#include "worker/execute.h"
#include "worker/unpack.h"

namespace coffer::worker {
namespace {

constexpr Duration kPatience = 10s;
constexpr Duration kDiskPatience = 1s;
constexpr std::uint8_t kAskKeeper = 1;  // a keeper record follows; the keeper's reply comes back
constexpr std::uint8_t kTellFront = 2;  // an event follows

// One supervisor and what it has told so far.
struct Job {
  std::string key;  // run digest text, or the upload or try id
  Process process;
  std::optional<Channel> channel;
  std::vector<ByteVector> told{};
  bool over{false};
};

// In the supervisor: asks by way of the worker.
class RelayedKeeper final : public KeeperPort {
 public:
  explicit RelayedKeeper(Channel& channel) : channel_(channel) {}
  Result<keeper::Reply> ask(const keeper::Request& request) override {
    ByteVector record{std::byte{kAskKeeper}};
    const ByteVector encoded = keeper::encode(request);
    record.insert(record.end(), encoded.begin(), encoded.end());
    for (;;) {
      COFFER_TRY(const ByteVector encoded_reply, channel_.call(record, kForever));
      COFFER_TRY(keeper::Reply reply, keeper::decode_reply(encoded_reply));
      const auto* refused = std::get_if<keeper::Refused>(&reply);
      if (refused == nullptr || refused->rule != "disk_full") return reply;
      log_line("worker", "waits: the keeper's disk is full");
      std::this_thread::sleep_for(kDiskPatience);
    }
  }

 private:
  Channel& channel_;
};

class Worker {
 public:
  Worker(UniqueFd control, const ServeOptions& options)
      : control_(std::move(control)), data_(options.data) {
    auto launcher = cell::Launcher::create(Cgroups::detect());
    if (launcher) {
      launcher_.emplace(*std::move(launcher));
    } else {
      no_cells_ = launcher.error().message;
      log_error("worker", "no cells on this machine", launcher.error());
    }
    (void)remove_leftovers(data_ / "programs");  // of an unpacking that was killed
  }

  Result<> loop() {
    for (;;) {
      std::vector<pollfd> polled{{control_.get(), POLLIN, 0},
                                 {front_ ? front_->fd() : -1, POLLIN, 0}};
      for (const auto& job : jobs_) {
        polled.push_back({job.channel ? job.channel->fd() : -1, POLLIN, 0});
        polled.push_back({job.over ? -1 : job.process.pidfd(), POLLIN, 0});
      }
      if (::poll(polled.data(), polled.size(), -1) < 0) {
        if (errno == EINTR) continue;
        return Error{Code::Unavailable, "poll failed"};
      }
      const auto ready = [&](std::size_t i) { return polled[i].revents != 0; };
      // Jobs first: indexes refer to the jobs of before the poll.
      for (std::size_t i = 0; i < (polled.size() - 2) / 2; ++i) {
        if (ready(2 + 2 * i)) on_supervisor(jobs_[i]);
        if (ready(3 + 2 * i)) on_end(jobs_[i]);
      }
      if (ready(1)) on_front();
      if (ready(0)) {
        if (auto arrived = accept(kPatience); !arrived) return {};  // the supervisor is gone
      }
      forget_over();
    }
  }

 private:
  Result<> accept(Duration patience) {
    COFFER_TRY(TaggedFd arrived, receive_fd(control_.get(), patience));
    if (arrived.tag == static_cast<std::uint8_t>(PeerTag::Keeper)) {
      keeper_.emplace(std::move(arrived.fd));
    } else if (arrived.tag == static_cast<std::uint8_t>(PeerTag::Front)) {
      front_.emplace(std::move(arrived.fd));
    }
    return {};
  }

  // The same bytes again on a new connection: the keeper's operations are idempotent.
  Result<keeper::Reply> ask_keeper(ByteView record) {
    for (;;) {
      if (keeper_) {
        if (auto reply = keeper_->ask_encoded(record, kForever)) return reply;
        keeper_.reset();
      }
      if (auto arrived = accept(kForever); !arrived) return std::move(arrived).error();
    }
  }

  void tell_front(ByteView event) {
    if (front_ && !front_->send(event, kPatience)) front_.reset();
  }

  void on_supervisor(Job& job) {
    auto record = job.channel->receive(kPatience);
    if (!record || record->empty()) {
      job.channel.reset();
      return;
    }
    const ByteView body = ByteView{*record}.subspan(1);
    if (std::to_integer<std::uint8_t>(record->front()) == kTellFront) {
      job.told.emplace_back(body.begin(), body.end());
      tell_front(body);
      return;
    }
    auto reply = ask_keeper(body);
    const keeper::Reply answer =
        reply ? *std::move(reply)
              : keeper::Reply{keeper::Refused{reply.error().code, "unavailable", "no keeper"}};
    if (!job.channel->send(keeper::encode(answer), kPatience)) job.channel.reset();
  }

  void on_end(Job& job) {
    while (job.channel && wait_readable(job.channel->fd(), 0s)) on_supervisor(job);
    const auto status = job.process.wait(0s);
    job.over = true;
    if (!job.told.empty() && decode_is_last(job.told.back())) return;
    log_line("worker", "supervisor ended without a last word",
             {{"job", job.key}, {"signal", std::int64_t{status ? status->signal : 0}}});
    (void)Cgroups::detect().sweep();
    // Not started: the front gives everything back. Started: lost at its last slot, or cancelled.
    auto run = Digest::parse(job.key);
    if (!run || !job.told.empty()) return;
    job.told.push_back(
        encode(Event{NotStarted{*run, "environment", "the cell's supervisor died"}}));
    tell_front(job.told.back());
  }

  // What is over is kept as long as the front may ask again: until a new front came and heard it.
  void forget_over() {
    constexpr std::size_t kRemembered = 1000;
    while (jobs_.size() > kRemembered) {
      const auto over =
          std::find_if(jobs_.begin(), jobs_.end(), [](const Job& j) { return j.over; });
      if (over == jobs_.end()) return;
      jobs_.erase(over);
    }
  }

  void on_front() {
    auto record = front_->receive(kPatience);
    auto request = record ? decode_request(*record) : Result<Request>{std::move(record).error()};
    if (!request) {
      front_.reset();
      return;
    }
    std::visit([this](const auto& r) { take(r); }, *request);
  }

  Job* find(const std::string& key) {
    const auto it =
        std::find_if(jobs_.begin(), jobs_.end(), [&](const Job& job) { return job.key == key; });
    return it == jobs_.end() ? nullptr : &*it;
  }

  void take(const Execute& order) {
    const Digest digest = sha256(order.run);
    if (Job* known = find(digest.text())) {
      // One that waited for a limit is asked for anew.
      const bool waited = !known->told.empty() && awaits_limit(known->told.back());
      if (!waited) {
        for (const auto& event : known->told) tell_front(event);
        // A supervisor that died without a last word: a new attempt, which the keeper judges.
        const bool ended = !known->told.empty() && decode_is_last(known->told.back());
        if (!known->over || ended) return;
      } else if (!known->over) {
        (void)known->process.wait(kPatience);  // it has nothing more to say
      }
      jobs_.erase(jobs_.begin() + (known - jobs_.data()));
    }
    if (!launcher_) {
      tell_front(encode(Event{NotStarted{digest, "cell_unproven", no_cells_}}));
      return;
    }
    start(digest.text(), [&](Channel& channel, const TellFront& tell, std::uint32_t slot) {
      RelayedKeeper keeper{channel};
      auto status = keeper.ask_for<keeper::StatusReply>(keeper::Status{});
      if (!status) return;
      const SystemClock wall;
      ForwardClock clock{wall};
      clock.not_before(UnixTime{std::chrono::milliseconds{status->time_ms}});
      execute({.data = data_,
               .clock = clock,
               .launcher = *launcher_,
               .ids = cell::cell_ids(slot),
               .keeper_key = status->seal_key},
              order, keeper, tell);
    });
  }

  void take(const Kill& order) {
    Job* job = find(order.run.text());
    if (job == nullptr || job->over) return;
    log_line("worker", "run killed", {{"run", order.run.text()}});
    job->process.kill_tree();
  }

  void take(const Unpack& order) {
    start(order.upload, [&](Channel&, const TellFront& tell, std::uint32_t slot) {
      if (!launcher_) {
        tell(Unpacked{
            .upload = order.upload, .program = {}, .files = 0, .bytes = 0, .problem = no_cells_});
        return;
      }
      tell(unpack_program({.data = data_, .launcher = *launcher_, .ids = cell::cell_ids(slot)},
                          order));
    });
  }

  static bool awaits_limit(ByteView event) {
    const auto decoded = decode_event(event);
    const auto* told = decoded ? std::get_if<NotStarted>(&*decoded) : nullptr;
    return told != nullptr && told->cause == kAwaitsLimit;
  }
  static bool decode_is_last(ByteView event) {
    const auto decoded = decode_event(event);
    return decoded && !std::holds_alternative<Started>(*decoded);
  }

  template <class Body>
  void start(const std::string& key, const Body& body) {
    auto ends = make_channel_pair();
    if (!ends) return;
    const std::uint32_t slot = next_slot_++ % 60'000;
    auto process = Process::fork([&]() -> int {
      // Peers' descriptors stay with the worker.
      ends->first.reset();
      control_.reset();
      keeper_.reset();
      front_.reset();
      for (auto& job : jobs_) job.channel.reset();
      Channel channel{std::move(ends->second)};
      const TellFront tell = [&](const Event& event) {
        ByteVector record{std::byte{kTellFront}};
        const ByteVector encoded = encode(event);
        record.insert(record.end(), encoded.begin(), encoded.end());
        (void)channel.send(record, kPatience).has_value();
      };
      body(channel, tell, slot);
      return 0;
    });
    if (!process) {
      log_error("worker", "no supervisor", process.error());
      return;
    }
    jobs_.push_back(Job{key, *std::move(process), Channel{std::move(ends->first)}});
  }

  UniqueFd control_;
  std::filesystem::path data_;
  std::optional<cell::Launcher> launcher_;
  std::string no_cells_;
  std::optional<keeper::Client> keeper_;
  std::optional<Channel> front_;
  std::vector<Job> jobs_;
  std::uint32_t next_slot_{0};
};

}  // namespace

Result<> serve(UniqueFd control, const ServeOptions& options) {
  auto ended = Worker{std::move(control), options}.loop();  // and its supervisors are gone
  (void)Cgroups::detect().sweep();                          // of the cells that they watched
  return ended;
}

}  // namespace coffer::worker
