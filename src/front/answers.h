// Answers kept for 24 hours under a client's Idempotency-Key, so that a call can be sent again.
//
// Invariants: per user, route and key there is one body and one answer. The database holds a hash
// of the key and the answer sealed under it: an answer with a secret is as safe as its key is
// random. Errors: AlreadyExists (idempotency_conflict: the key came with another body), the
// database's. Thread-safety: the loop thread.
#pragma once

#include <optional>

#include "front/site.h"

namespace coffer::front {

struct AnswerKey {
  std::string user;
  std::string route;
  std::string key;
  Digest body;
};
struct KeptAnswer {
  int status{200};
  std::string body;
};

Result<std::optional<KeptAnswer>> find_answer(Site& site, const AnswerKey& key);
Result<> keep_answer(Site& site, const AnswerKey& key, const KeptAnswer& answer);
Result<> end_old_answers(Site& site);

}  // namespace coffer::front
