#include "keeper/messages.h"

#include <gtest/gtest.h>

namespace coffer::keeper {
namespace {

ByteVector some_bytes(std::size_t count) { return ByteVector(count, std::byte{7}); }

RunReport report() {
  RunReport out;
  out.ending = program::Ending::Judged;
  out.slot_s = 4;
  out.cell_proof = sha256("proof");
  ReportedOutput output;
  output.name = "metrics";
  output.bits = 31;
  output.sealed_output_key = some_bytes(80);
  out.outputs.push_back(output);
  output.refusal = program::Refusal::PrivateCopy;
  out.outputs.push_back(output);
  return out;
}

std::vector<Request> requests() {
  const Seed seed = fresh_seed();
  const Settled settled{4, program::Ending::Judged, {program::Verdict::Held}, {1, 2, 3, 4}};
  return {RegisterKey{seed, "{}", KeyRole::Operator},
          RemoveUser{seed, "{}"},
          AddManifest{seed, "{}", some_bytes(5)},
          RemoveVersion{seed, sha256("m"), "{}"},
          SetCard{seed, "{}"},
          SetLimit{seed, "{}"},
          AddGrant{seed, "{}"},
          Revoke{seed, "{}"},
          SubmitRun{seed, "{}"},
          Settle{seed, sha256("r"), settled},
          Approve{seed, "{}"},
          Decide{seed, sha256("r"), "weights", Decision::Withheld, DecisionCause::Expired},
          View{seed, sha256("r"), "weights", {}},
          Download{seed, sha256("r"), "weights", {}},
          Cancel{seed, sha256("r"), CancelCause::Environment},
          Recover{seed, "restored", {3, 9}, {sha256("a"), sha256("b")}, "note"},
          Open{sha256("r"), 2, {}},
          Started{sha256("r"), 2},
          Report{sha256("r"), 1, report()},
          RevokeDirect{"{}"},
          Status{},
          ReleaseKey{sha256("r"), "weights", {}},
          GrantBudget{sha256("g")},
          DatasetBudget{"ds_aaaaaaaaaaaaaaaa"},
          RunQuery{sha256("r")},
          OpenRuns{sha256("r")},
          Leaves{5, 7},
          WouldAccept{some_bytes(6), {}}};
}

std::vector<Reply> replies() {
  Appended appended;
  appended.entries.push_back({7, some_bytes(3), some_bytes(4), {}});
  appended.checkpoint = "note";
  appended.visible_at_ms = 9;
  RunReply run;
  run.phase = Phase::Held;
  run.settled = Settled{1, {}, {}, {}};
  run.report = report();
  run.held = {"weights"};
  run.held_since_ms = 7000;
  StatusReply status;
  status.operator_key.emplace();
  status.pending_revocations = {"{}"};
  return {appended,
          Refused{Code::Denied, "not_owner", "no"},
          Done{},
          PermitReply{some_bytes(9)},
          StartedReply{1},
          ReportReply{2},
          status,
          KeyReply{some_bytes(80)},
          BudgetReply{{1, 2, 3, 4}, {5, 6, 7, 8}, {9, 10, 11, 12}, 13, true, 2, 5000},
          run,
          RunsReply{{{sha256("r"), Phase::Running}}},
          LeavesReply{{sha256("l")}}};
}

// Re-encoding what was decoded gives the same bytes: no field is dropped or swapped.
TEST(Messages, AreReadAsTheyWereWritten) {
  ASSERT_EQ(requests().size(), std::variant_size_v<Request>);
  for (const auto& request : requests()) {
    const auto bytes = encode(request);
    const auto again = decode_request(bytes);
    ASSERT_TRUE(again) << request.index();
    EXPECT_EQ(again->index(), request.index());
    EXPECT_EQ(encode(*again), bytes) << request.index();
  }
  ASSERT_EQ(replies().size(), std::variant_size_v<Reply>);
  for (const auto& reply : replies()) {
    const auto bytes = encode(reply);
    const auto again = decode_reply(bytes);
    ASSERT_TRUE(again) << reply.index();
    EXPECT_EQ(encode(*again), bytes) << reply.index();
  }
}

TEST(Messages, FieldsArriveInTheirPlaces) {
  const auto settle = decode_request(encode(requests()[9]));
  const auto& settled = std::get<Settle>(*settle).settled;
  EXPECT_EQ(settled, (Settled{4, program::Ending::Judged, {program::Verdict::Held}, {1, 2, 3, 4}}));
  const auto sent = decode_request(encode(requests()[18]));
  EXPECT_EQ(std::get<Report>(*sent).report, report());
}

TEST(Messages, PrefixesAndLongerRecordsAreRefused) {
  for (const auto& request : requests()) {
    auto bytes = encode(request);
    for (std::size_t length = 0; length < bytes.size(); ++length) {
      EXPECT_FALSE(decode_request(ByteView{bytes}.first(length)));
    }
    bytes.push_back(std::byte{0});
    EXPECT_FALSE(decode_request(bytes));
  }
}

TEST(Messages, RepliesAreNoRequestsAndUnknownEnumeratorsAreRefused) {
  EXPECT_FALSE(decode_request(encode(Reply{Done{}})));
  EXPECT_FALSE(decode_reply(encode(Request{Status{}})));
  auto cancel = encode(Request{Cancel{{}, {}, CancelCause::Environment}});
  EXPECT_TRUE(decode_request(cancel));
  cancel.back() = std::byte{4};
  EXPECT_FALSE(decode_request(cancel));
}

}  // namespace
}  // namespace coffer::keeper
