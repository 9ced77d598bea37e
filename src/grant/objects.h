// The nine signed objects, typed: keys, removals, manifests, cards, limits, grants, revocations,
// runs, approvals.
//
// Invariants: an object that parsed is well formed in every field: keys are 32 bytes, times RFC
// 3339, integers 0..2^53-1, decimals canonical text, lists without repeats, lanes and kinds known.
// What the fields mean together with the rest of the world (budgets, owners, time) is the keeper's.
// payload_of() and parse<T>() are inverse: parse accepts exactly the bytes payload_of writes.
// Errors: InvalidArgument, naming object and field: not canonical (RFC 8785), unknown, missing or
// mistyped field, a form that is not the field's, a term that is not understood.
// Thread-safety: as plain values.
// Source: protocol.md sections 3 and 7; names and encodings as in tests/golden/protocol.json.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/json.h"
#include "grant/envelope.h"
#include "program/declaration.h"
#include "program/manifest.h"

namespace coffer::grant {

inline constexpr std::uint64_t kIntegerMax = 9007199254740991;  // 2^53 - 1, exact in every JSON
using Nonce = std::array<std::byte, 32>;

// ---- Forms of text ------------------------------------------------------------------------------

bool is_dataset_id(std::string_view text);  // ds_ and 16 characters of base32
bool is_date_text(std::string_view text);   // 2026-03-01
std::string make_dataset_id();              // 80 random bits

// ---- The objects --------------------------------------------------------------------------------

// A user's keys. The first is signed by `sign_key`; a later one also by the previous sign_key, or
// by `recovery_need` of the previous object's recovery keys.
struct UserKey {
  static constexpr Kind kKind = Kind::Key;
  std::string user;  // program::is_name
  SignPublic sign_key{};
  SealPublic seal_key{};
  std::vector<SignPublic> recovery_keys;  // at most 16
  std::uint64_t recovery_need{0};         // 1..count; 0 exactly when there are none
  std::optional<Digest> previous;         // of the key object before; none ("") for the first
  std::uint64_t sequence{1};              // 1, then one more each time
  std::string ledger_vkey;
  UnixTime issued{};
};

// Signed by the pinned operator key: nothing more from or to that user.
struct Removal {
  static constexpr Kind kKind = Kind::Removal;
  std::string user;
  SignPublic sign_key{};  // the removed user's present key
  std::string ledger_vkey;
  UnixTime issued{};
};

// One immutable version of a dataset. Signed by owner_key.
struct Manifest {
  static constexpr Kind kKind = Kind::Manifest;
  std::string dataset_id;
  std::string name;  // org/name
  std::uint64_t version{1};
  std::optional<Digest> parent;  // the manifest before; none ("") for version 1
  bool is_public{false};         // "public"; the same for all versions
  Digest content;                // salted
  Digest chunk_list;             // SHA-256 of the sealed chunk list (public data: of the plain one)
  std::uint64_t files{0};
  std::uint64_t bytes{0};
  SignPublic owner_key{};
  SealPublic owner_seal_key{};
  std::string ledger_vkey;
  UnixTime issued{};
};

enum class DataClass : std::uint8_t { General, Important, Core };
std::string_view class_name(DataClass data_class);
std::optional<DataClass> class_of(std::string_view name);

enum class ColumnKind : std::uint8_t {
  Identifier,
  QuasiIdentifier,
  Sensitive,
  FreeText,
  Numeric,
  Label,
  Date,
  Other
};
std::string_view column_kind_name(ColumnKind kind);
std::optional<ColumnKind> column_kind_of(std::string_view name);

enum class ColumnType : std::uint8_t { Integer, Decimal, Text, Date, Boolean };
std::string_view column_type_name(ColumnType type);
std::optional<ColumnType> column_type_of(std::string_view name);

// A published column. Either `values` or a range, or neither.
struct CardColumn {
  std::string name;
  ColumnKind kind{ColumnKind::Other};
  ColumnType type{ColumnType::Text};
  std::vector<std::string> values;
  std::string min, max;  // canonical decimal text, or dates for a date; both "" without a range
  bool blanks{false};
};

struct CardFile {
  std::string path;    // relative, as programs see it below the input
  std::string format;  // [a-z0-9]{1,16}: csv, parquet, png, …
  std::uint64_t rows{0};
  std::vector<CardColumn> columns;  // unpublished ones are left out
};

// All that is public about a dataset's content. Signed by the owner.
struct Card {
  static constexpr Kind kKind = Kind::Card;
  std::string dataset_id;
  Digest manifest;
  DataClass data_class{DataClass::General};  // "class"
  std::uint64_t grade{1};                    // 1..4
  std::uint64_t sequence{1};
  SignPublic owner_key{};
  std::string ledger_vkey;
  UnixTime issued{};
  std::vector<CardFile> files;
};

// What may ever leave a dataset, over all grants and versions. Signed by the owner.
struct Limit {
  static constexpr Kind kKind = Kind::Limit;
  std::string dataset_id;
  std::uint64_t bits{0};
  std::uint64_t epsilon_milli{0};
  bool overcommit{false};
  std::uint64_t sequence{1};
  SignPublic owner_key{};
  std::string ledger_vkey;
  UnixTime issued{};
};

// Parameter values: integers, strings (decimals are strings of canonical text), true, false.
struct PermittedProgram {
  Digest program;
  Digest environment;
  std::map<std::string, std::vector<Json>> parameters;  // by name, the values that are permitted
};

struct Budgets {
  std::uint64_t bits{0};
  std::uint64_t epsilon_milli{0};
  std::uint64_t delta_exp{0};  // delta = 10^-delta_exp; 0..30
  std::uint64_t runs{0};
  std::uint64_t cpu_ms{0};
};

// Who may learn how much of which dataset, by which programs, until when. Signed by the owner.
struct Grant {
  static constexpr Kind kKind = Kind::Grant;
  std::string ledger_vkey;
  std::string dataset_id;
  std::optional<Digest> manifest;  // none: "*", any version
  SignPublic owner_key{};
  std::vector<SignPublic> grantee_keys;  // at least 1; none of them an approver
  std::vector<SignPublic> approver_keys;
  std::uint64_t approvals_needed{0};  // 1..count; 0 exactly when there are no approvers
  std::string purpose;
  std::vector<program::Lane> lanes;  // at least 1
  std::vector<program::Kind> output_kinds;
  std::optional<std::vector<PermittedProgram>> programs;  // none: "any"
  Budgets budgets;
  std::uint64_t auto_bits{0};
  std::uint64_t auto_total{0};
  bool exclusive{false};
  UnixTime not_before{};
  UnixTime until{};  // the first instant after
  Nonce nonce{};
  UnixTime issued{};
};

// Signed by the owner; works also when handed to the keeper's own socket.
struct Revocation {
  static constexpr Kind kKind = Kind::Revocation;
  Digest grant;
  std::string reason;  // 1..256 bytes
  UnixTime issued{};
};

struct RunInput {
  std::string alias;
  Digest manifest;  // "digest"
};

// One request to run a program. Signed by a grantee.
struct Run {
  static constexpr Kind kKind = Kind::Run;
  Digest program;
  Digest environment;
  std::vector<RunInput> inputs;  // aliases differ
  std::map<std::string, Json> parameters;
  program::Resources resources;
  std::uint64_t retry{0};  // 0 or 1
  std::vector<program::Output> outputs;
  std::vector<Digest> grants;
  Nonce nonce{};
};

enum class ApprovalVerdict : std::uint8_t { Approve, Refuse, Return };
std::string_view approval_verdict_name(ApprovalVerdict verdict);
std::optional<ApprovalVerdict> approval_verdict_of(std::string_view name);

// What an approver says of one held output. Signed by the approver.
struct Approval {
  static constexpr Kind kKind = Kind::Approval;
  Digest run;
  std::string output;
  Digest commitment;
  ApprovalVerdict verdict{ApprovalVerdict::Refuse};
  std::string reason;  // ok too_much private purpose unclear other
};

// ---- To and from bytes
// ----------------------------------------------------------------------------

Json to_json(const UserKey& object);
Json to_json(const Removal& object);
Json to_json(const Manifest& object);
Json to_json(const Card& object);
Json to_json(const Limit& object);
Json to_json(const Grant& object);
Json to_json(const Revocation& object);
Json to_json(const Run& object);
Json to_json(const Approval& object);

template <class T>
std::string payload_of(const T& object) {
  return to_json(object).canonical();
}
template <class T>
Digest digest_of(const T& object) {
  return sha256(payload_of(object));
}

// Defined for the nine types above.
template <class T>
Result<T> parse(std::string_view payload);

// The object in an envelope of its kind. Who signed it is the caller's question.
template <class T>
Result<T> open(const Envelope& envelope) {
  if (envelope.kind != T::kKind) {
    return Error{Code::InvalidArgument, "field 'payloadType' must be " + payload_type(T::kKind)};
  }
  return parse<T>(envelope.payload);
}

template <class T>
Envelope sign(const T& object, const SignKey& key) {
  return sign(T::kKind, payload_of(object), key);
}

// ---- Ids shown to people
// --------------------------------------------------------------------------

inline std::string grant_id(const Digest& grant) { return grant.id("grant_"); }
inline std::string run_id(const Digest& run) { return run.id("run_"); }

// 16 characters of base32 over the keeper's keys: the end of every token, pinned by `login`.
std::string keeper_fingerprint(std::string_view ledger_vkey, const SealPublic& keeper_key);

// The plain text in which a version's key is sealed to the keeper (and to nobody else):
// key[32] || dataset id[19] || owner key[32] || manifest digest[32].
struct VersionKeyBinding {
  std::string dataset_id;
  SignPublic owner_key{};
  Digest manifest;
};
Result<ByteVector> seal_version_key(const SealPublic& keeper_key, const Key& version_key,
                                    const VersionKeyBinding& binding);
// Errors: Corrupt (does not open), Denied (opens, but is bound to something else).
Result<Key> open_version_key(const SealKey& keeper_key, ByteView sealed,
                             const VersionKeyBinding& binding);

}  // namespace coffer::grant
