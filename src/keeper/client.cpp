#include "keeper/client.h"

#include <algorithm>

namespace coffer::keeper {
namespace {

// A keeper that owes a reply for long is stuck, and who asks has other work.
constexpr Duration kLatePatience = 250ms;

}  // namespace

Result<Reply> Client::ask(const Request& request) {
  return ask_encoded(encode(request), deadline_);
}

Result<Reply> Client::ask_encoded(ByteView request, Duration deadline) {
  auto record = call(request, deadline_after(deadline));
  if (!record) {
    // To the caller a deadline and a closed stream are one thing: the keeper did not answer.
    const bool late = record.error().code == Code::Cancelled;
    if (late) return Error{Code::Unavailable, "keeper: no answer in time"}.as("unavailable");
    broken_ = true;
    return std::move(record).error().in("keeper").as("unavailable");
  }
  auto reply = decode_reply(*record);
  broken_ = !reply;
  return reply;
}

Result<ByteVector> Client::call(ByteView request, Instant deadline) {
  for (; late_ > 0; --late_) {
    COFFER_CHECK(channel_.receive(std::min(left_until(deadline), kLatePatience)));
  }
  if (auto sent = channel_.send(request, left_until(deadline)); !sent) {
    broken_ = true;  // a part of it may be under way
    return std::move(sent).error();
  }
  auto reply = channel_.receive(left_until(deadline));
  if (!reply && reply.error().code == Code::Cancelled) ++late_;
  return reply;
}

Error Client::unexpected(const Reply& reply) {
  if (const auto* refused = std::get_if<Refused>(&reply)) {
    return Error{refused->code, refused->message}.as(refused->rule);
  }
  return Error{Code::Corrupt, "keeper: a reply of another type"};
}

}  // namespace coffer::keeper
