#include "front/answers.h"

namespace coffer::front {
namespace {

constexpr std::int64_t kDayMs = 24LL * 3600 * 1000;

ByteVector bytes_of_digest(const Digest& digest) {
  return {digest.bytes.begin(), digest.bytes.end()};
}

// The database has neither the client's key nor, without it, the answer.
std::string name_of(const AnswerKey& key) {
  return hex(sha256("coffer-answer-name-v1\n" + key.key).bytes);
}

Result<Key> sealing_key(const AnswerKey& key, std::int64_t created) {
  COFFER_TRY(const Key base, key_from(sha256("coffer-answer-key-v1\n" + key.key).bytes));
  return derive_key(base, key.user + "\n" + key.route + "\n" + std::to_string(created));
}

}  // namespace

Result<std::optional<KeptAnswer>> find_answer(Site& site, const AnswerKey& key) {
  COFFER_TRY(const auto row,
             site.db.row("SELECT body, status, answer, created FROM idempotency WHERE user = ? AND"
                         " route = ? AND key = ? AND created > ?",
                         {key.user, key.route, name_of(key), site.now_ms() - kDayMs}));
  if (!row) return std::optional<KeptAnswer>{};
  if (row->blob(0) != bytes_of_digest(key.body)) {
    return Error{Code::AlreadyExists, "this Idempotency-Key came with another body before"}
        .as("idempotency_conflict")
        .at("Idempotency-Key");
  }
  COFFER_TRY(const Key sealing, sealing_key(key, row->integer(3)));
  COFFER_TRY(const ByteVector body, aead_open(sealing, row->blob(2), {}));
  return std::optional<KeptAnswer>{
      KeptAnswer{static_cast<int>(row->integer(1)), std::string(text_of(body))}};
}

Result<> keep_answer(Site& site, const AnswerKey& key, const KeptAnswer& answer) {
  const std::int64_t created = site.now_ms();
  COFFER_TRY(const Key sealing, sealing_key(key, created));
  return site.db.run(
      "INSERT OR REPLACE INTO idempotency(user, route, key, body, status, answer, created)"
      " VALUES(?,?,?,?,?,?,?)",
      {key.user, key.route, name_of(key), bytes_of_digest(key.body), std::int64_t{answer.status},
       aead_seal(sealing, bytes_of(answer.body), {}), created});
}

Result<> end_old_answers(Site& site) {
  return site.db.run("DELETE FROM idempotency WHERE created <= ?", {site.now_ms() - kDayMs});
}

}  // namespace coffer::front
