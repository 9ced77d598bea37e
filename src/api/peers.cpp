#include "api/peers.h"

#include "base/log.h"
#include "front/append.h"
#include "front/environments.h"
#include "front/grants.h"
#include "front/schedule.h"

namespace coffer::api {
namespace {

void log_failure(const char* what, const Result<>& done) {
  if (!done) log_error("front", what, done.error());
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
  auto watch = loop_.watch(channel->fd(), net::Ready::Read, [this] { read(PeerTag::Worker); });
  if (!watch) return log_error("front", "the worker cannot be watched", watch.error());
  worker_ = std::move(*watch);
  log_failure("runs could not be given to the worker", front::resume_worker(site_));
  front::resume_programs(site_);
}

void Peers::on_builder() {
  builder_.cancel();
  auto* channel = site_.links.builder();
  if (channel == nullptr) return;
  auto watch = loop_.watch(channel->fd(), net::Ready::Read, [this] { read(PeerTag::Builder); });
  if (!watch) return log_error("front", "the builder cannot be watched", watch.error());
  builder_ = std::move(*watch);
  log_failure("builds could not be given to the builder", front::resume_builder(site_));
}

Channel* Peers::channel(PeerTag tag) {
  return tag == PeerTag::Worker ? site_.links.worker() : site_.links.builder();
}

void Peers::read(PeerTag tag) {
  const bool worker = tag == PeerTag::Worker;
  const auto generation = site_.links.generation(tag);
  // What a record leads to may bring another connection: this one is not looked at again then.
  while (Channel* peer = channel(tag)) {
    const auto record = peer->receive(0s);
    if (!record && record.error().code == Code::Cancelled) return;
    if (!record) break;
    const auto done =
        worker ? front::on_worker_record(site_, *record) : front::on_builder_record(site_, *record);
    log_failure(worker ? "an event of the worker" : "an event of the builder", done);
    if (generation != site_.links.generation(tag)) return notice();
    if (!done && done.error().code == Code::Corrupt) break;
  }
  (worker ? worker_ : builder_).cancel();
  worker ? site_.links.drop_worker() : site_.links.drop_builder();
}

}  // namespace coffer::api
