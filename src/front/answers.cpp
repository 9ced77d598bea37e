#include "front/answers.h"

namespace coffer::front {
namespace {

constexpr std::int64_t kDayMs = 24LL * 3600 * 1000;

ByteVector bytes_of_digest(const Digest& digest) {
  return {digest.bytes.begin(), digest.bytes.end()};
}

}  // namespace

Result<std::optional<KeptAnswer>> find_answer(Site& site, const AnswerKey& key) {
  COFFER_TRY(const auto row,
             site.db.row("SELECT body, status, answer FROM idempotency WHERE user = ? AND"
                         " route = ? AND key = ? AND created > ?",
                         {key.user, key.route, key.key, site.now_ms() - kDayMs}));
  if (!row) return std::optional<KeptAnswer>{};
  if (row->blob(0) != bytes_of_digest(key.body)) {
    return Error{Code::AlreadyExists, "this Idempotency-Key came with another body before"}
        .as("idempotency_conflict")
        .at("Idempotency-Key");
  }
  return std::optional<KeptAnswer>{KeptAnswer{static_cast<int>(row->integer(1)), row->text(2)}};
}

Result<> keep_answer(Site& site, const AnswerKey& key, const KeptAnswer& answer) {
  return site.db.run(
      "INSERT OR REPLACE INTO idempotency(user, route, key, body, status, answer, created)"
      " VALUES(?,?,?,?,?,?,?)",
      {key.user, key.route, key.key, bytes_of_digest(key.body), std::int64_t{answer.status},
       answer.body, site.now_ms()});
}

Result<> end_old_answers(Site& site) {
  return site.db.run("DELETE FROM idempotency WHERE created <= ?", {site.now_ms() - kDayMs});
}

}  // namespace coffer::front
