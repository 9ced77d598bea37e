#include "keeper/keeper.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/log.h"
#include "base/wire.h"
#include "ledger/checkpoint.h"
#include "os/files.h"
#include "os/process.h"

namespace coffer::keeper {
namespace {

// The first byte of a record's body.
constexpr std::uint8_t kOriginRecord = 0;
constexpr std::uint8_t kOperationRecord = 1;
constexpr std::size_t kRequestsMax = 4096;  // of one answer()

struct OperationBody {
  std::uint64_t time_ms{0};
  Digest operation;
  ByteVector request;  // without its secret
  ByteVector entries;  // an Appended
};

ByteVector encode_body(const OperationBody& body) {
  WireWriter out;
  out.u8(kOperationRecord).u64(body.time_ms).raw(body.operation.bytes);
  out.bytes(body.request).bytes(body.entries);
  return std::move(out).take();
}

Result<OperationBody> decode_body(ByteView bytes) {
  WireReader in{bytes};
  if (in.u8() != kOperationRecord) in.fail();
  OperationBody out;
  out.time_ms = in.u64();
  const auto digest = Digest::from_bytes(in.raw(32));
  const auto request = in.bytes();
  const auto entries = in.bytes();
  COFFER_CHECK(in.finish());
  out.operation = *digest;
  out.request.assign(request.begin(), request.end());
  out.entries.assign(entries.begin(), entries.end());
  return out;
}

ByteVector encode_entries(std::vector<Entry> entries) {
  Appended appended;
  appended.entries = std::move(entries);
  return encode(Reply{std::move(appended)});
}

bool may_ask(Peer peer, const Request& request) {
  const bool is_workers = std::holds_alternative<Open>(request) ||
                          std::holds_alternative<Started>(request) ||
                          std::holds_alternative<Report>(request);
  const bool is_sockets = std::holds_alternative<RevokeDirect>(request);
  switch (peer) {
    case Peer::Front:
      return !is_workers && !is_sockets;
    case Peer::Worker:
      return is_workers || std::holds_alternative<Status>(request);
    case Peer::Socket:
      return is_sockets;
  }
  return false;
}

Refused refused_as(const Error& error) {
  return {error.code, error.rule.empty() ? "refused" : error.rule, error.message};
}

// More than the records of these requests take: a record holds the request and its entries, which
// repeat parts of it.
std::uint64_t room_for(const std::vector<Incoming>& requests) {
  constexpr std::uint64_t kEach = 16 << 10;
  std::uint64_t room = 0;
  for (const auto& incoming : requests) room += kEach + 4 * incoming.record.size();
  return room;
}

Digest manifest_of(const AddManifest& op) {
  const auto envelope = grant::parse_envelope(op.envelope);
  return envelope ? envelope->digest() : Digest{};
}

}  // namespace

// ---- Starting
// ---------------------------------------------------------------------------------------

Result<Keeper> Keeper::open(const Options& options, Key master_key, const Clock& clock) {
  Keeper out{clock};
  COFFER_CHECK(out.start(options, master_key));
  return out;
}

Result<> Keeper::begin(std::string origin, const Key& master_key) {
  origin_ = std::move(origin);
  COFFER_TRY(ledger_key_, SignKey::from_seed(derive_key(master_key, "coffer-ledger-v1").expose()));
  COFFER_TRY(auto seal_key,
             SealKey::from_secret(derive_key(master_key, "coffer-seal-v1").expose()));
  COFFER_TRY(const auto vkey, ledger::VerifierKey::make(origin_, ledger::KeyType::Ed25519,
                                                        ledger_key_->public_key()));
  ledger_vkey_ = vkey.text();
  state_ = std::make_unique<State>(State::Identity{std::move(seal_key), ledger_vkey_},
                                   OverRuns::below(directory_),
                                   ledger::MerkleTree{ledger::LeafFile::below(directory_)});
  state_->set_reading_journal(true);
  return {};
}

Result<> Keeper::start(const Options& options, const Key& master_key) {
  directory_ = options.directory;
  COFFER_TRY(journal_, Journal::open(options.directory / "journal",
                                     derive_key(master_key, "coffer-journal-v1"),
                                     [&](JournalRecord record, const JournalPlace& place) {
                                       return replay(master_key, std::move(record), place);
                                     }));
  if (!state_) {
    const auto name = derive_key(master_key, "coffer-origin-v1");
    const auto origin = !options.origin.empty()
                            ? options.origin
                            : "cofferdam-" + base32(name.expose().first(10)) + "/ledger";
    COFFER_CHECK(begin(origin, master_key));
    WireWriter body;
    body.u8(kOriginRecord).text(origin);
    const JournalRecord first{std::move(body).take(), {}, false};
    COFFER_CHECK(journal_->append({&first, 1}));
  }
  state_->set_reading_journal(false);
  if (state_->lacks_a_key()) {
    return Error{Code::Corrupt, "journal: a version's key is wiped and the version is not removed"};
  }
  // A crash may have come between a removal and the wiping of its key.
  for (const auto& manifest : removed_) COFFER_CHECK(wipe(manifest));
  removed_.clear();
  return {};
}

Result<> Keeper::replay(const Key& master_key, JournalRecord record, const JournalPlace& place) {
  const auto broken = [&](std::string_view why) {
    return Error{Code::Corrupt, fmt::format("journal: {} at byte {}", why, place.body_offset)};
  };
  if (!state_) {
    WireReader in{record.body};
    if (in.u8() != kOriginRecord) in.fail();
    auto origin = in.text();
    if (!in.finish()) return broken("the first record names no ledger");
    return begin(std::move(origin), master_key);
  }
  COFFER_TRY(const auto body, decode_body(record.body));
  clock_->not_before(UnixTime{std::chrono::milliseconds{body.time_ms}});
  COFFER_TRY(auto request, decode_request(body.request));
  if (auto* manifest = std::get_if<AddManifest>(&request)) {
    const auto digest = manifest_of(*manifest);
    manifest->sealed_key = record.secret;
    if (place.secret_length > 0 && !record.wiped) secrets_[digest] = place;
  }
  if (const auto* removal = std::get_if<RemoveVersion>(&request)) {
    removed_.push_back(removal->manifest);
  }
  auto effect = state_->apply(request, body.time_ms);
  if (!effect || !effect->changed) return broken("an operation that its own rules refuse");
  const bool has_entries = !effect->entries.empty();
  if (encode_entries(std::move(effect->entries)) != body.entries) {
    return broken("an operation whose entries are others now");
  }
  if (has_entries) done_.put(body.operation, place.body_offset);
  return {};
}

// ---- Answering
// --------------------------------------------------------------------------------------

Result<std::vector<ByteVector>> Keeper::answer(const std::vector<Incoming>& requests) {
  if (requests.size() > kRequestsMax) return Error{Code::Internal, "keeper: too many requests"};
  const auto now = static_cast<std::uint64_t>(clock_->unix_time().time_since_epoch().count());
  Batch batch;
  batch.room = journal_->make_room(room_for(requests));
  std::vector<Reply> replies;
  for (const auto& incoming : requests) {
    auto reply = answer_one(incoming, batch, now);
    replies.push_back(reply ? *std::move(reply) : Reply{refused_as(reply.error())});
  }
  // Nothing that was done, and nothing that was only read of it, leaves before it is on disk.
  COFFER_CHECK(commit(batch));
  COFFER_TRY(const auto signed_checkpoint, checkpoint());
  std::vector<ByteVector> out;
  for (auto& reply : replies) {
    if (auto* appended = std::get_if<Appended>(&reply)) {
      appended->checkpoint = signed_checkpoint;
      appended->pending_revocations = state_->pending_count();
    } else if (auto* status = std::get_if<StatusReply>(&reply)) {
      status->time_ms = now;
      status->tree_size = state_->tree().size();
      status->root = state_->tree().root();
      status->checkpoint = signed_checkpoint;
    }
    out.push_back(encode(reply));
  }
  return out;
}

Result<Reply> Keeper::answer_one(const Incoming& incoming, Batch& batch, std::uint64_t now_ms) {
  auto request = decode_request(incoming.record);
  if (!request) return refuse(Code::InvalidArgument, "malformed", "no request of ours");
  if (!may_ask(incoming.peer, *request)) {
    return refuse(Code::Denied, "wrong_peer", "this connection may not ask that");
  }
  if (is_query(*request)) return state_->reply(*request, now_ms);
  return perform(*request, sha256(incoming.record), batch, now_ms);
}

Result<Reply> Keeper::perform(const Request& request, const Digest& operation, Batch& batch,
                              std::uint64_t now_ms) {
  std::vector<Entry> entries;
  COFFER_TRY(auto done, entries_of(operation, batch));
  if (done) {
    entries = *std::move(done);
  } else {
    if (!batch.room) {
      return refuse(Code::Unavailable, "disk_full",
                    "the disk is full: free some space, then try again");
    }
    COFFER_TRY(auto effect, state_->apply(request, now_ms));
    entries = std::move(effect.entries);
    if (effect.changed) {
      JournalRecord record;
      Request stored = request;
      if (auto* manifest = std::get_if<AddManifest>(&stored)) {
        record.secret = std::move(manifest->sealed_key);
        manifest->sealed_key.clear();
      }
      if (const auto* removal = std::get_if<RemoveVersion>(&request)) {
        batch.wiped.push_back(removal->manifest);
      }
      record.body = encode_body({now_ms, operation, encode(stored), encode_entries(entries)});
      batch.records.push_back(std::move(record));
      batch.operations.push_back(operation);
      if (!entries.empty()) batch.entries[operation] = entries;
    }
  }
  COFFER_TRY(Reply reply, state_->reply(request, now_ms));
  if (auto* appended = std::get_if<Appended>(&reply)) appended->entries = std::move(entries);
  return reply;
}

Result<std::optional<std::vector<Entry>>> Keeper::entries_of(const Digest& operation,
                                                             const Batch& batch) const {
  if (const auto found = batch.entries.find(operation); found != batch.entries.end()) {
    return std::optional{found->second};
  }
  for (const auto place : done_.places(operation)) {
    COFFER_TRY(const ByteVector bytes, journal_->read_body(place));
    COFFER_TRY(const auto body, decode_body(bytes));
    if (body.operation != operation) continue;
    COFFER_TRY(auto reply, decode_reply(body.entries));
    auto* appended = std::get_if<Appended>(&reply);
    if (appended == nullptr) return Error{Code::Corrupt, "journal: a record without entries"};
    return std::optional{std::move(appended->entries)};
  }
  return std::optional<std::vector<Entry>>{};
}

std::vector<int> Keeper::fds() const {
  std::vector<int> out{journal_->fd()};
  for (const auto& file : {state_->over().fd(), state_->tree().fd()}) {
    if (file) out.push_back(*file);
  }
  return out;
}

Result<> Keeper::commit(Batch& batch) {
  if (batch.records.empty()) return {};
  COFFER_TRY(const auto places, journal_->append(batch.records));
  for (std::size_t i = 0; i < places.size(); ++i) {
    const auto& operation = batch.operations[i];
    if (batch.entries.contains(operation)) done_.put(operation, places[i].body_offset);
    if (places[i].secret_length == 0) continue;
    COFFER_TRY(const auto body, decode_body(batch.records[i].body));
    COFFER_TRY(const auto request, decode_request(body.request));
    secrets_[manifest_of(std::get<AddManifest>(request))] = places[i];
  }
  for (const auto& manifest : batch.wiped) COFFER_CHECK(wipe(manifest));
  return {};
}

Result<> Keeper::wipe(const Digest& manifest) {
  const auto found = secrets_.find(manifest);
  if (found == secrets_.end()) return {};
  COFFER_CHECK(journal_->wipe_secret(found->second));
  secrets_.erase(found);
  return {};
}

Result<std::string> Keeper::checkpoint() const {
  const auto& tree = state_->tree();
  return ledger::sign_checkpoint({origin_, tree.size(), tree.root()}, *ledger_key_);
}

// ---- The master key
// -----------------------------------------------------------------------------------

namespace {

Result<Key> key_of_hex(std::string_view text, std::string_view where) {
  const auto bytes = parse_hex(trim(text));
  if (bytes && bytes->size() == 32) return key_from(*bytes);
  return Error{Code::FailedPrecondition, fmt::format("{}: not 64 hex digits", where)};
}

}  // namespace

Result<Key> load_master_key(const std::filesystem::path& directory, const std::string& command) {
  if (!command.empty()) {
    COFFER_TRY(const auto result, run_command({"/bin/sh", "-c", command}, "", 60s, 4096));
    if (!result.status.ok()) {
      return Error{Code::FailedPrecondition, "--master-key-command failed"}.as("master_key");
    }
    return key_of_hex(result.output, "--master-key-command");
  }
  const auto path = directory / "master.key";
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) {
    if (std::filesystem::exists(directory / "journal")) {
      return Error{Code::FailedPrecondition, "master.key is missing, and there is a journal"}.as(
          "master_key");
    }
    const Key key = random_key();
    COFFER_CHECK(write_text(path, hex(key.expose()) + "\n", 0600));
    return key_from(key.expose());
  }
  if (!S_ISREG(status.st_mode) || (status.st_mode & 077) != 0) {
    return Error{Code::FailedPrecondition, "master.key must be a file of mode 600"}.as(
        "master_key");
  }
  COFFER_TRY(const auto text, read_text(path, 1024));
  return key_of_hex(text, "master.key");
}

}  // namespace coffer::keeper
