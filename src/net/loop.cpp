#include "net/loop.h"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>

#include <array>
#include <cerrno>
#include <csignal>

#include "net/detail/loop_core.h"

namespace coffer::net {
namespace {

constexpr std::uint64_t kWakeId = 0;

std::uint32_t events_of(Ready ready) {
  switch (ready) {
    case Ready::Read:
      return EPOLLIN | EPOLLRDHUP;
    case Ready::Write:
      return EPOLLOUT;
    case Ready::Both:
      return EPOLLIN | EPOLLRDHUP | EPOLLOUT;
    case Ready::Hangup:
      return EPOLLRDHUP;
  }
  return 0;
}

}  // namespace

namespace detail {

LoopCore::~LoopCore() {
  for (auto& [key, slot] : timers_) slot->core = nullptr;
  for (auto& [id, slot] : watches_) slot->core = nullptr;
}

Result<> LoopCore::start() {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = kWakeId;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &event) != 0) {
    return Error{Code::Unavailable, "the event loop cannot watch its own wake-up"};
  }
  return {};
}

void LoopCore::wake() {
  const std::uint64_t one = 1;
  // Fails only when the counter is full, and then the loop is awake anyway.
  [[maybe_unused]] const auto written = ::write(wake_.get(), &one, sizeof one);
}

void LoopCore::stop() {
  stopping_ = true;
  wake();
}

void LoopCore::post(Task task) {
  {
    const std::scoped_lock lock{mutex_};
    posted_.push_back(std::move(task));
  }
  wake();
}

void LoopCore::run() {
  while (!stopping_) turn(Instant::max());
  stopping_ = false;
}

void LoopCore::run_until(Instant end) {
  do turn(end);
  while (!stopping_ && now() < end);
}

int LoopCore::timeout_ms(Instant end) const {
  Instant due = end;
  if (!timers_.empty()) due = std::min(due, timers_.begin()->first.first);
  if (due == Instant::max()) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(due - now());
  return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 60'000));
}

// One round: what is ready, what is due, what was posted. A slot is held while its task runs, so
// a task may destroy its own Timer or Watch.
void LoopCore::turn(Instant end) {
  std::array<epoll_event, 64> ready;
  const int count =
      ::epoll_wait(epoll_.get(), ready.data(), static_cast<int>(ready.size()), timeout_ms(end));
  for (int i = 0; i < count && !stopping_; ++i) {
    const std::uint64_t id = ready[static_cast<std::size_t>(i)].data.u64;
    if (id == kWakeId) {
      std::uint64_t ignored = 0;
      [[maybe_unused]] const auto got = ::read(wake_.get(), &ignored, sizeof ignored);
      continue;
    }
    const auto found = watches_.find(id);
    if (found == watches_.end()) continue;  // its Watch was destroyed by an earlier task
    const auto slot = found->second;
    slot->task();
  }
  run_timers();
  run_posted();
}

void LoopCore::run_timers() {
  const Instant at = now();
  const std::uint64_t first_new = next_id_;
  while (!stopping_ && !timers_.empty() && timers_.begin()->first.first <= at) {
    const auto slot = timers_.begin()->second;
    if (slot->sequence >= first_new) return;  // made by a task of this round: the next one's turn
    timers_.erase(timers_.begin());
    if (slot->period > Duration{}) {
      slot->due = at + slot->period;
      slot->sequence = next_id_++;
      timers_.emplace(TimerKey{slot->due, slot->sequence}, slot);
    } else {
      slot->core = nullptr;
    }
    slot->task();
  }
}

void LoopCore::run_posted() {
  std::vector<Task> tasks;
  {
    const std::scoped_lock lock{mutex_};
    tasks.swap(posted_);
  }
  for (auto& task : tasks) task();
}

Timer LoopCore::add_timer(Duration delay, Duration period, Task task) {
  auto slot = std::make_shared<TimerSlot>(
      TimerSlot{this, std::move(task), period, now() + delay, next_id_++});
  timers_.emplace(TimerKey{slot->due, slot->sequence}, slot);
  return Timer{std::move(slot)};
}

void LoopCore::drop(TimerSlot& slot) { timers_.erase({slot.due, slot.sequence}); }

bool LoopCore::arm(WatchSlot& slot, Ready ready) {
  epoll_event event{};
  event.events = events_of(ready);
  event.data.u64 = slot.id;
  const int how = slot.added ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  slot.added = ::epoll_ctl(epoll_.get(), how, slot.fd, &event) == 0;
  return slot.added;
}

void LoopCore::disarm(WatchSlot& slot) {
  if (std::exchange(slot.added, false)) {
    (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, slot.fd, nullptr);
  }
}

Result<Watch> LoopCore::add_watch(int fd, Ready ready, Task task, UniqueFd owned) {
  auto slot = std::make_shared<WatchSlot>(
      WatchSlot{this, fd, next_id_++, false, std::move(task), std::move(owned)});
  if (!arm(*slot, ready)) {
    slot->core = nullptr;
    return Error{Code::InvalidArgument, "a descriptor cannot be watched, or is already",
                 fmt::format("fd {}, errno {}", fd, errno)};
  }
  watches_.emplace(slot->id, slot);
  return Watch{std::move(slot)};
}

void LoopCore::drop(WatchSlot& slot) {
  disarm(slot);
  watches_.erase(slot.id);
}

}  // namespace detail

Timer& Timer::operator=(Timer&& other) noexcept {
  if (this != &other) {
    cancel();
    slot_ = std::move(other.slot_);
  }
  return *this;
}

Timer::~Timer() { cancel(); }

void Timer::cancel() {
  const auto slot = std::exchange(slot_, nullptr);
  if (slot == nullptr) return;
  if (detail::LoopCore* core = std::exchange(slot->core, nullptr)) core->drop(*slot);
}

Watch& Watch::operator=(Watch&& other) noexcept {
  if (this != &other) {
    cancel();
    slot_ = std::move(other.slot_);
  }
  return *this;
}

Watch::~Watch() { cancel(); }

void Watch::cancel() {
  const auto slot = std::exchange(slot_, nullptr);
  if (slot == nullptr) return;
  if (detail::LoopCore* core = std::exchange(slot->core, nullptr)) core->drop(*slot);
}

void Watch::change(Ready ready) {
  if (slot_ != nullptr && slot_->core != nullptr) slot_->core->arm(*slot_, ready);
}

void Watch::pause() {
  if (slot_ != nullptr && slot_->core != nullptr) slot_->core->disarm(*slot_);
}

Loop::Loop(std::unique_ptr<detail::LoopCore> core) : core_(std::move(core)) {}
Loop::Loop(Loop&&) noexcept = default;
Loop& Loop::operator=(Loop&&) noexcept = default;
Loop::~Loop() = default;

Result<Loop> Loop::open() {
  UniqueFd epoll{::epoll_create1(EPOLL_CLOEXEC)};
  UniqueFd wake{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  if (!epoll || !wake) return Error{Code::Unavailable, "no descriptor is left for the event loop"};
  // A peer that closes is an error of the write, not the end of the process.
  (void)std::signal(SIGPIPE, SIG_IGN);
  auto core = std::make_unique<detail::LoopCore>(std::move(epoll), std::move(wake));
  COFFER_CHECK(core->start());
  return Loop{std::move(core)};
}

void Loop::run() { core_->run(); }
void Loop::stop() { core_->stop(); }
void Loop::run_for(Duration duration) { core_->run_until(core_->now() + duration); }
void Loop::post(Task task) { core_->post(std::move(task)); }
Instant Loop::now() const { return core_->now(); }

Timer Loop::after(Duration delay, Task task) {
  return core_->add_timer(delay, Duration{}, std::move(task));
}

Timer Loop::every(Duration period, Task task) {
  const Duration at_least = std::max<Duration>(period, 1ms);
  return core_->add_timer(at_least, at_least, std::move(task));
}

Result<Watch> Loop::watch(int fd, Ready ready, Task task) {
  return core_->add_watch(fd, ready, std::move(task), UniqueFd{});
}

Result<Watch> Loop::on_signal(int signal_number, Task task) {
  sigset_t set;
  (void)sigemptyset(&set);
  (void)sigaddset(&set, signal_number);
  if (::pthread_sigmask(SIG_BLOCK, &set, nullptr) != 0) {
    return Error{Code::InvalidArgument, fmt::format("signal {} cannot be blocked", signal_number)};
  }
  UniqueFd fd{::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)};
  if (!fd)
    return Error{Code::Unavailable, fmt::format("signal {} cannot be watched", signal_number)};
  const int raw = fd.get();
  auto once_per_signal = [raw, task = std::move(task)] {
    signalfd_siginfo info{};
    if (::read(raw, &info, sizeof info) == sizeof info) task();
  };
  return core_->add_watch(raw, Ready::Read, std::move(once_per_signal), std::move(fd));
}

}  // namespace coffer::net
