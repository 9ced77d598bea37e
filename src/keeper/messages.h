// What the keeper is asked and what it answers.
//
// A record is a type byte and fields in fixed order (base/wire.h); on a stream each is preceded by
// its length (os/channel.h). One request, one reply, in order.
// Operations change the keeper's memory; most make ledger entries. Each carries a fresh random
// `seed`; sent again with the same bytes an operation answers the same entries, so a sender whose
// connection broke sends its unanswered requests again. Queries change nothing.
// The keeper uses its own clock for every rule and for the time in entries.
// Invariants: encode and decode are inverse; decode refuses what encode cannot write.
// Errors: Corrupt (not a record), in a reply Refused: code, a stable `rule`, and a message that
// names ids, fields and limits only.
// Thread-safety: as plain values. Source: protocol.md sections 2 to 5.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "crypto/crypto.h"
#include "ledger/entry.h"
#include "program/charge.h"

namespace coffer::keeper {

inline constexpr std::uint64_t kHeldMs = 14ULL * 24 * 3600 * 1000;  // then withheld
inline constexpr std::uint32_t kLossesMax = 3;  // of runs under a grant: then it is suspended
constexpr bool is_suspended(std::uint32_t losses) { return losses >= kLossesMax; }

using Seed = std::array<std::byte, 32>;
Seed fresh_seed();

// ---- Operations of the front ------------------------------------------------------------------
// Each answers Appended (entries in the order named) or Refused.

// Who says that this key is a user's: the first key registered as Operator is pinned as the
// operator's; the same role later registers an ordinary user.
enum class KeyRole : std::uint8_t { User, Operator };
struct RegisterKey {  // -> key
  Seed seed{};
  std::string envelope;
  KeyRole role{KeyRole::User};
};
struct RemoveUser {  // -> removal
  Seed seed{};
  std::string envelope;
};
struct AddManifest {  // -> manifest
  Seed seed{};
  std::string envelope;
  ByteVector sealed_key;  // grant::seal_version_key to the keeper; empty for public data
};
// The version's key is overwritten here and no run opens it again. -> removal
struct RemoveVersion {
  Seed seed{};
  Digest manifest;
  std::string envelope;  // a revocation of that manifest, signed by the dataset's owner
};
struct SetCard {  // -> card
  Seed seed{};
  std::string envelope;
};
struct SetLimit {  // -> limit
  Seed seed{};
  std::string envelope;
};
struct AddGrant {  // -> grant. AlreadyExists for a grant that is there.
  Seed seed{};
  std::string envelope;
};
// -> revocation. From then on nothing under the grant starts or is released; its runs that did not
// start are to be cancelled (Cancel, Revoked), its held outputs withheld (Decide, Revoked), its
// started runs settle as cancelled at their next slot.
struct Revoke {
  Seed seed{};
  std::string envelope;
};
struct SubmitRun {  // -> run. Reserves the quote.
  Seed seed{};
  std::string envelope;
};
// -> opening, proof, verdict, charge, and release for each output released; not before the slot
// (Unavailable). `settled` is what front computed; it must be what the keeper computes.
struct Settled {
  std::uint64_t slot_s{0};
  std::optional<program::Ending> ending;   // none: cancelled or revoked after it started
  std::vector<program::Verdict> verdicts;  // of a judged run, as declared
  program::Cost charged;
  friend bool operator==(const Settled&, const Settled&) = default;
};
struct Settle {
  Seed seed{};
  Digest run;
  Settled settled;
};
struct Approve {  // -> approval
  Seed seed{};
  std::string envelope;
};
enum class Decision : std::uint8_t { Released, Withheld };
// Why an output that was held is decided. Each is checked: approvals enough of every grant; a
// refusal or return; 14 days; a grant revoked or a grantee removed.
enum class DecisionCause : std::uint8_t { Approved, Refused, Expired, Revoked };
// What an output turned out to be is told with its release only: the private fields of a `release`
// entry have bits, content, bytes and release (docs/formats/ledger-entries.md), those of a `charge`
// entry what it added (charged) and what the run still reserves.
struct Decide {  // -> verdict, charge, and release if released
  Seed seed{};
  Digest run;
  std::string output;
  Decision decision{Decision::Withheld};
  DecisionCause cause{DecisionCause::Refused};
};
struct View {  // -> view, and the keys of output and evidence, sealed to the approver
  Seed seed{};
  Digest run;
  std::string output;
  SignPublic approver{};
};
struct Download {  // -> download, and the output's key, sealed to the grantee. Again: ReleaseKey.
  Seed seed{};
  Digest run;
  std::string output;
  SignPublic grantee{};
};
// CellUnproven and Environment are of runs that did not start.
enum class CancelCause : std::uint8_t { Cancelled, Revoked, CellUnproven, Environment };
// Not started: -> charge (of nothing); everything is given back. Started: -> no entry, Appended
// with visible_at_ms: settle it then, without an ending.
struct Cancel {
  Seed seed{};
  Digest run;
  CancelCause cause{CancelCause::Cancelled};
};
// -> recovery, whose public fields name entries first..last.
// Front's database is older: entries that the keeper has and front has not; no leaves.
// The keeper's memory is older: `leaves` are the hashes of the entries that the keeper lacks, in
// order, and `checkpoint` the last one that it had signed; every budget counts as spent until its
// owner signs a new limit.
// The keeper's memory came out of a backup and nobody knows what came after it: no leaves, and
// `lost` is the place of the next entry, twice; budgets as before.
struct Recover {
  Seed seed{};
  std::string reason;
  ledger::LostRange lost;
  std::vector<Digest> leaves;
  std::string checkpoint;
};

// ---- Operations of the worker
// --------------------------------------------------------------------

// Asks for the inputs' keys for this attempt, 1 for the first. A further attempt is one more.
struct Open {  // -> PermitReply
  Digest run;
  std::uint32_t attempt{1};
  SealPublic worker_key{};
};
struct Started {  // -> StartedReply; the program starts after this answer
  Digest run;
  std::uint32_t attempt{1};
};
struct ReportedOutput {
  std::string name;
  std::optional<program::Refusal> refusal;
  std::uint64_t bits{0};  // 0 when refused
  // All empty or zero when refused.
  Digest commitment;               // SHA-256(salt[32] || content digest)
  Digest content;                  // of the canonical file
  ByteVector sealed_output_key;    // to the keeper
  ByteVector sealed_evidence_key;  // to the keeper
  Digest evidence;                 // of the sealed evidence
  std::uint64_t content_bytes{0};  // of the canonical file
  Digest release;                  // of the text of release.json
  friend bool operator==(const ReportedOutput&, const ReportedOutput&) = default;
};
struct RunReport {
  program::Ending ending{program::Ending::Lost};
  std::uint64_t slot_s{0};  // program::seen_at, since the run's first start
  Digest cell_proof;
  std::uint32_t failure{0};  // program::FailureReport::encode(), with Ending::Exit; else 0
  std::vector<ReportedOutput> outputs;  // Judged: each declared one in order; else none
  friend bool operator==(const RunReport&, const RunReport&) = default;
};
struct Report {  // -> ReportReply. The first report of a run stands; the same one again is Ok.
  Digest run;
  std::uint32_t attempt{1};
  RunReport report;
};

// ---- On the keeper's own socket
// -------------------------------------------------------------------

// Takes effect at once and without an entry; front learns of it in `pending_revocations` and sends
// the envelope as a Revoke, which makes the entry. -> Done
struct RevokeDirect {
  std::string envelope;
};

// ---- Queries
// --------------------------------------------------------------------------------------

struct Status {};    // -> StatusReply
struct ReleaseKey {  // -> KeyReply; after a Download of the same output by the same user
  Digest run;
  std::string output;
  SignPublic grantee{};
};
struct GrantBudget {  // -> BudgetReply
  Digest grant;
};
struct DatasetBudget {  // -> BudgetReply (runs and cpu_ms are 0)
  std::string dataset_id;
};
struct RunQuery {  // -> RunReply
  Digest run;
};
// Runs that still hold a reservation, in order of digest, after `after`, at most 1000. -> RunsReply
struct OpenRuns {
  Digest after;
};
struct Leaves {  // -> LeavesReply; at most 65,536 at once
  std::uint64_t first{0};
  std::uint32_t count{0};
};

// Whether that user's run would be accepted now; nothing is reserved. -> Done, or what SubmitRun
// would refuse with
struct WouldAccept {
  ByteVector run;  // the payload that would be signed
  SignPublic user{};
};

using Request =
    std::variant<RegisterKey, RemoveUser, AddManifest, RemoveVersion, SetCard, SetLimit, AddGrant,
                 Revoke, SubmitRun, Settle, Approve, Decide, View, Download, Cancel, Recover, Open,
                 Started, Report, RevokeDirect, Status, ReleaseKey, GrantBudget, DatasetBudget,
                 RunQuery, OpenRuns, Leaves, WouldAccept>;

// ---- Replies
// --------------------------------------------------------------------------------------

struct Entry {
  std::uint64_t index{0};
  ByteVector public_bytes;
  ByteVector private_bytes;
  ledger::Nonce nonce{};
  friend bool operator==(const Entry&, const Entry&) = default;
};
struct Appended {
  std::vector<Entry> entries;
  // Signed, and covers the entries; when an operation is sent again it may be a later one.
  std::string checkpoint;
  std::uint32_t pending_revocations{0};  // more than 0: ask Status, send each as a Revoke
  std::uint64_t visible_at_ms{0};        // of a Cancel after the start
  ByteVector sealed_output_key;          // of a View or Download
  ByteVector sealed_evidence_key;        // of a View
};
struct Refused {
  Code code{Code::Internal};
  std::string rule;  // stable: "over_limit", "replayed", "not_owner", …
  std::string message;
};
struct Done {};
struct PermitReply {
  ByteVector permit;  // grant::Permit::decode
};
struct StartedReply {
  std::uint64_t started_ms{0};  // Unix time of the run's first start, the origin of its slots
};
struct ReportReply {
  std::uint64_t visible_at_ms{0};  // when Settle will be accepted
};
struct StatusReply {
  std::uint64_t time_ms{0};  // the keeper's time, which never goes back
  std::uint64_t tree_size{0};
  Digest root;
  std::string checkpoint;
  std::string ledger_vkey;
  SealPublic seal_key{};
  std::optional<SignPublic> operator_key;
  std::vector<std::string> pending_revocations;  // envelopes
};
struct KeyReply {
  ByteVector sealed_key;
};
struct BudgetReply {
  program::Cost limit;
  program::Cost reserved;
  program::Cost spent;
  std::uint64_t auto_spent{0};  // of a grant: what no approver approved
  // A grant: revoked. A dataset: frozen until its owner signs a new limit.
  bool closed{false};
  std::uint32_t losses{0};   // of a grant: how often a run under it was lost, since the last limit
  std::uint64_t lost_ms{0};  // and when the last one was settled
};
enum class Phase : std::uint8_t {
  Submitted,  // reserved; maybe opened
  Running,    // started; reported or not: nobody outside may know before the slot
  Held,       // settled, some output held
  Over,       // settled, or cancelled before it started
};
struct RunReply {
  Phase phase{Phase::Submitted};
  std::uint32_t attempt{0};
  std::uint64_t started_ms{0};  // 0 before
  // Once the slot has come: what Settle will accept (or accepted).
  std::optional<Settled> settled;
  // With it until the run is over, where the worker reported: without keys, and without length and
  // content of what is not released.
  std::optional<RunReport> report;
  std::vector<std::string> held;   // names of outputs
  std::uint64_t held_since_ms{0};  // 0 before
};
struct RunsReply {
  struct Run {
    Digest run;
    Phase phase{Phase::Submitted};
  };
  std::vector<Run> runs;
};
struct LeavesReply {
  std::vector<Digest> leaves;
};

using Reply = std::variant<Appended, Refused, Done, PermitReply, StartedReply, ReportReply,
                           StatusReply, KeyReply, BudgetReply, RunReply, RunsReply, LeavesReply>;

// ---- To and from bytes
// ------------------------------------------------------------------------------

ByteVector encode(const Request& request);
Result<Request> decode_request(ByteView record);
ByteVector encode(const Reply& reply);
Result<Reply> decode_reply(ByteView record);

}  // namespace coffer::keeper
