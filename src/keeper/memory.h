// What the keeper remembers, as plain values. state.h says what keeps them true.
//
// Units: costs as in program/charge.h, times in milliseconds of Unix time.
// Errors: none. Thread-safety: as plain values.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "grant/objects.h"
#include "keeper/messages.h"

namespace coffer::keeper {

struct User {
  Digest object;  // of the key object that holds now
  std::uint64_t sequence{0};
  SignPublic sign_key{};
  SealPublic seal_key{};
  std::vector<SignPublic> recovery_keys;
  std::uint64_t recovery_need{0};
  bool removed{false};
};

struct Dataset {
  std::string name;
  std::string owner;  // a user: the pinned key is that of the first manifest, or its successor
  bool is_public{false};
  Digest latest;  // manifest
  std::uint64_t version{0};
  struct Graded {
    Digest card;
    grant::DataClass data_class{grant::DataClass::General};
    std::uint64_t sequence{0};
  };
  std::optional<Graded> graded;
  std::optional<grant::Limit> limit;
  program::Cost reserved;
  program::Cost spent;
  // Since when every budget counts as spent: entries of ours were lost.
  std::optional<std::uint64_t> frozen_ms;
  std::vector<Digest> grants;
};

struct Version {
  std::string dataset_id;
  SignPublic owner_key{};
  Digest content;
  Digest chunk_list;
  ByteVector sealed_key;  // to the keeper; empty for public data, and once removed
  bool removed{false};
};

struct GrantMemory {
  grant::Grant terms;
  program::Cost reserved;
  program::Cost spent;
  std::uint64_t auto_spent{0};
  bool revoked{false};
  // Losses since the owner's last limit; kLossesMax of them suspend the grant.
  std::uint32_t losses{0};
  std::uint64_t lost_ms{0};  // when the last one was settled
};

struct OutputMemory {
  std::string name;
  program::Verdict verdict{program::Verdict::Held};
  std::uint64_t bits{0};
  std::uint64_t content_bytes{0};
  Digest commitment;
  Digest content;
  Digest release;
  ByteVector sealed_output_key;
  ByteVector sealed_evidence_key;
  struct Said {
    Digest approval;
    grant::ApprovalVerdict verdict{grant::ApprovalVerdict::Refuse};
  };
  std::map<std::string, Said> approvals;  // by user
  std::set<std::string> downloaded;       // by these users
};

// Of a run that is over less is kept: over_runs.h.
struct RunMemory {
  grant::Run request;
  std::string payload;
  std::string user;  // who signed it
  std::vector<Digest> grants;
  std::vector<std::string> datasets;  // protected ones, each once
  Phase phase{Phase::Submitted};
  program::Cost reserved;  // now, of each of its grants and datasets
  program::Cost charged;   // so far, to each of them
  std::uint32_t attempt{0};
  std::uint32_t starts{0};
  bool attempt_started{false};
  bool attempt_lost{false};  // and there is no other
  std::uint64_t started_ms{0};
  struct Cancelled {
    CancelCause cause{CancelCause::Cancelled};
    std::uint64_t slot_s{0};
  };
  std::optional<Cancelled> cancelled;  // after it started
  std::optional<RunReport> report;
  std::optional<Digest> reported;  // of its bytes
  std::optional<Settled> settled;
  std::uint64_t held_since_ms{0};
  std::vector<OutputMemory> outputs;  // of a judged run that is settled
};

}  // namespace coffer::keeper
