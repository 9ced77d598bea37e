// A small world for the keeper's tests: people, data, grants and runs, all signed for real.
//
// Errors: a step that should have been accepted fails the test by name. Thread-safety: one thread.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "grant/objects.h"
#include "grant/permit.h"
#include "keeper/messages.h"
#include "keeper/state.h"
#include "ledger/note.h"

namespace coffer::keeper::test {

constexpr std::uint64_t kDay = 24ULL * 3600 * 1000;
constexpr std::uint64_t kStart = 1'772'000'000'000;  // early in 2026
inline UnixTime time_of(std::uint64_t ms) {
  return UnixTime{std::chrono::milliseconds{static_cast<std::int64_t>(ms)}};
}

inline SignKey sign_key_of(std::string_view name) {
  return *SignKey::from_seed(sha256("sign " + std::string(name)).bytes);
}
inline SealKey seal_key_of(std::string_view name) {
  return *SealKey::from_secret(sha256("seal " + std::string(name)).bytes);
}

struct Person {
  std::string name;
  SignKey sign;
  SealKey seal;
  grant::UserKey object;
};

inline std::vector<program::Output> metrics_output(const std::string& name = "metrics") {
  program::Number number;
  number.max = program::Decimal::from_integer(1);
  number.digits = 3;  // 1001 values: 10 bits
  return {{name, program::Lane::Bounded, program::Metrics{{{"accuracy", number}}}}};
}
inline program::Output weights_output() {  // 16 * 31 = 496 bits
  return {"weights", program::Lane::Bounded,
          program::Tensors{{{"coef", {31}, program::Dtype::F16, {}, 0, 0}}, {}}};
}

// Where requests go: a State, or a Keeper with its journal.
using Ask = std::function<Result<Reply>(const Request&)>;

class World {
 public:
  World() : World("coffer.example/ledger", seal_key_of("keeper"), sign_key_of("ledger")) {}
  World(const std::string& origin, SealKey seal, const SignKey& ledger)
      : vkey(ledger::VerifierKey::make(origin, ledger::KeyType::Ed25519, ledger.public_key())
                 ->text()),
        keeper_key(seal.public_key()) {
    state.emplace(State::Identity{std::move(seal), vkey}, OverRuns{}, ledger::MerkleTree{});
    ask = [this](const Request& request) -> Result<Reply> {
      if (is_query(request)) return state->reply(request, now);
      COFFER_TRY(auto effect, state->apply(request, now));
      COFFER_TRY(auto reply, state->reply(request, now));
      if (auto* appended = std::get_if<Appended>(&reply)) appended->entries = effect.entries;
      return reply;
    };
  }
  // The same over somebody else's keeper.
  World(std::string ledger_vkey, const SealPublic& key, Ask other)
      : vkey(std::move(ledger_vkey)), keeper_key(key), ask(std::move(other)) {}
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  std::string vkey;
  SealPublic keeper_key;
  std::optional<State> state;
  Ask ask;
  std::uint64_t now{kStart};

  Seed seed() {
    Seed out = sha256("seed " + std::to_string(++seeds_)).bytes;
    return out;
  }

  // ---- What is asked
  // -----------------------------------------------------------------------------

  // "" when it was accepted, else the rule that refused.
  std::string rule(const Request& request) {
    const auto reply = ask(request);
    if (!reply) return reply.error().rule;
    if (const auto* refused = std::get_if<Refused>(&*reply)) return refused->rule;
    return "";
  }
  template <class T>
  T must(const Request& request) {
    auto reply = ask(request);
    EXPECT_TRUE(reply) << (reply ? "" : reply.error().rule + ": " + reply.error().message);
    if (!reply || !std::holds_alternative<T>(*reply)) {
      const auto* refused = reply ? std::get_if<Refused>(&*reply) : nullptr;
      ADD_FAILURE() << (refused != nullptr ? refused->rule + ": " + refused->message : "no reply");
      return T{};
    }
    return std::get<T>(*std::move(reply));
  }
  Appended append(const Request& request) { return must<Appended>(request); }
  static std::vector<std::string> kinds(const Appended& appended) {
    std::vector<std::string> out;
    for (const auto& entry : appended.entries) {
      out.push_back(ledger::Entry::parse(entry.public_bytes)->kind);
    }
    return out;
  }
  static Json private_of(const Entry& entry) { return *Json::parse(text_of(entry.private_bytes)); }

  // ---- People
  // ------------------------------------------------------------------------------------

  grant::UserKey key_object(const std::string& name, const SignKey& sign, const SealKey& seal) {
    grant::UserKey out;
    out.user = name;
    out.sign_key = sign.public_key();
    out.seal_key = seal.public_key();
    out.ledger_vkey = vkey;
    out.issued = time_of(now);
    return out;
  }
  Person& person(const std::string& name, KeyRole role = KeyRole::User) {
    if (const auto found = people_.find(name); found != people_.end()) return found->second;
    Person made{name, sign_key_of(name), seal_key_of(name), {}};
    made.object = key_object(name, made.sign, made.seal);
    append(RegisterKey{seed(), render(grant::sign(made.object, made.sign)), role});
    return people_.emplace(name, std::move(made)).first->second;
  }

  // ---- Data
  // --------------------------------------------------------------------------------------

  grant::Manifest manifest_object(const Person& owner, const std::string& id) {
    grant::Manifest out;
    out.dataset_id = id;
    out.name = "clinic/" + id.substr(3);
    out.content = sha256("content of " + id);
    out.chunk_list = sha256("list of " + id);
    out.files = 1;
    out.owner_key = owner.sign.public_key();
    out.owner_seal_key = owner.seal.public_key();
    out.ledger_vkey = vkey;
    out.issued = time_of(now);
    return out;
  }
  Key version_key(const Digest& manifest) {
    return *key_from(sha256("version key " + manifest.text()).bytes);
  }
  AddManifest add_manifest(const Person& owner, const grant::Manifest& manifest) {
    const auto digest = digest_of(manifest);
    ByteVector sealed;
    if (!manifest.is_public) {
      sealed = *grant::seal_version_key(keeper_key, version_key(digest),
                                        {manifest.dataset_id, manifest.owner_key, digest});
    }
    return {seed(), render(grant::sign(manifest, owner.sign)), sealed};
  }
  grant::Card card_object(const Person& owner, const std::string& id, const Digest& manifest) {
    grant::Card out;
    out.dataset_id = id;
    out.manifest = manifest;
    out.owner_key = owner.sign.public_key();
    out.ledger_vkey = vkey;
    out.issued = time_of(now);
    return out;
  }
  grant::Limit limit_object(const Person& owner, const std::string& id, std::uint64_t bits) {
    return {id, bits, 0, false, 1, owner.sign.public_key(), vkey, time_of(now)};
  }
  // A dataset with card and limit; answers the manifest's digest.
  Digest dataset(const Person& owner, const std::string& id, std::uint64_t bits,
                 grant::DataClass data_class = grant::DataClass::General) {
    const auto manifest = manifest_object(owner, id);
    append(add_manifest(owner, manifest));
    auto card = card_object(owner, id, digest_of(manifest));
    card.data_class = data_class;
    append(SetCard{seed(), render(grant::sign(card, owner.sign))});
    append(SetLimit{seed(), render(grant::sign(limit_object(owner, id, bits), owner.sign))});
    return digest_of(manifest);
  }

  // ---- Grants and runs
  // ----------------------------------------------------------------------------

  grant::Grant grant_object(const Person& owner, const std::string& id, const Person& grantee) {
    grant::Grant out;
    out.ledger_vkey = vkey;
    out.dataset_id = id;
    out.owner_key = owner.sign.public_key();
    out.grantee_keys = {grantee.sign.public_key()};
    out.purpose = "survival";
    out.lanes = {program::Lane::Bounded};
    out.output_kinds = {program::Kind::Metrics, program::Kind::Tensors, program::Kind::Table};
    out.budgets = {64000, 0, 6, 20, 20ULL * 600'000};
    out.auto_bits = 256;
    out.auto_total = 20ULL * 256;
    out.not_before = time_of(kStart);
    out.until = time_of(kStart + 300 * kDay);
    out.nonce = sha256("grant " + std::to_string(++nonces_)).bytes;
    out.issued = time_of(now);
    return out;
  }
  AddGrant add_grant(const Person& owner, const grant::Grant& terms) {
    return {seed(), render(grant::sign(terms, owner.sign))};
  }
  Digest grant(const Person& owner, const grant::Grant& terms) {
    append(add_grant(owner, terms));
    return digest_of(terms);
  }
  std::string revocation(const Person& owner, const Digest& grant) {
    return render(grant::sign(grant::Revocation{grant, "study_ended", time_of(now)}, owner.sign));
  }
  RemoveVersion removal(const Person& owner, const Digest& manifest) {
    return {seed(), manifest, revocation(owner, manifest)};
  }
  grant::Run run_object(std::vector<Digest> grants, const Digest& manifest) {
    grant::Run out;
    out.program = sha256("program");
    out.environment = sha256("environment");
    out.inputs = {{"tumours", manifest}};
    out.resources.time_s = 600;
    out.outputs = metrics_output();
    out.grants = std::move(grants);
    out.nonce = sha256("run " + std::to_string(++nonces_)).bytes;
    return out;
  }
  SubmitRun submit(const Person& who, const grant::Run& run) {
    return {seed(), render(grant::sign(run, who.sign))};
  }

  // ---- The worker
  // ---------------------------------------------------------------------------------

  Open open(const Digest& run, std::uint32_t attempt = 1) {
    return {run, attempt, seal_key_of("worker").public_key()};
  }
  void start(const Digest& run, std::uint32_t attempt = 1) {
    must<PermitReply>(open(run, attempt));
    must<StartedReply>(Started{run, attempt});
  }
  ByteVector sealed(std::string_view what) {
    return *seal_to(keeper_key, sha256("key " + std::string(what)).bytes);
  }
  ReportedOutput reported(const program::Output& output) {
    ReportedOutput out;
    out.name = output.name;
    out.bits = program::object_bits_max(output);
    out.content = sha256("content " + output.name);
    out.commitment = sha256("commitment " + output.name);
    out.release = sha256("release " + output.name);
    out.evidence = sha256("evidence " + output.name);
    out.sealed_output_key = sealed("output " + output.name);
    out.sealed_evidence_key = sealed("evidence " + output.name);
    return out;
  }
  RunReport judged(const grant::Run& run, std::uint64_t slot_s = 4) {
    RunReport out;
    out.ending = program::Ending::Judged;
    out.slot_s = slot_s;
    out.cell_proof = sha256("proof");
    for (const auto& output : run.outputs) out.outputs.push_back(reported(output));
    return out;
  }
  Settle settle(const Digest& run) {
    const auto known = must<RunReply>(RunQuery{run});
    EXPECT_TRUE(known.settled);
    return {seed(), run, known.settled.value_or(Settled{})};
  }
  // From submit to settled, judged at four seconds.
  Digest whole_run(const Person& who, const grant::Run& request) {
    const auto run = digest_of(request);
    append(submit(who, request));
    start(run);
    must<ReportReply>(Report{run, 1, judged(request)});
    now += 4000;
    append(settle(run));
    return run;
  }

  std::string approval(const Person& who, const Digest& run, const std::string& output,
                       grant::ApprovalVerdict verdict = grant::ApprovalVerdict::Approve) {
    const bool ok = verdict == grant::ApprovalVerdict::Approve;
    return render(grant::sign(grant::Approval{run, output, sha256("commitment " + output), verdict,
                                              ok ? "ok" : "too_much"},
                              who.sign));
  }
  BudgetReply budget(const Digest& grant) { return must<BudgetReply>(GrantBudget{grant}); }
  BudgetReply budget(const std::string& id) { return must<BudgetReply>(DatasetBudget{id}); }

 private:
  std::map<std::string, Person> people_;
  std::uint64_t seeds_{0};
  std::uint64_t nonces_{0};
};

constexpr auto kId = "ds_aaaaaaaaaaaaaaaa";
constexpr auto kOtherId = "ds_bbbbbbbbbbbbbbbb";

// stew owns a dataset, ada may use it, rex approves.
struct Clinic : World {
  Person& root = person("root", KeyRole::Operator);
  Person& stew = person("stew");
  Person& ada = person("ada");
  Person& rex = person("rex");
  Digest manifest = dataset(stew, kId, 1'000'000);

  grant::Grant terms() {
    auto out = grant_object(stew, kId, ada);
    out.approver_keys = {rex.sign.public_key()};
    out.approvals_needed = 1;
    return out;
  }
  // Metrics, released automatically, and weights, held.
  grant::Run both(const Digest& grant) {
    auto out = run_object({grant}, manifest);
    out.outputs.push_back(weights_output());
    return out;
  }
};

}  // namespace coffer::keeper::test
