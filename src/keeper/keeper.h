// Keeper: the state machine, its journal and its keys; what the process of that name serves.
//
// Invariants: nothing is answered before what it says is on disk; the operations of one answer()
// share one write and one sync (group commit); an operation sent again answers the same entries;
// no checkpoint is signed but of the tree that the journal holds, so no two contradict each other;
// a peer may ask only what is its own (front, worker, the socket for revocations).
// The X25519 key, the ledger's Ed25519 key and the journal's MAC key are derived from the master
// key; version and output keys are kept only as sealed boxes to the first.
// Errors: open(): Corrupt (a journal that does not replay, or not with this master key),
// FailedPrecondition (another keeper), Unavailable; answer(): those of the journal, after which the
// process must end.
// A request that is refused is no error but a reply.
// Thread-safety: one thread. Source: protocol.md section 2, docs/formats/keeper-journal.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/forward_clock.h"
#include "keeper/digest_index.h"
#include "keeper/journal.h"
#include "keeper/state.h"

namespace coffer::keeper {

enum class Peer : std::uint8_t { Front, Worker, Socket };

struct Incoming {
  Peer peer;
  ByteVector record;
};

class Keeper {
 public:
  struct Options {
    std::filesystem::path directory;  // DIR/keeper
    // The ledger's name, a scheme-less URL prefix; taken at the first start and kept. Empty: one is
    // made of the keeper's key.
    std::string origin;
  };
  static Result<Keeper> open(const Options& options, Key master_key, const Clock& clock);

  // The encoded reply to each, in order.
  Result<std::vector<ByteVector>> answer(const std::vector<Incoming>& requests);

  const State& state() const { return *state_; }
  const std::string& ledger_vkey() const { return ledger_vkey_; }
  std::vector<int> fds() const;  // of the files that it has open

 private:
  // What one answer() collects before its one write.
  struct Batch {
    Result<> room;  // on the disk, for all of it
    std::vector<JournalRecord> records;
    std::vector<Digest> operations;                // of each record
    std::map<Digest, std::vector<Entry>> entries;  // of operations of this batch
    std::vector<Digest> wiped;                     // manifests whose key goes
  };

  explicit Keeper(const Clock& clock) : clock_(std::make_unique<ForwardClock>(clock)) {}
  Result<> start(const Options& options, const Key& master_key);
  Result<> begin(std::string origin, const Key& master_key);
  Result<> replay(const Key& master_key, JournalRecord record, const JournalPlace& place);
  Result<Reply> answer_one(const Incoming& incoming, Batch& batch, std::uint64_t now_ms);
  Result<Reply> perform(const Request& request, const Digest& operation, Batch& batch,
                        std::uint64_t now_ms);
  // Nothing: it was not done, or made none.
  Result<std::optional<std::vector<Entry>>> entries_of(const Digest& operation,
                                                       const Batch& batch) const;
  Result<> commit(Batch& batch);
  Result<> wipe(const Digest& manifest);
  Result<std::string> checkpoint() const;

  std::unique_ptr<ForwardClock> clock_;  // not before the last operation in the journal
  std::optional<SignKey> ledger_key_;
  std::filesystem::path directory_;
  std::string origin_;
  std::string ledger_vkey_;
  std::unique_ptr<State> state_;
  std::optional<Journal> journal_;
  DigestIndex done_;  // operations that made entries, by their bytes: their record in the journal
  std::map<Digest, JournalPlace> secrets_;  // version keys in the journal, by manifest
  std::vector<Digest> removed_;             // while starting: keys to be wiped, again
};

// DIR/keeper/master.key, 64 hex digits, made with mode 600 when there is neither it nor a journal;
// or what the command prints. Errors: FailedPrecondition (readable by others, missing beside a
// journal, no key printed), Unavailable.
Result<Key> load_master_key(const std::filesystem::path& directory, const std::string& command);

}  // namespace coffer::keeper
