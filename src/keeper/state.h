// State: everything the keeper knows, and every rule by which it changes.
//
// A pure state machine: what an operation does depends on the operation, the time it is given and
// the operations before it, nothing else; so a journal of operations is the memory itself.
// Invariants, after every operation:
//   - of each grant spent + reserved fits its budgets; of each dataset its limit, and both are the
//     sums over its runs; a run that is over reserves nothing;
//   - a run digest is accepted once; a revoked grant and a removed user never return;
//   - the tree holds the leaf of every entry ever made, in order;
//   - a refused operation changed nothing.
// Errors: of apply() and reply(): the rule that refused in `rule` (stable, see each function in the
// sources), ids, fields and limits in `message`; Code by the kind of rule: Denied (signatures,
// owners, approvals), BudgetExhausted, AlreadyExists (replays), FailedPrecondition (order, time,
// class), NotFound, Unavailable (not before its slot), InvalidArgument (malformed).
// Thread-safety: one thread.
// Source: protocol.md sections 2 to 5 and 7.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "keeper/memory.h"
#include "keeper/messages.h"
#include "keeper/over_runs.h"
#include "ledger/merkle.h"

namespace coffer::keeper {

// Whether a request changes nothing. Of the others each that is accepted and changes something is
// to be remembered before it is answered.
bool is_query(const Request& request);

class State {
 public:
  struct Identity {
    SealKey seal_key;
    std::string ledger_vkey;
  };
  // What an accepted operation did. Not changed: it had been done before.
  struct Effect {
    bool changed{true};
    std::vector<Entry> entries;
  };

  State(Identity identity, OverRuns over, ledger::MerkleTree tree)
      : identity_(std::move(identity)), tree_(std::move(tree)), over_(std::move(over)) {}

  // A query is refused here (Internal).
  Result<Effect> apply(const Request& operation, std::uint64_t now_ms);
  // The answer from the state as it is: to a query all of it; to an operation that was applied what
  // is not its entries (sealed keys, times), so that it can be made again for one sent again.
  // Checkpoints are left empty.
  Result<Reply> reply(const Request& request, std::uint64_t now_ms) const;

  const ledger::MerkleTree& tree() const { return tree_; }
  const OverRuns& over() const { return over_; }
  std::uint32_t pending_count() const { return static_cast<std::uint32_t>(pending_.size()); }
  // Protected versions that should have a key and have none: only a journal with a key wiped, and
  // no removal after it, makes one.
  bool lacks_a_key() const;
  // While a journal is read a key that was wiped from it may be absent, and signatures and sealed
  // keys that were checked when it was written are not checked again.
  void set_reading_journal(bool reading) { reading_journal_ = reading; }

 private:
  template <class T>
  struct Signed {
    T object;
    grant::Envelope envelope;
    Digest digest;
  };
  // What each grant of a run says to an automatic release, and what the run becomes.
  struct Computed {
    Settled settled;
    program::Settlement settlement;
    std::uint64_t auto_spent{0};
  };

  // One per operation, in users.cpp, datasets.cpp, runs.cpp, outputs.cpp.
  Result<Effect> on(const RegisterKey& op, std::uint64_t now_ms);
  Result<Effect> on(const RemoveUser& op, std::uint64_t now_ms);
  Result<Effect> on(const AddManifest& op, std::uint64_t now_ms);
  Result<Effect> on(const RemoveVersion& op, std::uint64_t now_ms);
  Result<Effect> on(const SetCard& op, std::uint64_t now_ms);
  Result<Effect> on(const SetLimit& op, std::uint64_t now_ms);
  Result<Effect> on(const AddGrant& op, std::uint64_t now_ms);
  Result<Effect> on(const Revoke& op, std::uint64_t now_ms);
  Result<Effect> on(const RevokeDirect& op, std::uint64_t now_ms);
  Result<Effect> on(const SubmitRun& op, std::uint64_t now_ms);
  Result<Effect> on(const Open& op, std::uint64_t now_ms);
  Result<Effect> on(const Started& op, std::uint64_t now_ms);
  Result<Effect> on(const Report& op, std::uint64_t now_ms);
  Result<Effect> on(const Cancel& op, std::uint64_t now_ms);
  Result<Effect> on(const Settle& op, std::uint64_t now_ms);
  Result<Effect> on(const Approve& op, std::uint64_t now_ms);
  Result<Effect> on(const Decide& op, std::uint64_t now_ms);
  Result<Effect> on(const View& op, std::uint64_t now_ms);
  Result<Effect> on(const Download& op, std::uint64_t now_ms);
  Result<Effect> on(const Recover& op, std::uint64_t now_ms);

  // Replies, in replies.cpp.
  Result<Reply> answer(const Open& op, std::uint64_t now_ms) const;
  Result<Reply> answer(const Started& op, std::uint64_t now_ms) const;
  Result<Reply> answer(const Report& op, std::uint64_t now_ms) const;
  Result<Reply> answer(const Cancel& op, std::uint64_t now_ms) const;
  Result<Reply> answer(const View& op, std::uint64_t now_ms) const;
  Result<Reply> answer(const Download& op, std::uint64_t now_ms) const;
  Result<Reply> answer(const ReleaseKey& query, std::uint64_t now_ms) const;
  Result<Reply> answer(const GrantBudget& query, std::uint64_t now_ms) const;
  Result<Reply> answer(const DatasetBudget& query, std::uint64_t now_ms) const;
  Result<Reply> answer(const RunQuery& query, std::uint64_t now_ms) const;
  Result<Reply> answer(const WouldAccept& query, std::uint64_t now_ms) const;
  Result<Reply> answer(const OpenRuns& query, std::uint64_t now_ms) const;
  Result<Reply> answer(const Leaves& query, std::uint64_t now_ms) const;
  Result<Reply> answer(const Status& query, std::uint64_t now_ms) const;

  // Entries, in state.cpp.
  struct Draft {
    std::string_view kind;
    Json private_fields;
    std::optional<ledger::LostRange> lost{};
  };
  void append(Effect& effect, const Seed& seed, std::uint64_t now_ms, const Draft& draft);
  enum class LostBy : std::uint8_t { Database, Keeper };
  struct Loss {
    LostBy by;
    std::optional<ledger::MerkleTree> longer{};  // with what is taken back
  };
  Result<Loss> loss_of(const Recover& op) const;

  // Signatures and people, in users.cpp.
  template <class T>
  Result<Signed<T>> read(const std::string& envelope) const;
  Result<> on_this_ledger(std::string_view vkey) const;
  Result<std::string> user_of(const SignPublic& key) const;  // unless removed
  bool is_signed_by(const grant::Envelope& envelope, const SignPublic& key) const;
  Result<std::string> signer(const grant::Envelope& envelope) const;
  Result<std::string> owner_signed(const SignPublic& owner_key,
                                   const grant::Envelope& envelope) const;
  std::set<std::string> users_of(const std::vector<SignPublic>& keys) const;  // but removed ones
  Result<> check_successor(const User& user, const Signed<grant::UserKey>& next) const;

  // Datasets and grants, in datasets.cpp.
  Result<const Dataset*> dataset(const std::string& id) const;
  Result<std::string> dataset_owner_signed(const Dataset& dataset, const SignPublic& owner_key,
                                           const grant::Envelope& envelope) const;
  Result<> check_people(const grant::Grant& terms) const;
  Result<> check_class(const grant::Grant& terms, const Dataset& dataset) const;
  Result<> check_room(const grant::Grant& terms, const Dataset& dataset,
                      std::uint64_t now_ms) const;
  Result<Signed<grant::Revocation>> read_revocation(const std::string& envelope) const;
  void revoke(const Digest& grant, std::uint64_t now_ms);

  // Runs, in runs.cpp.
  // Borrowed where it is not over, unpacked where it is.
  Result<std::shared_ptr<const RunMemory>> run(const Digest& digest) const;
  Result<std::vector<std::string>> match_inputs(const grant::Run& request) const;
  Result<> usable(const RunMemory& run, std::uint64_t now_ms) const;
  // A run with all its checks, as it would be remembered.
  Result<RunMemory> acceptable(grant::Run request, std::string user, std::uint64_t now_ms) const;
  Result<> check_terms(const grant::Grant& terms, const grant::Run& request) const;
  Result<> check_budgets(const RunMemory& run) const;
  void move_sums(RunMemory& run, const program::Cost& reserved, const program::Cost& charged);
  void cancel_started(RunMemory& run, CancelCause cause, std::uint64_t now_ms);
  void close(const Digest& digest);
  std::uint64_t visible_at_ms(const RunMemory& run) const;
  Result<> check_report(const RunMemory& run, const RunReport& report) const;

  // Settling and what is held, in outputs.cpp.
  std::vector<program::AutomaticLimits> automatic_limits(const RunMemory& run) const;
  Result<Computed> compute(const RunMemory& run, std::uint64_t now_ms) const;
  Result<const OutputMemory*> output(const RunMemory& run, std::string_view name) const;
  std::uint64_t approvals_needed(const GrantMemory& grant) const;
  bool revoked(const RunMemory& run) const;
  bool is_approver(const RunMemory& run, const std::string& user) const;
  Result<> check_release(const RunMemory& run, const OutputMemory& output,
                         std::uint64_t now_ms) const;
  Result<> check_withholding(const RunMemory& run, const OutputMemory& output, const Decide& op,
                             std::uint64_t now_ms) const;
  Result<std::string> viewer(const View& op) const;
  Result<std::string> fetcher(const Digest& run, std::string_view output,
                              const SignPublic& key) const;
  Result<ByteVector> reseal(const ByteVector& sealed, const std::string& user) const;

  Identity identity_;
  bool reading_journal_{false};
  ledger::MerkleTree tree_;
  std::map<std::string, User> users_;
  std::map<SignPublic, std::string> key_users_;    // every key a user ever had
  std::map<std::string, std::string> hint_users_;  // key id of the present keys
  std::optional<std::string> operator_;
  std::map<std::string, Dataset> datasets_;
  std::map<Digest, Version> versions_;
  std::map<Digest, GrantMemory> grants_;
  std::map<Digest, std::string> pending_;  // revocations that have no entry yet
  std::map<Digest, RunMemory> runs_;       // those that are not over
  OverRuns over_;
};

// An Error that names the rule which refused.
Error refuse(Code code, std::string_view rule, std::string message);

}  // namespace coffer::keeper
