#include <algorithm>

#include "keeper/detail/common.h"

namespace coffer::keeper {
namespace {

Json manifest_json(const grant::Grant& terms) {
  return Json{terms.manifest ? terms.manifest->text() : std::string("*")};
}

// Whether something signed in that second was certainly signed before.
bool is_before(UnixTime issued, std::uint64_t then_ms) { return unix_ms(issued) + 1000 <= then_ms; }

grant::VersionKeyBinding binding_of(const grant::Manifest& manifest, const Digest& digest) {
  return {manifest.dataset_id, manifest.owner_key, digest};
}

}  // namespace

Result<const Dataset*> State::dataset(const std::string& id) const {
  const auto found = datasets_.find(id);
  if (found == datasets_.end())
    return refuse(Code::NotFound, "no_such_dataset", "no dataset " + id);
  return &found->second;
}

Result<std::string> State::dataset_owner_signed(const Dataset& dataset, const SignPublic& owner_key,
                                                const grant::Envelope& envelope) const {
  COFFER_TRY(auto user, owner_signed(owner_key, envelope));
  if (user != dataset.owner) {
    return refuse(Code::Denied, "not_owner", user + " does not own " + dataset.name);
  }
  return user;
}

// ---- Manifests, cards, limits
// ---------------------------------------------------------------------

Result<State::Effect> State::on(const AddManifest& op, std::uint64_t now_ms) {
  COFFER_TRY(const auto in, read<grant::Manifest>(op.envelope));
  const auto& manifest = in.object;
  COFFER_CHECK(on_this_ledger(manifest.ledger_vkey));
  if (versions_.contains(in.digest)) {
    return refuse(Code::AlreadyExists, "already_there", in.digest.text() + " is there");
  }
  COFFER_TRY(const auto owner, owner_signed(manifest.owner_key, in.envelope));
  const auto known = datasets_.find(manifest.dataset_id);
  if (known != datasets_.end()) {
    const Dataset& before = known->second;
    COFFER_CHECK(dataset_owner_signed(before, manifest.owner_key, in.envelope));
    if (manifest.version != before.version + 1 || manifest.parent != before.latest) {
      return refuse(Code::FailedPrecondition, "not_next",
                    fmt::format("the next version of {} is {}, with parent {}", before.name,
                                before.version + 1, before.latest.text()));
    }
    if (manifest.is_public != before.is_public || manifest.name != before.name) {
      return refuse(Code::FailedPrecondition, "not_next",
                    "fields 'name' and 'public' are fixed for a dataset id");
    }
  } else if (manifest.version != 1) {
    return refuse(Code::FailedPrecondition, "not_next", "the first version is 1");
  }
  if (manifest.is_public != op.sealed_key.empty() && !reading_journal_) {
    return refuse(Code::InvalidArgument, "bad_version_key",
                  "protected data has a sealed key, public data none");
  }
  const bool to_check = !op.sealed_key.empty() && !reading_journal_;
  if (to_check && !grant::open_version_key(identity_.seal_key, op.sealed_key,
                                           binding_of(manifest, in.digest))) {
    return refuse(Code::Denied, "bad_version_key",
                  "the sealed key does not open, or is bound to another version");
  }
  Dataset& dataset = datasets_[manifest.dataset_id];
  dataset.name = manifest.name;
  dataset.owner = owner;
  dataset.is_public = manifest.is_public;
  dataset.latest = in.digest;
  dataset.version = manifest.version;
  versions_[in.digest] = Version{manifest.dataset_id, manifest.owner_key, manifest.content,
                                 manifest.chunk_list, op.sealed_key,      false};
  Effect effect;
  append(effect, op.seed, now_ms,
         {"manifest", Json::object({{"dataset_id", manifest.dataset_id},
                                    {"manifest", in.digest.text()},
                                    {"name", manifest.name},
                                    {"version", manifest.version},
                                    {"public", manifest.is_public}})});
  return effect;
}

Result<State::Effect> State::on(const RemoveVersion& op, std::uint64_t now_ms) {
  const auto found = versions_.find(op.manifest);
  if (found == versions_.end()) {
    return refuse(Code::NotFound, "no_such_version", "no version " + op.manifest.text());
  }
  Version& version = found->second;
  if (version.removed) {
    return refuse(Code::AlreadyExists, "already_removed", op.manifest.text() + " was removed");
  }
  COFFER_TRY(const auto in, read<grant::Revocation>(op.envelope));
  const User& owner = users_.at(datasets_.at(version.dataset_id).owner);
  if (in.object.grant != op.manifest || owner.removed ||
      !is_signed_by(in.envelope, owner.sign_key)) {
    return refuse(Code::Denied, "not_owner", "no removal of it, signed by the owner's present key");
  }
  version.removed = true;
  version.sealed_key.clear();
  Effect effect;
  append(effect, op.seed, now_ms,
         {"removal", Json::object({{"dataset_id", version.dataset_id},
                                   {"manifest", op.manifest.text()},
                                   {"statement", in.digest.text()},
                                   {"reason", in.object.reason}})});
  return effect;
}

Result<State::Effect> State::on(const SetCard& op, std::uint64_t now_ms) {
  COFFER_TRY(const auto in, read<grant::Card>(op.envelope));
  const auto& card = in.object;
  COFFER_CHECK(on_this_ledger(card.ledger_vkey));
  COFFER_TRY(const Dataset* known, dataset(card.dataset_id));
  COFFER_CHECK(dataset_owner_signed(*known, card.owner_key, in.envelope));
  const auto version = versions_.find(card.manifest);
  if (version == versions_.end() || version->second.dataset_id != card.dataset_id) {
    return refuse(Code::NotFound, "no_such_version", "field 'manifest' is no version of it");
  }
  if (known->graded && card.sequence <= known->graded->sequence) {
    return refuse(Code::AlreadyExists, "old_sequence",
                  fmt::format("field 'sequence' must be above {}", known->graded->sequence));
  }
  datasets_.at(card.dataset_id).graded = Dataset::Graded{in.digest, card.data_class, card.sequence};
  Effect effect;
  append(effect, op.seed, now_ms,
         {"card", Json::object({{"dataset_id", card.dataset_id},
                                {"manifest", card.manifest.text()},
                                {"card", in.digest.text()},
                                {"class", grant::class_name(card.data_class)},
                                {"grade", card.grade},
                                {"sequence", card.sequence}})});
  return effect;
}

Result<State::Effect> State::on(const SetLimit& op, std::uint64_t now_ms) {
  COFFER_TRY(const auto in, read<grant::Limit>(op.envelope));
  const auto& limit = in.object;
  COFFER_CHECK(on_this_ledger(limit.ledger_vkey));
  COFFER_TRY(const Dataset* known, dataset(limit.dataset_id));
  COFFER_CHECK(dataset_owner_signed(*known, limit.owner_key, in.envelope));
  if (known->is_public) {
    return refuse(Code::FailedPrecondition, "public_data", known->name + " is public");
  }
  if (!known->graded) {
    return refuse(Code::FailedPrecondition, "ungraded", known->name + " is not graded");
  }
  if (known->limit && limit.sequence <= known->limit->sequence) {
    return refuse(Code::AlreadyExists, "old_sequence",
                  fmt::format("field 'sequence' must be above {}", known->limit->sequence));
  }
  // A limit signed before entries were lost may be one that was lowered since.
  if (known->frozen_ms && is_before(limit.issued, *known->frozen_ms)) {
    return refuse(Code::FailedPrecondition, "frozen",
                  "entries were lost: field 'issued' must be after " +
                      render_time(unix_time(*known->frozen_ms)));
  }
  const auto used = known->spent + known->reserved;
  if (limit.bits < used.bits || limit.epsilon_milli < used.epsilon_milli) {
    return refuse(Code::FailedPrecondition, "limit_below_use",
                  fmt::format("spent and reserved: {} bits, {} epsilon_milli", used.bits,
                              used.epsilon_milli));
  }
  Dataset& dataset = datasets_.at(limit.dataset_id);
  dataset.limit = limit;
  dataset.frozen_ms.reset();
  for (const auto& digest : dataset.grants) {
    GrantMemory& grant = grants_.at(digest);
    if (!is_before(limit.issued, grant.lost_ms)) grant.losses = 0;
  }
  Effect effect;
  append(effect, op.seed, now_ms,
         {"limit", Json::object({{"dataset_id", limit.dataset_id},
                                 {"limit", in.digest.text()},
                                 {"bits", limit.bits},
                                 {"epsilon_milli", limit.epsilon_milli},
                                 {"overcommit", limit.overcommit},
                                 {"sequence", limit.sequence}})});
  return effect;
}

// ---- Grants
// ---------------------------------------------------------------------------------------

// Everyone named is known here, by the key that is his now.
Result<> State::check_people(const grant::Grant& terms) const {
  for (const auto* keys : {&terms.grantee_keys, &terms.approver_keys}) {
    for (const auto& key : *keys) {
      COFFER_TRY(const auto user, user_of(key));
      if (users_.at(user).sign_key != key) {
        return refuse(Code::Denied, "old_key", "names a key that " + user + " has replaced");
      }
    }
  }
  return {};
}

// The table of classes: what the owner of such data may not sign away.
Result<> State::check_class(const grant::Grant& terms, const Dataset& dataset) const {
  const auto data_class = dataset.graded->data_class;
  const std::uint64_t needed = data_class == grant::DataClass::General     ? 0
                               : data_class == grant::DataClass::Important ? 1
                                                                           : 2;
  const auto name = grant::class_name(data_class);
  if (terms.approvals_needed < needed) {
    return refuse(
        Code::FailedPrecondition, "class_needs_approvals",
        fmt::format("{} data: field 'approvals_needed' must be at least {}", name, needed));
  }
  if (needed > 0 && terms.auto_bits > 0) {
    return refuse(Code::FailedPrecondition, "class_never_automatic",
                  fmt::format("{} data: field 'auto_bits' must be 0", name));
  }
  if (data_class == grant::DataClass::Core && !terms.exclusive) {
    return refuse(Code::FailedPrecondition, "class_exclusive",
                  "core data: field 'exclusive' must be true");
  }
  return {};
}

// Grants may not sum above the limit: live ones count whole, others what they used.
Result<> State::check_room(const grant::Grant& terms, const Dataset& dataset,
                           std::uint64_t now_ms) const {
  if (dataset.limit->overcommit) return {};
  program::Cost sum{terms.budgets.bits, terms.budgets.epsilon_milli, 0, 0};
  for (const auto& digest : dataset.grants) {
    const GrantMemory& other = grants_.at(digest);
    const auto& budgets = other.terms.budgets;
    const bool live = !other.revoked && now_ms < unix_ms(other.terms.until);
    sum = sum + (live ? program::Cost{budgets.bits, budgets.epsilon_milli, 0, 0}
                      : other.spent + other.reserved);
  }
  if (sum.bits <= dataset.limit->bits && sum.epsilon_milli <= dataset.limit->epsilon_milli)
    return {};
  return refuse(
      Code::BudgetExhausted, "over_limit",
      fmt::format("all grants would be {} bits, {} epsilon_milli; the limit of {} is {}, {}",
                  sum.bits, sum.epsilon_milli, dataset.name, dataset.limit->bits,
                  dataset.limit->epsilon_milli));
}

Result<State::Effect> State::on(const AddGrant& op, std::uint64_t now_ms) {
  COFFER_TRY(const auto in, read<grant::Grant>(op.envelope));
  const auto& terms = in.object;
  COFFER_CHECK(on_this_ledger(terms.ledger_vkey));
  if (grants_.contains(in.digest)) {
    return refuse(Code::AlreadyExists, "already_there", grant::grant_id(in.digest) + " is there");
  }
  COFFER_TRY(const Dataset* known, dataset(terms.dataset_id));
  COFFER_CHECK(dataset_owner_signed(*known, terms.owner_key, in.envelope));
  if (known->is_public) {
    return refuse(Code::FailedPrecondition, "public_data",
                  known->name + " is public: no grant needed");
  }
  if (!known->graded) {
    return refuse(Code::FailedPrecondition, "ungraded", known->name + " is not graded");
  }
  if (!known->limit) {
    return refuse(Code::FailedPrecondition, "no_limit", known->name + " has no limit");
  }
  if (known->frozen_ms) {
    return refuse(Code::FailedPrecondition, "frozen", known->name + " needs a new limit first");
  }
  if (terms.manifest) {
    const auto version = versions_.find(*terms.manifest);
    if (version == versions_.end() || version->second.dataset_id != terms.dataset_id ||
        version->second.removed) {
      return refuse(Code::NotFound, "no_such_version", "field 'manifest' is no version of it");
    }
  }
  if (now_ms >= unix_ms(terms.until)) {
    return refuse(Code::FailedPrecondition, "expired", "field 'until' has passed");
  }
  for (const auto lane : terms.lanes) {
    if (lane != program::Lane::Bounded) {
      return refuse(Code::FailedPrecondition, "lane_unavailable",
                    "lane " + std::string(program::text_of_lane(lane)) + " is not available yet");
    }
  }
  COFFER_CHECK(check_people(terms));
  const auto approvers = users_of(terms.approver_keys);
  for (const auto& user : users_of(terms.grantee_keys)) {
    if (approvers.contains(user)) {
      return refuse(Code::Denied, "grantee_approves", user + " is grantee and approver");
    }
  }
  COFFER_CHECK(check_class(terms, *known));
  COFFER_CHECK(check_room(terms, *known, now_ms));
  grants_[in.digest].terms = terms;
  datasets_.at(terms.dataset_id).grants.push_back(in.digest);
  Effect effect;
  append(effect, op.seed, now_ms,
         {"grant", Json::object({{"grant", in.digest.text()},
                                 {"dataset_id", terms.dataset_id},
                                 {"manifest", manifest_json(terms)},
                                 {"bits", terms.budgets.bits},
                                 {"epsilon_milli", terms.budgets.epsilon_milli},
                                 {"runs", terms.budgets.runs},
                                 {"cpu_ms", terms.budgets.cpu_ms},
                                 {"until", render_time(terms.until)}})});
  return effect;
}

Result<State::Signed<grant::Revocation>> State::read_revocation(const std::string& envelope) const {
  COFFER_TRY(auto in, read<grant::Revocation>(envelope));
  const auto found = grants_.find(in.object.grant);
  if (found == grants_.end()) {
    return refuse(Code::NotFound, "no_such_grant", "no " + grant::grant_id(in.object.grant));
  }
  const auto& owner = datasets_.at(found->second.terms.dataset_id).owner;
  const User& user = users_.at(owner);
  if (user.removed || !is_signed_by(in.envelope, user.sign_key)) {
    return refuse(Code::Denied, "not_owner",
                  "only the owner may sign this, with their present key");
  }
  return in;
}

void State::revoke(const Digest& digest, std::uint64_t now_ms) {
  grants_.at(digest).revoked = true;
  for (auto& [id, run] : runs_) {
    const bool under = std::find(run.grants.begin(), run.grants.end(), digest) != run.grants.end();
    if (under && run.phase == Phase::Running) cancel_started(run, CancelCause::Revoked, now_ms);
  }
}

Result<State::Effect> State::on(const Revoke& op, std::uint64_t now_ms) {
  COFFER_TRY(const auto in, read_revocation(op.envelope));
  const auto& digest = in.object.grant;
  if (grants_.at(digest).revoked && !pending_.contains(digest)) {
    return refuse(Code::AlreadyExists, "already_revoked", grant::grant_id(digest) + " was revoked");
  }
  if (!grants_.at(digest).revoked) revoke(digest, now_ms);
  pending_.erase(digest);
  Effect effect;
  append(effect, op.seed, now_ms,
         {"revocation", Json::object({{"grant", digest.text()},
                                      {"revocation", in.digest.text()},
                                      {"reason", in.object.reason}})});
  return effect;
}

Result<State::Effect> State::on(const RevokeDirect& op, std::uint64_t now_ms) {
  COFFER_TRY(const auto in, read_revocation(op.envelope));
  if (grants_.at(in.object.grant).revoked) return Effect{false, {}};
  revoke(in.object.grant, now_ms);
  pending_[in.object.grant] = op.envelope;
  return Effect{};
}

}  // namespace coffer::keeper
