#include "keeper/messages.h"

#include <algorithm>
#include <concepts>
#include <type_traits>

#include "base/wire.h"

namespace coffer::keeper {
namespace {

// Every message names its fields once, in fields(); Writer and Reader are the two ways through
// them, so that encode and decode cannot drift apart.

constexpr std::uint8_t kFirstRequest = 1;
constexpr std::uint8_t kFirstReply = 129;
constexpr std::uint32_t kItemsMax = 1U << 20;  // of a list; a record is 16 MiB at most

// The last enumerator of each enum that travels.
constexpr auto last(KeyRole) { return KeyRole::Operator; }
constexpr auto last(Decision) { return Decision::Withheld; }
constexpr auto last(DecisionCause) { return DecisionCause::Revoked; }
constexpr auto last(CancelCause) { return CancelCause::Environment; }
constexpr auto last(Phase) { return Phase::Over; }
constexpr auto last(program::Ending) { return program::Ending::Lost; }
constexpr auto last(program::Verdict) { return program::Verdict::Held; }
constexpr auto last(program::Refusal) { return program::Refusal::OverBudget; }
constexpr auto last(Code) { return Code::Internal; }

template <class M, class T>
concept Of = std::same_as<std::remove_const_t<M>, T>;

template <class A, Of<RegisterKey> M>
void fields(A& a, M& m) {
  a(m.seed, m.envelope, m.role);
}
template <class A, Of<RemoveUser> M>
void fields(A& a, M& m) {
  a(m.seed, m.envelope);
}
template <class A, Of<AddManifest> M>
void fields(A& a, M& m) {
  a(m.seed, m.envelope, m.sealed_key);
}
template <class A, Of<RemoveVersion> M>
void fields(A& a, M& m) {
  a(m.seed, m.manifest, m.envelope);
}
template <class A, Of<SetCard> M>
void fields(A& a, M& m) {
  a(m.seed, m.envelope);
}
template <class A, Of<SetLimit> M>
void fields(A& a, M& m) {
  a(m.seed, m.envelope);
}
template <class A, Of<AddGrant> M>
void fields(A& a, M& m) {
  a(m.seed, m.envelope);
}
template <class A, Of<Revoke> M>
void fields(A& a, M& m) {
  a(m.seed, m.envelope);
}
template <class A, Of<SubmitRun> M>
void fields(A& a, M& m) {
  a(m.seed, m.envelope);
}
template <class A, Of<program::Cost> M>
void fields(A& a, M& m) {
  a(m.bits, m.epsilon_milli, m.runs, m.cpu_ms);
}
template <class A, Of<Settled> M>
void fields(A& a, M& m) {
  a(m.slot_s, m.ending, m.verdicts, m.charged);
}
template <class A, Of<Settle> M>
void fields(A& a, M& m) {
  a(m.seed, m.run, m.settled);
}
template <class A, Of<Approve> M>
void fields(A& a, M& m) {
  a(m.seed, m.envelope);
}
template <class A, Of<Decide> M>
void fields(A& a, M& m) {
  a(m.seed, m.run, m.output, m.decision, m.cause);
}
template <class A, Of<View> M>
void fields(A& a, M& m) {
  a(m.seed, m.run, m.output, m.approver);
}
template <class A, Of<Download> M>
void fields(A& a, M& m) {
  a(m.seed, m.run, m.output, m.grantee);
}
template <class A, Of<Cancel> M>
void fields(A& a, M& m) {
  a(m.seed, m.run, m.cause);
}
template <class A, Of<Recover> M>
void fields(A& a, M& m) {
  a(m.seed, m.reason, m.lost.first, m.lost.last, m.leaves, m.checkpoint);
}
template <class A, Of<Open> M>
void fields(A& a, M& m) {
  a(m.run, m.attempt, m.worker_key);
}
template <class A, Of<Started> M>
void fields(A& a, M& m) {
  a(m.run, m.attempt);
}
template <class A, Of<ReportedOutput> M>
void fields(A& a, M& m) {
  a(m.name, m.refusal, m.bits, m.commitment, m.content, m.sealed_output_key, m.sealed_evidence_key,
    m.evidence, m.content_bytes, m.release);
}
template <class A, Of<RunReport> M>
void fields(A& a, M& m) {
  a(m.ending, m.slot_s, m.cell_proof, m.failure, m.outputs);
}
template <class A, Of<Report> M>
void fields(A& a, M& m) {
  a(m.run, m.attempt, m.report);
}
template <class A, Of<RevokeDirect> M>
void fields(A& a, M& m) {
  a(m.envelope);
}
template <class A, Of<Status> M>
void fields(A&, M&) {}
template <class A, Of<ReleaseKey> M>
void fields(A& a, M& m) {
  a(m.run, m.output, m.grantee);
}
template <class A, Of<GrantBudget> M>
void fields(A& a, M& m) {
  a(m.grant);
}
template <class A, Of<DatasetBudget> M>
void fields(A& a, M& m) {
  a(m.dataset_id);
}
template <class A, Of<WouldAccept> M>
void fields(A& a, M& m) {
  a(m.run, m.user);
}
template <class A, Of<RunQuery> M>
void fields(A& a, M& m) {
  a(m.run);
}
template <class A, Of<OpenRuns> M>
void fields(A& a, M& m) {
  a(m.after);
}
template <class A, Of<Leaves> M>
void fields(A& a, M& m) {
  a(m.first, m.count);
}

template <class A, Of<Entry> M>
void fields(A& a, M& m) {
  a(m.index, m.public_bytes, m.private_bytes, m.nonce);
}
template <class A, Of<Appended> M>
void fields(A& a, M& m) {
  a(m.entries, m.checkpoint, m.pending_revocations, m.visible_at_ms, m.sealed_output_key,
    m.sealed_evidence_key);
}
template <class A, Of<Refused> M>
void fields(A& a, M& m) {
  a(m.code, m.rule, m.message);
}
template <class A, Of<Done> M>
void fields(A&, M&) {}
template <class A, Of<PermitReply> M>
void fields(A& a, M& m) {
  a(m.permit);
}
template <class A, Of<StartedReply> M>
void fields(A& a, M& m) {
  a(m.started_ms);
}
template <class A, Of<ReportReply> M>
void fields(A& a, M& m) {
  a(m.visible_at_ms);
}
template <class A, Of<StatusReply> M>
void fields(A& a, M& m) {
  a(m.time_ms, m.tree_size, m.root, m.checkpoint, m.ledger_vkey, m.seal_key, m.operator_key,
    m.pending_revocations);
}
template <class A, Of<KeyReply> M>
void fields(A& a, M& m) {
  a(m.sealed_key);
}
template <class A, Of<BudgetReply> M>
void fields(A& a, M& m) {
  a(m.limit, m.reserved, m.spent, m.auto_spent, m.closed, m.losses, m.lost_ms);
}
template <class A, Of<RunReply> M>
void fields(A& a, M& m) {
  a(m.phase, m.attempt, m.started_ms, m.settled, m.report, m.held, m.held_since_ms);
}
template <class A, Of<RunsReply::Run> M>
void fields(A& a, M& m) {
  a(m.run, m.phase);
}
template <class A, Of<RunsReply> M>
void fields(A& a, M& m) {
  a(m.runs);
}
template <class A, Of<LeavesReply> M>
void fields(A& a, M& m) {
  a(m.leaves);
}

class Writer {
 public:
  template <class... T>
  void operator()(const T&... values) {
    (put(values), ...);
  }
  WireWriter out;

 private:
  void put(bool value) { out.boolean(value); }
  void put(std::uint32_t value) { out.u32(value); }
  void put(std::uint64_t value) { out.u64(value); }
  void put(const std::string& value) { out.text(value); }
  void put(const ByteVector& value) { out.bytes(value); }
  void put(const std::array<std::byte, 32>& value) { out.raw(value); }
  void put(const Digest& value) { out.raw(value.bytes); }
  template <class E>
  requires std::is_enum_v<E>
  void put(E value) { out.u8(static_cast<std::uint8_t>(value)); }
  template <class T>
  void put(const std::optional<T>& value) {
    out.boolean(value.has_value());
    if (value) put(*value);
  }
  template <class T>
  void put(const std::vector<T>& items) {
    out.u32(static_cast<std::uint32_t>(items.size()));
    for (const T& item : items) put(item);
  }
  template <class T>
  requires std::is_class_v<T>
  void put(const T& value) { fields(*this, value); }
};

class Reader {
 public:
  explicit Reader(ByteView record) : in(record) {}
  template <class... T>
  void operator()(T&... values) {
    (get(values), ...);
  }
  WireReader in;

 private:
  void get(bool& value) { value = in.boolean(); }
  void get(std::uint32_t& value) { value = in.u32(); }
  void get(std::uint64_t& value) { value = in.u64(); }
  void get(std::string& value) { value = in.text(); }
  void get(ByteVector& value) {
    const auto bytes = in.bytes();
    value.assign(bytes.begin(), bytes.end());
  }
  void get(std::array<std::byte, 32>& value) {
    const auto bytes = in.raw(value.size());
    std::copy(bytes.begin(), bytes.end(), value.begin());
  }
  void get(Digest& value) { get(value.bytes); }
  template <class E>
  requires std::is_enum_v<E>
  void get(E& value) {
    const auto number = in.u8();
    if (number > static_cast<std::uint8_t>(last(E{}))) in.fail();
    value = in.failed() ? E{} : static_cast<E>(number);
  }
  template <class T>
  void get(std::optional<T>& value) {
    value.reset();
    if (in.boolean()) get(value.emplace());
  }
  template <class T>
  void get(std::vector<T>& items) {
    const auto count = in.count(kItemsMax);
    for (std::uint32_t i = 0; i < count && !in.failed(); ++i) get(items.emplace_back());
  }
  template <class T>
  requires std::is_class_v<T>
  void get(T& value) { fields(*this, value); }
};

template <class Variant>
ByteVector write(const Variant& message, std::uint8_t first) {
  Writer writer;
  writer.out.u8(static_cast<std::uint8_t>(first + message.index()));
  std::visit([&](const auto& value) { writer(value); }, message);
  return std::move(writer.out).take();
}

template <class Variant, std::size_t I = 0>
Variant make(std::size_t index) {
  if constexpr (I + 1 < std::variant_size_v<Variant>) {
    if (index != I) return make<Variant, I + 1>(index);
  }
  return Variant{std::in_place_index<I>};
}

template <class Variant>
Result<Variant> read(ByteView record, std::uint8_t first) {
  Reader reader{record};
  const auto type = reader.in.u8();
  if (type < first || type - first >= static_cast<int>(std::variant_size_v<Variant>)) {
    return Error{Code::Corrupt, "a message of no known type"};
  }
  auto message = make<Variant>(static_cast<std::size_t>(type - first));
  std::visit([&](auto& value) { reader(value); }, message);
  COFFER_CHECK(reader.in.finish());
  return message;
}

}  // namespace

Seed fresh_seed() {
  const auto bytes = random_bytes(32);
  Seed out{};
  std::copy(bytes.begin(), bytes.end(), out.begin());
  return out;
}

ByteVector encode(const Request& request) { return write(request, kFirstRequest); }
Result<Request> decode_request(ByteView record) { return read<Request>(record, kFirstRequest); }
ByteVector encode(const Reply& reply) { return write(reply, kFirstReply); }
Result<Reply> decode_reply(ByteView record) { return read<Reply>(record, kFirstReply); }

}  // namespace coffer::keeper
