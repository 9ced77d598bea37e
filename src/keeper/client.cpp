#include "keeper/client.h"

namespace coffer::keeper {

Result<Reply> Client::ask(const Request& request) { return ask_encoded(encode(request)); }

Result<Reply> Client::ask_encoded(ByteView request) {
  auto record = channel_.call(request, deadline_);
  if (!record) {
    // To the caller a deadline and a closed stream are one thing: the keeper did not answer.
    if (record.error().code != Code::Cancelled)
      return std::move(record).error().in("keeper").as("unavailable");
    return Error{Code::Unavailable, "keeper: no answer before the deadline"}.as("unavailable");
  }
  return decode_reply(*record);
}

Error Client::unexpected(const Reply& reply) {
  if (const auto* refused = std::get_if<Refused>(&reply)) {
    return Error{refused->code, refused->message}.as(refused->rule);
  }
  return Error{Code::Corrupt, "keeper: a reply of another type"};
}

}  // namespace coffer::keeper
