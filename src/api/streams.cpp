#include "api/streams.h"

#include "api/problems.h"

namespace coffer::api {

void Streams::open(Wanted wanted, net::Reply reply) {
  const auto events = front::run_events(site_, wanted.caller, wanted.run, wanted.after);
  if (!events) return std::move(reply).send(problem_response(events.error()));
  Open one{std::move(wanted), std::move(reply).stream()};
  if (feed(one, *events)) open_.push_back(std::move(one));
}

bool Streams::feed(Open& open, const front::RunEvents& events) {
  for (const auto& event : events.events) {
    const std::int64_t seq = event.int_or("seq", 0);
    open.stream.push(
        {.id = std::to_string(seq), .name = event.text_or("kind", ""), .data = event.canonical()});
    open.wanted.after = seq;
  }
  if (events.over) open.stream.close();
  return open.stream.is_open();
}

// Events are committed one transaction at a time; many of them wake the streams once.
void Streams::wake() {
  if (waking_ || open_.empty()) return;
  waking_ = true;
  loop_.post([this] {
    waking_ = false;
    feed_all();
  });
}

void Streams::feed_all() {
  for (auto it = open_.begin(); it != open_.end();) {
    const auto& wanted = it->wanted;
    const auto events = front::run_events(site_, wanted.caller, wanted.run, wanted.after);
    const bool more = events && feed(*it, *events);
    if (!more) it->stream.close();
    it = more ? std::next(it) : open_.erase(it);
  }
}

}  // namespace coffer::api
