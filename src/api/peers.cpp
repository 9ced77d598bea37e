#include "api/peers.h"

#include "base/log.h"
#include "env/messages.h"
#include "front/append.h"
#include "front/environments.h"
#include "front/grants.h"
#include "front/schedule.h"
#include "worker/messages.h"

namespace coffer::api {
namespace {

void log_failure(const char* what, const Result<>& done) {
  if (!done) log_error("front", what, done.error());
}

// Gives every whole record to `take`; false once the connection is useless.
template <class Take>
bool drain(Channel& channel, const Take& take) {
  for (;;) {
    auto record = channel.receive(0s);
    if (!record) return record.error().code == Code::Cancelled;
    if (!take(*record)) return false;
  }
}

}  // namespace

Result<> Peers::start() {
  COFFER_TRY(control_,
             loop_.watch(site_.links.control_fd(), net::Ready::Read, [this] { on_control(); }));
  // The keeper has been asked already, before there was a loop.
  seen_[static_cast<std::size_t>(PeerTag::Keeper)] = site_.links.generation(PeerTag::Keeper);
  notice();
  return {};
}

void Peers::on_control() {
  auto arrived = site_.links.receive(0s);
  if (!arrived && arrived.error().code != Code::Cancelled) {
    control_.cancel();
    return on_end_(std::move(arrived).error().in("the supervisor"));
  }
  notice();
}

bool Peers::is_new(PeerTag tag) {
  auto& seen = seen_[static_cast<std::size_t>(tag)];
  const auto now = site_.links.generation(tag);
  return std::exchange(seen, now) != now;
}

void Peers::notice() {
  if (is_new(PeerTag::Keeper)) on_keeper();
  if (is_new(PeerTag::Worker)) on_worker();
  if (is_new(PeerTag::Builder)) on_builder();
}

void Peers::on_keeper() {
  log_failure("pending operations could not be sent again", front::resend_pending(site_));
  log_failure("revocations could not be taken over", front::adopt_revocations(site_));
}

void Peers::on_worker() {
  worker_.cancel();
  auto* channel = site_.links.worker();
  if (channel == nullptr) return;
  auto watch = loop_.watch(channel->fd(), net::Ready::Read, [this] { read_worker(); });
  if (!watch) return log_error("front", "the worker cannot be watched", watch.error());
  worker_ = std::move(*watch);
  log_failure("runs could not be given to the worker", front::resume_worker(site_));
  front::resume_programs(site_);
}

void Peers::on_builder() {
  builder_.cancel();
  auto* channel = site_.links.builder();
  if (channel == nullptr) return;
  auto watch = loop_.watch(channel->fd(), net::Ready::Read, [this] { read_builder(); });
  if (!watch) return log_error("front", "the builder cannot be watched", watch.error());
  builder_ = std::move(*watch);
  log_failure("builds could not be given to the builder", front::resume_builder(site_));
}

void Peers::read_worker() {
  const auto generation = site_.links.generation(PeerTag::Worker);
  const auto take = [&](const ByteVector& record) {
    auto event = worker::decode_event(record);
    if (!event) return false;
    log_failure("an event of the worker", front::on_worker_event(site_, *event));
    return generation == site_.links.generation(PeerTag::Worker) && site_.links.worker() != nullptr;
  };
  auto* channel = site_.links.worker();
  if (channel != nullptr && drain(*channel, take)) return;
  if (generation != site_.links.generation(PeerTag::Worker)) return notice();
  worker_.cancel();
  site_.links.drop_worker();
}

void Peers::read_builder() {
  const auto generation = site_.links.generation(PeerTag::Builder);
  const auto take = [&](const ByteVector& record) {
    auto event = env::decode_event(record);
    if (!event) return false;
    log_failure("an event of the builder", front::on_builder_event(site_, *event));
    return generation == site_.links.generation(PeerTag::Builder) && site_.links.builder() != nullptr;
  };
  auto* channel = site_.links.builder();
  if (channel != nullptr && drain(*channel, take)) return;
  if (generation != site_.links.generation(PeerTag::Builder)) return notice();
  builder_.cancel();
  site_.links.drop_builder();
}

}  // namespace coffer::api
