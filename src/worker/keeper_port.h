// KeeperPort: how the supervisor of one run asks the keeper, by way of the worker.
//
// Errors: the keeper's refusal (its rule in Error::rule), Unavailable (the worker is gone).
// Thread-safety: one owner.
#pragma once

#include <variant>

#include "keeper/messages.h"

namespace coffer::worker {

class KeeperPort {
 public:
  virtual ~KeeperPort() = default;
  virtual Result<keeper::Reply> ask(const keeper::Request& request) = 0;

  template <class T>
  Result<T> ask_for(const keeper::Request& request) {
    COFFER_TRY(keeper::Reply reply, ask(request));
    if (auto* refused = std::get_if<keeper::Refused>(&reply)) {
      return Error{refused->code, refused->message}.as(refused->rule);
    }
    if (auto* wanted = std::get_if<T>(&reply)) return std::move(*wanted);
    return Error{Code::Internal, "the keeper answered another question"};
  }
};

}  // namespace coffer::worker
