#include "front/links.h"

namespace coffer::front {
namespace {

// What the keeper refused, as everybody else's errors look.
Error error_of(const keeper::Refused& refused) {
  return Error{refused.code, refused.message}.as(refused.rule);
}

}  // namespace

void Links::accept(PeerTag tag, UniqueFd fd) {
  const auto place = static_cast<std::size_t>(tag);
  if (place < generations_.size()) ++generations_[place];
  switch (tag) {
    case PeerTag::Keeper:
      keeper_.emplace(std::move(fd));
      break;
    case PeerTag::Worker:
      worker_.emplace(std::move(fd));
      break;
    case PeerTag::Builder:
      builder_.emplace(std::move(fd));
      break;
    case PeerTag::Listener:
      listener_ = std::move(fd);
      break;
    case PeerTag::Front:
      break;
  }
}

Result<PeerTag> Links::receive(Duration patience) {
  if (!control_) return Error{Code::Unavailable, "no supervisor"};
  COFFER_TRY(TaggedFd arrived, receive_fd(control_.get(), patience));
  const auto tag = static_cast<PeerTag>(arrived.tag);
  accept(tag, std::move(arrived.fd));
  return tag;
}

Result<keeper::Reply> Links::ask_keeper(const keeper::Request& request, Duration patience) {
  const ByteVector record = keeper::encode(request);
  const Instant deadline = deadline_after(patience);
  for (;;) {
    if (keeper_) {
      auto reply = keeper_->ask_encoded(record, left_until(deadline));
      if (reply) {
        if (const auto* refused = std::get_if<keeper::Refused>(&*reply)) return error_of(*refused);
        return reply;
      }
      if (!keeper_->is_broken()) break;
      keeper_.reset();
    }
    // Other peers may arrive first; they are kept.
    if (!control_ || !receive(left_until(deadline))) break;
  }
  return Error{Code::Unavailable, "the keeper does not answer: try again in a moment"}.as(
      "unavailable");
}

}  // namespace coffer::front
