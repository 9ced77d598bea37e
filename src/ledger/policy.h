// Whom to believe about a log: one key, or a policy file of logs, witnesses and a quorum.
//
// Invariants: a threshold counts distinct keys, never lines; a policy in which one key stands twice
// is refused; a policy without exactly one quorum line is refused.
// Errors: InvalidArgument (the policy, with its line number), Corrupt (a note that the policy does
// not accept, saying what is missing).
// Thread-safety: as plain values.
// Source: C2SP tlog-policy.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "ledger/checkpoint.h"

namespace coffer::ledger {

// A checkpoint that a policy accepted, and who vouched for it.
struct Accepted {
  Checkpoint checkpoint;
  std::vector<std::string> witnesses;  // names of those whose cosignature is valid
};

class Policy {
 public:
  // Believes the one key and asks for no witness.
  static Policy of_key(VerifierKey log);
  // Lines `log VKEY [URL]`, `witness NAME VKEY [URL]`, `group NAME all|any|K MEMBER…`,
  // `quorum NAME|none`, and comments from '#'.
  static Result<Policy> parse(std::string_view text);
  // A signed checkpoint: the log's signature first, then the quorum.
  Result<Accepted> accept(std::string_view signed_note) const;

  struct Member {
    std::string name;
    bool grouped{false};  // a name joins one group at most
    // A witness has a key and no members, a group has members and a threshold.
    std::size_t witness{0};
    std::vector<std::size_t> members;
    std::size_t need{0};
  };

 private:
  Policy() = default;
  Result<> read_line(const std::vector<std::string>& words);
  Result<> read_witness(const std::vector<std::string>& words);
  Result<> read_group(const std::vector<std::string>& words);
  Result<> read_quorum(const std::vector<std::string>& words);
  Result<std::size_t> find(std::string_view name) const;
  bool satisfied(std::size_t member, const std::vector<bool>& seen) const;

  std::vector<VerifierKey> logs_;
  std::vector<VerifierKey> witnesses_;
  std::vector<Member> members_;
  std::vector<std::size_t> quorum_;  // one member, or none when the policy says `none`
  bool has_quorum_{false};
};

}  // namespace coffer::ledger
