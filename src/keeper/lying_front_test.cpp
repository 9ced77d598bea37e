// A front that was taken over lies in every way it can. Each lie is refused by the rule that it
// breaks, the answer names what is wrong, and the keeper's memory stays as it was; beside each is
// the honest request that differs in that one point and is accepted.
#include <gtest/gtest.h>

#include <algorithm>

#include "keeper/test_world.h"
#include "ledger/checkpoint.h"

namespace coffer::keeper::test {
namespace {

struct LyingFront : ::testing::Test, Clinic {
  Person& mal = person("mal");
  Digest granted = grant(stew, terms());

  // All that a lie could have moved.
  std::vector<ByteVector> memory() {
    std::vector<ByteVector> out{encode(Reply{must<RunsReply>(OpenRuns{})})};
    for (const auto& query : {Request{GrantBudget{granted}}, Request{DatasetBudget{kId}}}) {
      out.push_back(encode(*ask(query)));
    }
    const auto tree = state->tree().root();
    out.emplace_back(tree.bytes.begin(), tree.bytes.end());
    return out;
  }

  void refused(const Request& lie, std::string_view rule_wanted, std::string_view word) {
    const auto before = memory();
    const auto reply = ask(lie);
    ASSERT_FALSE(reply) << "accepted; wanted " << rule_wanted;
    EXPECT_EQ(reply.error().rule, rule_wanted);
    EXPECT_NE(reply.error().message.find(word), std::string::npos) << reply.error().message;
    EXPECT_EQ(memory(), before) << rule_wanted << ": a refusal changed something";
  }
  void accepted(const Request& honest) { EXPECT_EQ(rule(honest), ""); }

  template <class T>
  static std::string signed_text(const T& object, const Person& by) {
    return render(grant::sign(object, by.sign));
  }
  grant::Manifest second_version(const Person& owner) {
    auto out = manifest_object(owner, kId);
    out.version = 2;
    out.parent = manifest;
    out.content = sha256("content of version 2");
    return out;
  }
  grant::Limit next_limit(const Person& owner, std::uint64_t bits) {
    auto out = limit_object(owner, kId, bits);
    out.sequence = 2;
    return out;
  }
  // A run of ada's that has settled: metrics released, weights held.
  Digest held_run() { return whole_run(ada, both(granted)); }
  Decide decide(const Digest& run, Decision decision, DecisionCause cause) {
    return {seed(), run, "weights", decision, cause};
  }
};

// ---- Forged owner keys -------------------------------------------------------------------------

TEST_F(LyingFront, CannotSignForAnOwner) {
  auto limit = next_limit(stew, 2'000'000);
  refused(SetLimit{seed(), signed_text(limit, mal)}, "not_signed", "owner_key");
  accepted(SetLimit{seed(), signed_text(limit, stew)});
  auto card = card_object(stew, kId, manifest);
  card.sequence = 2;
  refused(SetCard{seed(), signed_text(card, mal)}, "not_signed", "owner_key");
  accepted(SetCard{seed(), signed_text(card, stew)});
  const auto wanted = grant_object(stew, kId, ada);
  refused(AddGrant{seed(), signed_text(wanted, mal)}, "not_signed", "owner_key");
  accepted(AddGrant{seed(), signed_text(wanted, stew)});
}

TEST_F(LyingFront, CannotPutAnotherKeyInTheOwnersPlace) {
  auto limit = next_limit(mal, 2'000'000);
  refused(SetLimit{seed(), signed_text(limit, mal)}, "not_owner", "clinic/aaaaaaaaaaaaaaaa");
  auto card = card_object(mal, kId, manifest);
  card.sequence = 2;
  refused(SetCard{seed(), signed_text(card, mal)}, "not_owner", "mal");
  refused(add_grant(mal, grant_object(mal, kId, mal)), "not_owner", "mal");
  refused(add_manifest(mal, second_version(mal)), "not_owner", "mal");
  refused(removal(mal, manifest), "not_owner", "removal");
  refused(Revoke{seed(), revocation(mal, granted)}, "not_owner", "owner");
  accepted(add_manifest(mal, manifest_object(mal, kOtherId)));  // its own data it may add
  accepted(add_manifest(stew, second_version(stew)));
  accepted(Revoke{seed(), revocation(stew, granted)});
}

TEST_F(LyingFront, CannotGiveAPersonAnotherKey) {
  auto next = key_object("stew", sign_key_of("forged"), seal_key_of("forged"));
  next.sequence = 2;
  next.previous = digest_of(stew.object);
  const auto itself = render(grant::sign(next, sign_key_of("forged")));
  refused(RegisterKey{seed(), itself, KeyRole::User}, "not_signed", "key before");
  auto first = key_object("stew", sign_key_of("forged"), seal_key_of("forged"));
  refused(RegisterKey{seed(), render(grant::sign(first, sign_key_of("forged"))), KeyRole::User},
          "not_next", "stew");
  auto taken = key_object("zoe", stew.sign, seal_key_of("forged"));
  refused(RegisterKey{seed(), render(grant::sign(taken, stew.sign)), KeyRole::User}, "key_taken",
          "sign_key");
  const auto both_signed = countersign(grant::sign(next, sign_key_of("forged")), stew.sign);
  accepted(RegisterKey{seed(), render(both_signed), KeyRole::User});
}

TEST_F(LyingFront, CannotRemoveAPersonWithoutTheOperator) {
  const grant::Removal gone{"ada", ada.sign.public_key(), vkey, time_of(now)};
  refused(RemoveUser{seed(), signed_text(gone, mal)}, "not_operator", "operator");
  accepted(RemoveUser{seed(), signed_text(gone, root)});
}

TEST_F(LyingFront, CannotMoveAVersionKeyToAnotherVersion) {
  const auto own = manifest_object(mal, kOtherId);
  auto stolen = add_manifest(mal, own);
  stolen.sealed_key = add_manifest(stew, manifest_object(stew, kId)).sealed_key;
  refused(stolen, "bad_version_key", "bound to another version");
  accepted(add_manifest(mal, own));
}

// ---- Entries beyond a limit --------------------------------------------------------------------

TEST_F(LyingFront, CannotGrantBeyondTheLimit) {
  auto wide = grant_object(stew, kId, ada);
  wide.budgets.bits = 1'000'000 - terms().budgets.bits + 1;
  refused(add_grant(stew, wide), "over_limit", "1000000");
  wide.budgets.bits -= 1;
  accepted(add_grant(stew, wide));
}

TEST_F(LyingFront, CannotReserveBeyondTheGrant) {
  auto narrow = grant_object(stew, kId, ada);
  const auto request = run_object({}, manifest);
  narrow.budgets.bits = 2 * program::quote_of(request.resources, request.outputs).cost.bits - 1;
  const auto small = grant(stew, narrow);
  accepted(submit(ada, run_object({small}, manifest)));
  refused(submit(ada, run_object({small}, manifest)), "grant_exhausted", "bits");
}

TEST_F(LyingFront, CannotSettleForLessThanWasUsed) {
  const auto request = both(granted);
  const auto run = digest_of(request);
  append(submit(ada, request));
  start(run);
  must<ReportReply>(Report{run, 1, judged(request)});
  refused(Settle{seed(), run, {}}, "not_visible", "slot");
  now += 4000;
  const auto honest = settle(run);
  auto lie = honest;
  lie.settled.charged.bits -= 1;
  refused(lie, "settlement_differs", "charged");
  lie = honest;
  lie.settled.verdicts.at(1) = program::Verdict::Released;
  refused(lie, "settlement_differs", "verdicts");
  lie = honest;
  lie.settled.slot_s = 8;
  refused(lie, "settlement_differs", "slot_s");
  lie = honest;
  lie.settled.ending = program::Ending::Lost;
  refused(lie, "settlement_differs", "ending");
  accepted(honest);
}

// ---- One reservation for two openings ----------------------------------------------------------

TEST_F(LyingFront, CannotOpenTwiceOnOneReservation) {
  const auto request = run_object({granted}, manifest);
  const auto run = digest_of(request);
  refused(open(run), "no_such_run", "run_");
  append(submit(ada, request));
  refused(open(run, 2), "wrong_attempt", "1");
  start(run);
  refused(open(run), "wrong_attempt", "started");  // to a second worker, the same attempt
  refused(open(run, 2), "no_retry", "retry");
  auto again = submit(ada, request);
  refused(again, "replayed", grant::run_id(run));
  must<ReportReply>(Report{run, 1, judged(request)});
  refused(open(run, 2), "already_over", "reported");
  now += 4000;
  const auto honest = settle(run);
  append(honest);
  refused(Settle{seed(), run, honest.settled}, "already_settled", "settled");
  refused(open(run, 2), "already_over", "over");
  accepted(submit(ada, run_object({granted}, manifest)));  // a reservation of its own
}

TEST_F(LyingFront, CannotOpenWhatItGaveBack) {
  const auto request = run_object({granted}, manifest);
  const auto run = digest_of(request);
  append(submit(ada, request));
  append(Cancel{seed(), run, CancelCause::Cancelled});
  refused(open(run), "already_over", "over");
  const auto other = run_object({granted}, manifest);
  append(submit(ada, other));
  start(digest_of(other));
  // Nor take back what has been shown to a program.
  refused(Cancel{seed(), digest_of(other), CancelCause::CellUnproven}, "already_started",
          "started");
  EXPECT_GT(budget(granted).reserved.bits, 0U);
}

// ---- Withheld approvals ------------------------------------------------------------------------

TEST_F(LyingFront, CannotReleaseWithoutItsApprovals) {
  const auto run = held_run();
  refused(decide(run, Decision::Released, DecisionCause::Approved), "approvals_missing", "0 of 1");
  refused(decide(run, Decision::Released, DecisionCause::Expired), "wrong_cause", "approved");
  refused(Approve{seed(), approval(ada, run, "weights")}, "not_approver", "ada");
  refused(Approve{seed(), approval(mal, run, "weights")}, "not_approver", "mal");
  const grant::Approval other{run, "weights", sha256("other content"),
                              grant::ApprovalVerdict::Approve, "ok"};
  refused(Approve{seed(), signed_text(other, rex)}, "other_commitment", "commitment");
  refused(Download{seed(), run, "weights", ada.sign.public_key()}, "not_released", "held");
  accepted(Approve{seed(), approval(rex, run, "weights")});
  accepted(decide(run, Decision::Released, DecisionCause::Approved));
}

TEST_F(LyingFront, CannotCountOneApproverTwice) {
  Person& ben = person("ben");
  auto two = terms();
  two.approver_keys.push_back(ben.sign.public_key());
  std::sort(two.approver_keys.begin(), two.approver_keys.end());
  two.approvals_needed = 2;
  const auto run = whole_run(ada, both(grant(stew, two)));
  append(Approve{seed(), approval(rex, run, "weights")});
  refused(Approve{seed(), approval(rex, run, "weights")}, "already_said", "rex");
  refused(decide(run, Decision::Released, DecisionCause::Approved), "approvals_missing", "1 of 2");
  accepted(Approve{seed(), approval(ben, run, "weights")});
  accepted(decide(run, Decision::Released, DecisionCause::Approved));
}

TEST_F(LyingFront, CannotKeepBackARefusalOnceItCame) {
  const auto run = held_run();
  append(Approve{seed(), approval(rex, run, "weights", grant::ApprovalVerdict::Refuse)});
  refused(decide(run, Decision::Released, DecisionCause::Approved), "refused", "rex");
  accepted(decide(run, Decision::Withheld, DecisionCause::Refused));
}

TEST_F(LyingFront, CannotWithholdForACauseThatIsNone) {
  const auto run = held_run();
  refused(decide(run, Decision::Withheld, DecisionCause::Approved), "wrong_cause", "approved");
  refused(decide(run, Decision::Withheld, DecisionCause::Refused), "wrong_cause", "no approver");
  refused(decide(run, Decision::Withheld, DecisionCause::Expired), "wrong_cause", "14 days");
  refused(decide(run, Decision::Withheld, DecisionCause::Revoked), "wrong_cause", "revoked");
  now += kHeldMs;
  refused(Approve{seed(), approval(rex, run, "weights")}, "expired", "14 days");
  accepted(decide(run, Decision::Withheld, DecisionCause::Expired));
}

// ---- Replays -----------------------------------------------------------------------------------

TEST_F(LyingFront, CannotReplayWhatWasRevokedRaisedOrReplaced) {
  const auto raised = SetLimit{seed(), signed_text(next_limit(stew, 900'000), stew)};
  append(raised);
  const auto older = signed_text(limit_object(stew, kId, 1'000'000), stew);
  refused(SetLimit{seed(), older}, "old_sequence", "sequence");
  refused(SetLimit{seed(), raised.envelope}, "old_sequence", "sequence");
  refused(SetCard{seed(), signed_text(card_object(stew, kId, manifest), stew)}, "old_sequence",
          "sequence");
  const auto first = grant_object(stew, kId, ada);
  append(add_grant(stew, first));
  refused(add_grant(stew, first), "already_there", grant::grant_id(digest_of(first)));
  append(Revoke{seed(), revocation(stew, digest_of(first))});
  refused(add_grant(stew, first), "already_there", grant::grant_id(digest_of(first)));
  refused(submit(ada, run_object({digest_of(first)}, manifest)), "revoked",
          grant::grant_id(digest_of(first)));
  accepted(add_grant(stew, grant_object(stew, kId, ada)));  // the same terms, signed anew
}

TEST_F(LyingFront, CannotUseWhatWasSignedForAnotherLedger) {
  auto foreign = grant_object(stew, kId, ada);
  foreign.ledger_vkey = ledger::VerifierKey::make("other.example/ledger", ledger::KeyType::Ed25519,
                                                  sign_key_of("other ledger").public_key())
                            ->text();
  refused(add_grant(stew, foreign), "other_ledger", "ledger_vkey");
  auto ours = foreign;
  ours.ledger_vkey = vkey;
  accepted(add_grant(stew, ours));
}

// ---- Old checkpoints ---------------------------------------------------------------------------

TEST_F(LyingFront, CannotTakeTheLedgerBackToAnOldCheckpoint) {
  const auto size = state->tree().size();
  const auto key = sign_key_of("ledger");
  const auto old =
      *ledger::sign_checkpoint({"coffer.example/ledger", size, state->tree().root()}, key);
  append(add_grant(stew, grant_object(stew, kId, ada)));
  const Digest leaf = *state->tree().leaf(size);
  // The entry after the old checkpoint as if it were not there; and made up ones behind the end.
  refused(Recover{seed(), "restored", {size, size}, {leaf}, old}, "malformed", "go on from");
  refused(Recover{seed(), "restored", {size + 1, size + 1}, {leaf}, old}, "not_our_checkpoint",
          "checkpoint");
  auto longer = state->tree();
  longer.append(sha256("made up"));
  const ledger::Checkpoint forged{"coffer.example/ledger", longer.size(), longer.root()};
  const auto by_mal = *ledger::sign_checkpoint(forged, sign_key_of("mal"));
  refused(Recover{seed(), "restored", {size + 1, size + 1}, {sha256("made up")}, by_mal},
          "not_our_checkpoint", "checkpoint");
  refused(Recover{seed(), "restored", {0, size + 1}, {}, ""}, "malformed", "lost");
  // That its own database is older it may say: nothing is given back for it.
  const auto before = budget(kId);
  accepted(Recover{seed(), "restored", {size, size}, {}, ""});
  EXPECT_EQ(budget(kId).spent, before.spent);
  EXPECT_EQ(budget(kId).reserved, before.reserved);
}

// ---- Other people's runs -----------------------------------------------------------------------

TEST_F(LyingFront, CannotSubmitForAnotherOrOnAnothersGrant) {
  const auto request = run_object({granted}, manifest);
  refused(submit(mal, request), "not_grantee", "mal");
  auto envelope = grant::sign(request, mal.sign);
  envelope.signatures.at(0).key_id = grant::key_id(ada.sign.public_key());
  refused(SubmitRun{seed(), render(envelope)}, "not_signed", "present key");
  accepted(submit(ada, request));
}

TEST_F(LyingFront, CannotHandAnothersRunOn) {
  const auto run = held_run();
  refused(Download{seed(), run, "metrics", mal.sign.public_key()}, "not_grantee", "mal");
  refused(ReleaseKey{run, "metrics", mal.sign.public_key()}, "not_grantee", "mal");
  refused(ReleaseKey{run, "metrics", ada.sign.public_key()}, "not_downloaded", "Download");
  refused(View{seed(), run, "weights", mal.sign.public_key()}, "not_approver", "mal");
  refused(View{seed(), run, "weights", ada.sign.public_key()}, "not_approver", "ada");
  refused(View{seed(), run, "metrics", rex.sign.public_key()}, "not_held", "metrics");
  refused(Download{seed(), run, "metrics", sign_key_of("nobody").public_key()}, "unknown_key",
          "not registered");
  accepted(Download{seed(), run, "metrics", ada.sign.public_key()});
  accepted(View{seed(), run, "weights", rex.sign.public_key()});
  // The key it gets is sealed to the person, not to whoever asked.
  const auto sealed = must<KeyReply>(ReleaseKey{run, "metrics", ada.sign.public_key()}).sealed_key;
  EXPECT_FALSE(mal.seal.open(sealed));
  EXPECT_TRUE(ada.seal.open(sealed));
}

}  // namespace
}  // namespace coffer::keeper::test
