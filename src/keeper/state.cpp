#include "keeper/state.h"

#include <algorithm>

#include "keeper/detail/common.h"
#include "ledger/checkpoint.h"
#include "ledger/entry.h"

namespace coffer::keeper {

Error refuse(Code code, std::string_view rule, std::string message) {
  return Error{code, std::move(message)}.as(std::string(rule));
}

bool is_query(const Request& request) {
  return std::visit(
      [](const auto& one) {
        using T = std::decay_t<decltype(one)>;
        return std::is_same_v<T, Status> || std::is_same_v<T, ReleaseKey> ||
               std::is_same_v<T, GrantBudget> || std::is_same_v<T, DatasetBudget> ||
               std::is_same_v<T, RunQuery> || std::is_same_v<T, WouldAccept> ||
               std::is_same_v<T, OpenRuns> || std::is_same_v<T, Leaves>;
      },
      request);
}

Result<State::Effect> State::apply(const Request& operation, std::uint64_t now_ms) {
  return std::visit(
      [&](const auto& op) -> Result<Effect> {
        if constexpr (requires { on(op, now_ms); }) {
          return on(op, now_ms);
        } else {
          return refuse(Code::Internal, "query", "a query changes nothing");
        }
      },
      operation);
}

Result<Reply> State::reply(const Request& request, std::uint64_t now_ms) const {
  return std::visit(
      [&](const auto& one) -> Result<Reply> {
        using T = std::decay_t<decltype(one)>;
        if constexpr (requires { answer(one, now_ms); }) {
          return answer(one, now_ms);
        } else if constexpr (std::is_same_v<T, RevokeDirect>) {
          return Reply{Done{}};
        } else {
          return Reply{Appended{}};
        }
      },
      request);
}

bool State::lacks_a_key() const {
  return std::any_of(versions_.begin(), versions_.end(), [&](const auto& item) {
    const Version& version = item.second;
    return !version.removed && version.sealed_key.empty() &&
           !datasets_.at(version.dataset_id).is_public;
  });
}

void State::append(Effect& effect, const Seed& seed, std::uint64_t now_ms, const Draft& draft) {
  Entry out;
  out.nonce = ledger::entry_nonce(Key{seed}, static_cast<std::uint32_t>(effect.entries.size()));
  const auto private_text = draft.private_fields.canonical();
  const auto bytes = bytes_of(private_text);
  out.private_bytes.assign(bytes.begin(), bytes.end());
  ledger::Entry entry;
  entry.kind = draft.kind;
  entry.time = unix_time(now_ms);
  entry.commit = ledger::commitment(out.nonce, out.private_bytes);
  entry.lost = draft.lost;
  out.public_bytes = entry.public_bytes();
  out.index = tree_.append(ledger::leaf_hash(out.public_bytes));
  effect.entries.push_back(std::move(out));
}

// Which of the two is older, and what is taken back of ours.
Result<State::Loss> State::loss_of(const Recover& op) const {
  const auto size = tree_.size();
  const bool restored = op.leaves.empty() && op.lost == ledger::LostRange{size, size} && size > 0;
  if (restored) return Loss{.by = LostBy::Keeper};
  if (op.leaves.empty()) {
    if (op.lost.first > op.lost.last || op.lost.last >= size) {
      return refuse(Code::InvalidArgument, "malformed",
                    fmt::format("field 'lost' must lie within the {} entries", size));
    }
    return Loss{.by = LostBy::Database};
  }
  if (op.lost.first != size || op.lost.last - size != op.leaves.size() - 1) {
    return refuse(Code::InvalidArgument, "malformed",
                  fmt::format("field 'leaves' must go on from entry {}", size));
  }
  // Only what we had signed is taken back: nobody else can make a ledger that goes on from ours.
  auto longer = tree_;
  for (const auto& leaf : op.leaves) longer.append(leaf);
  COFFER_TRY(const auto log, ledger::VerifierKey::parse(identity_.ledger_vkey));
  const auto signed_one = ledger::open_checkpoint(op.checkpoint, log);
  if (!signed_one || signed_one->size != longer.size() || signed_one->root != longer.root()) {
    return refuse(Code::Denied, "not_our_checkpoint",
                  "field 'checkpoint' is not ours, or not of these entries");
  }
  return Loss{.by = LostBy::Keeper, .longer = std::move(longer)};
}

Result<State::Effect> State::on(const Recover& op, std::uint64_t now_ms) {
  if (op.reason.empty() || op.reason.size() > 1024) {
    return refuse(Code::InvalidArgument, "malformed", "field 'reason' must be 1 to 1024 bytes");
  }
  COFFER_TRY(Loss loss, loss_of(op));
  const bool ours = loss.by == LostBy::Keeper;
  if (loss.longer) tree_ = *std::move(loss.longer);
  if (ours) {
    for (auto& [id, dataset] : datasets_) dataset.frozen_ms = now_ms;
  }
  Effect effect;
  append(effect, op.seed, now_ms,
         {ledger::kRecoveryKind,
          Json::object({{"reason", op.reason},
                        {"lost", Json::array({op.lost.first, op.lost.last})},
                        {"lost_by", ours ? "keeper" : "database"}}),
          op.lost});
  return effect;
}

}  // namespace coffer::keeper
