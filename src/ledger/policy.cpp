#include "ledger/policy.h"

#include <fmt/format.h>

#include <algorithm>

#include "ledger/detail/lines.h"

namespace coffer::ledger {
namespace {

Error bad(std::string_view why) { return Error{Code::InvalidArgument, std::string(why)}; }

std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> words;
  std::string word;
  for (const char c : line) {
    if (c != ' ' && c != '\t' && c != '\r') {
      word += c;
    } else if (!word.empty()) {
      words.push_back(std::exchange(word, {}));
    }
  }
  if (!word.empty()) words.push_back(word);
  return words;
}

bool has_key(const std::vector<VerifierKey>& keys, const VerifierKey& key) {
  return std::ranges::any_of(keys, [&](const VerifierKey& other) {
    return other.public_key() == key.public_key() || other.name() == key.name();
  });
}

}  // namespace

Policy Policy::of_key(VerifierKey log) {
  Policy policy;
  policy.logs_.push_back(std::move(log));
  policy.has_quorum_ = true;
  return policy;
}

Result<Policy> Policy::parse(std::string_view text) {
  Policy policy;
  std::size_t number = 0;
  for (const auto& line : split(text, '\n')) {
    ++number;
    const auto words = words_of(line);
    if (words.empty() || words[0].starts_with('#')) continue;
    if (auto read = policy.read_line(words); !read) {
      return std::move(read).error().in(fmt::format("policy line {}", number));
    }
  }
  if (policy.logs_.empty()) return bad("the policy names no log");
  if (!policy.has_quorum_)
    return bad("the policy has no quorum line ('quorum none' asks for none)");
  return policy;
}

Result<> Policy::read_line(const std::vector<std::string>& words) {
  if (words[0] == "witness") return read_witness(words);
  if (words[0] == "group") return read_group(words);
  if (words[0] == "quorum") return read_quorum(words);
  if (words[0] != "log") return bad("wanted log, witness, group or quorum");
  if (words.size() < 2 || words.size() > 3) return bad("wanted log VKEY [URL]");
  COFFER_TRY(auto key, VerifierKey::parse(words[1]));
  if (key.type() != KeyType::Ed25519) return bad("a log's key must be of type 0x01");
  if (has_key(logs_, key) || has_key(witnesses_, key)) return bad("a name or key stands twice");
  logs_.push_back(std::move(key));
  return {};
}

Result<> Policy::read_witness(const std::vector<std::string>& words) {
  if (words.size() < 3 || words.size() > 4) return bad("wanted witness NAME VKEY [URL]");
  if (words[1] == "none" || find(words[1])) return bad("a name is defined twice, or is 'none'");
  COFFER_TRY(auto key, VerifierKey::parse(words[2]));
  if (key.type() != KeyType::Cosignature) return bad("a witness's key must be of type 0x04");
  if (has_key(logs_, key) || has_key(witnesses_, key)) return bad("a name or key stands twice");
  members_.push_back({.name = words[1], .witness = witnesses_.size(), .members = {}});
  witnesses_.push_back(std::move(key));
  return {};
}

Result<> Policy::read_group(const std::vector<std::string>& words) {
  if (words.size() < 4) return bad("wanted group NAME all|any|K MEMBER...");
  if (words[1] == "none" || find(words[1])) return bad("a name is defined twice, or is 'none'");
  Member group{.name = words[1], .members = {}};
  for (std::size_t i = 3; i < words.size(); ++i) {
    COFFER_TRY(const auto member, find(words[i]));
    if (members_[member].grouped) return bad("a name joins two groups");
    members_[member].grouped = true;
    group.members.push_back(member);
  }
  const auto need = words[2] == "all"   ? group.members.size()
                    : words[2] == "any" ? std::size_t{1}
                                        : detail::parse_decimal(words[2]).value_or(0);
  if (need < 1 || need > group.members.size()) return bad("a threshold between 1 and the members");
  group.need = need;
  members_.push_back(std::move(group));
  return {};
}

Result<> Policy::read_quorum(const std::vector<std::string>& words) {
  if (words.size() != 2) return bad("wanted quorum NAME");
  if (has_quorum_) return bad("a second quorum line");
  has_quorum_ = true;
  if (words[1] == "none") return {};
  COFFER_TRY(const auto member, find(words[1]));
  quorum_.push_back(member);
  return {};
}

Result<std::size_t> Policy::find(std::string_view name) const {
  const auto found = std::ranges::find(members_, name, &Member::name);
  if (found == members_.end())
    return bad(fmt::format("'{}' is not defined above", printable(name)));
  return static_cast<std::size_t>(found - members_.begin());
}

// A group's members stand before it, so this ends; the nesting is at most the number of lines.
bool Policy::satisfied(std::size_t member, const std::vector<bool>& seen) const {
  const Member& one = members_[member];
  if (one.members.empty()) return seen[one.witness];
  const auto have =
      std::ranges::count_if(one.members, [&](std::size_t inner) { return satisfied(inner, seen); });
  return static_cast<std::size_t>(have) >= one.need;
}

Result<Accepted> Policy::accept(std::string_view signed_note) const {
  COFFER_TRY(const Note note, Note::parse(signed_note));
  COFFER_TRY(auto checkpoint, Checkpoint::parse(note.text));
  const auto log = std::ranges::find(logs_, checkpoint.origin, &VerifierKey::name);
  if (log == logs_.end()) {
    return Error{Code::Corrupt,
                 fmt::format("the checkpoint is of {}, which is not the log asked for",
                             printable(checkpoint.origin))};
  }
  COFFER_CHECK(open_checkpoint(signed_note, *log));
  COFFER_TRY(const auto verified, verify_note(note, witnesses_));
  Accepted accepted{std::move(checkpoint), {}};
  std::vector<bool> seen(witnesses_.size(), false);
  for (const auto& signature : verified) {
    seen[signature.key] = true;
    accepted.witnesses.push_back(witnesses_[signature.key].name());
  }
  if (!quorum_.empty() && !satisfied(quorum_[0], seen)) {
    return Error{Code::Corrupt, fmt::format("the quorum {} is not met: {} valid cosignatures",
                                            printable(members_[quorum_[0]].name), verified.size())};
  }
  return accepted;
}

}  // namespace coffer::ledger
