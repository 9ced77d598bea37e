#include <algorithm>

#include "keeper/detail/common.h"

namespace coffer::keeper {

Result<> State::on_this_ledger(std::string_view vkey) const {
  if (vkey == identity_.ledger_vkey) return {};
  return refuse(Code::Denied, "other_ledger", "field 'ledger_vkey' names another ledger");
}

Result<std::string> State::user_of(const SignPublic& key) const {
  const auto found = key_users_.find(key);
  if (found == key_users_.end()) {
    return refuse(Code::NotFound, "unknown_key", "not registered: " + grant::key_id(key));
  }
  if (users_.at(found->second).removed) {
    return refuse(Code::Denied, "user_removed", "user " + found->second + " was removed");
  }
  return found->second;
}

// An operation of the journal was accepted, and its keeper had checked it. One signature can only
// have been the right one; which of several was meant, only checking tells.
bool State::is_signed_by(const grant::Envelope& envelope, const SignPublic& key) const {
  if (reading_journal_ && envelope.signatures.size() == 1) return true;
  return grant::signed_by(envelope, key);
}

Result<std::string> State::signer(const grant::Envelope& envelope) const {
  for (const auto& one : envelope.signatures) {
    const auto found = hint_users_.find(one.key_id);
    if (found == hint_users_.end()) continue;
    const User& user = users_.at(found->second);
    if (!user.removed && is_signed_by(envelope, user.sign_key)) return found->second;
  }
  return refuse(Code::Denied, "not_signed", "not signed with the present key of any user");
}

Result<std::string> State::owner_signed(const SignPublic& owner_key,
                                        const grant::Envelope& envelope) const {
  COFFER_TRY(auto user, user_of(owner_key));
  if (users_.at(user).sign_key != owner_key) {
    return refuse(Code::Denied, "old_key", "field 'owner_key' is not the present key of " + user);
  }
  if (!is_signed_by(envelope, owner_key)) {
    return refuse(Code::Denied, "not_signed", "not signed by field 'owner_key'");
  }
  return user;
}

std::set<std::string> State::users_of(const std::vector<SignPublic>& keys) const {
  std::set<std::string> out;
  for (const auto& key : keys) {
    if (auto user = user_of(key)) out.insert(*std::move(user));
  }
  return out;
}

// A later key follows the one before: named by it, signed by it, or by those it trusted.
Result<> State::check_successor(const User& user, const Signed<grant::UserKey>& next) const {
  const auto& name = next.object.user;
  if (user.removed) return refuse(Code::Denied, "user_removed", "user " + name + " was removed");
  if (user.object == next.digest) {
    return refuse(Code::AlreadyExists, "already_there", "this key of " + name + " is registered");
  }
  if (next.object.sequence != user.sequence + 1 || next.object.previous != user.object) {
    return refuse(Code::FailedPrecondition, "not_next",
                  fmt::format("the next key of {} has sequence {} and previous {}", name,
                              user.sequence + 1, user.object.text()));
  }
  if (is_signed_by(next.envelope, user.sign_key)) return {};
  auto recovery = user.recovery_keys;
  std::erase_if(recovery, [&](const SignPublic& key) {
    const auto known = key_users_.find(key);
    return known != key_users_.end() && users_.at(known->second).removed;
  });
  if (user.recovery_need > 0 &&
      grant::count_signers(next.envelope, recovery) >= user.recovery_need) {
    return {};
  }
  return refuse(Code::Denied, "not_signed",
                fmt::format("needs the signature of the key before, or of {} recovery keys",
                            user.recovery_need));
}

Result<State::Effect> State::on(const RegisterKey& op, std::uint64_t now_ms) {
  COFFER_TRY(const auto in, read<grant::UserKey>(op.envelope));
  const auto& key = in.object;
  COFFER_CHECK(on_this_ledger(key.ledger_vkey));
  if (!is_signed_by(in.envelope, key.sign_key)) {
    return refuse(Code::Denied, "not_signed", "not signed by field 'sign_key'");
  }
  const auto known = users_.find(key.user);
  if (known != users_.end()) {
    COFFER_CHECK(check_successor(known->second, in));
  } else if (key.sequence != 1) {
    return refuse(Code::FailedPrecondition, "not_next", "the first key has sequence 1");
  }
  // Present or past, a key is one user's; and a key given up does not come back.
  const bool keeps = known != users_.end() && known->second.sign_key == key.sign_key;
  if (!keeps && key_users_.contains(key.sign_key)) {
    return refuse(Code::AlreadyExists, "key_taken", "field 'sign_key' was registered before");
  }
  if (known != users_.end()) hint_users_.erase(grant::key_id(known->second.sign_key));
  users_[key.user] = User{in.digest,         key.sequence,      key.sign_key, key.seal_key,
                          key.recovery_keys, key.recovery_need, false};
  key_users_[key.sign_key] = key.user;
  hint_users_[grant::key_id(key.sign_key)] = key.user;
  if (op.role == KeyRole::Operator && !operator_) operator_ = key.user;
  Effect effect;
  append(effect, op.seed, now_ms,
         {"key", Json::object({{"user", key.user},
                               {"key", in.digest.text()},
                               {"sign_key", key_json(key.sign_key)},
                               {"sequence", key.sequence},
                               {"operator", operator_ == key.user}})});
  return effect;
}

Result<State::Effect> State::on(const RemoveUser& op, std::uint64_t now_ms) {
  COFFER_TRY(const auto in, read<grant::Removal>(op.envelope));
  COFFER_CHECK(on_this_ledger(in.object.ledger_vkey));
  if (!operator_) return refuse(Code::FailedPrecondition, "no_operator", "no operator is pinned");
  if (!is_signed_by(in.envelope, users_.at(*operator_).sign_key)) {
    return refuse(Code::Denied, "not_operator", "not signed by the operator's present key");
  }
  COFFER_TRY(const auto user, user_of(in.object.sign_key));
  if (user != in.object.user || users_.at(user).sign_key != in.object.sign_key) {
    return refuse(Code::Denied, "old_key", "field 'sign_key' is not the user's present key");
  }
  if (user == *operator_) {
    return refuse(Code::Denied, "is_operator", "the operator cannot be removed");
  }
  users_.at(user).removed = true;
  Effect effect;
  append(effect, op.seed, now_ms,
         {"removal", Json::object({{"user", user},
                                   {"sign_key", key_json(in.object.sign_key)},
                                   {"removal", in.digest.text()}})});
  return effect;
}

}  // namespace coffer::keeper
