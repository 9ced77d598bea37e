#include "keeper/keeper.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>

#include "keeper/test_world.h"
#include "ledger/checkpoint.h"
#include "os/files.h"

namespace coffer::keeper::test {
namespace {

namespace fs = std::filesystem;

// A keeper on disk that can be stopped, cut and started again.
struct Machine {
  TemporaryDirectory directory = *TemporaryDirectory::make();
  ManualClock clock;
  std::optional<Keeper> keeper;
  std::optional<World> world;

  Machine() {
    clock.set_unix_start(time_of(kStart));
    start();
    const auto status = std::get<StatusReply>(*ask(Status{}));
    world.emplace(status.ledger_vkey, status.seal_key,
                  [this](const Request& request) { return ask(request); });
  }
  fs::path journal() const { return directory.path() / "journal"; }
  Result<> try_start() {
    keeper.reset();
    auto made = Keeper::open({directory.path(), "coffer.example/ledger"},
                             *key_from(sha256("master").bytes), clock);
    if (!made) return std::move(made).error();
    keeper.emplace(*std::move(made));
    return {};
  }
  void start() {
    const auto started = try_start();
    ASSERT_TRUE(started) << started.error().message;
  }
  Result<Reply> ask(const Request& request, std::optional<Peer> peer = {}) {
    const bool workers = std::holds_alternative<Open>(request) ||
                         std::holds_alternative<Started>(request) ||
                         std::holds_alternative<Report>(request);
    const auto from = peer.value_or(workers                                         ? Peer::Worker
                                    : std::holds_alternative<RevokeDirect>(request) ? Peer::Socket
                                                                                    : Peer::Front);
    COFFER_TRY(const auto replies, keeper->answer({{from, encode(request)}}));
    return decode_reply(replies.at(0));
  }
  void advance(std::uint64_t ms) {
    clock.advance(std::chrono::milliseconds{static_cast<std::int64_t>(ms)});
    world->now += ms;
  }
};

// The story so far, to be told to any machine.
struct Story {
  Digest manifest, grant, run;
  std::vector<Request> operations;  // all that were accepted, in order

  explicit Story(Machine& machine) {
    World& world = *machine.world;
    const auto inner = world.ask;
    world.ask = [this, inner](const Request& request) {
      if (!is_query(request)) operations.push_back(request);
      return inner(request);
    };
    auto& stew = world.person("stew");
    auto& ada = world.person("ada");
    auto& rex = world.person("rex");
    manifest = world.dataset(stew, kId, 100'000);
    auto terms = world.grant_object(stew, kId, ada);
    terms.approver_keys = {rex.sign.public_key()};
    terms.approvals_needed = 1;
    grant = world.grant(stew, terms);
    auto request = world.run_object({grant}, manifest);
    request.outputs.push_back(weights_output());
    run = digest_of(request);
    world.append(world.submit(ada, request));
    world.start(run);
    world.must<ReportReply>(Report{run, 1, world.judged(request)});
    machine.advance(4000);
    world.append(world.settle(run));
    world.append(Download{world.seed(), run, "metrics", ada.sign.public_key()});
    world.append(View{world.seed(), run, "weights", rex.sign.public_key()});
    world.append(Approve{world.seed(), world.approval(rex, run, "weights")});
    world.ask = inner;
  }
};

// Everything that can be asked without sealing anything anew.
std::vector<ByteVector> all_answers(Machine& machine, const Story& story) {
  std::vector<ByteVector> out;
  for (const Request& query :
       {Request{Status{}}, Request{GrantBudget{story.grant}}, Request{DatasetBudget{kId}},
        Request{RunQuery{story.run}}, Request{OpenRuns{}}}) {
    out.push_back(encode(*machine.ask(query)));
  }
  return out;
}

TEST(Keeper, RemembersEverythingWhenStartedAgain) {
  Machine machine;
  const Story story{machine};
  const auto before = all_answers(machine, story);
  machine.start();
  EXPECT_EQ(all_answers(machine, story), before);
  EXPECT_EQ(machine.world->rule(Decide{machine.world->seed(), story.run, "weights",
                                       Decision::Released, DecisionCause::Approved}),
            "");
}

TEST(Keeper, StartedAgainKnowsWhichOfSeveralSignaturesHeld) {
  Machine machine;
  World& world = *machine.world;
  const auto manifest = world.dataset(world.person("stew"), kId, 100'000);
  const auto& ada = world.person("ada");
  const auto& bob = world.person("bob");
  const auto terms = world.grant_object(world.person("stew"), kId, ada);
  const auto request = world.run_object({world.grant(world.person("stew"), terms)}, manifest);
  auto envelope = grant::sign(request, ada.sign);
  auto forged = grant::sign(world.run_object({}, manifest), bob.sign).signatures.at(0);
  envelope.signatures.insert(envelope.signatures.begin(), std::move(forged));
  world.append(SubmitRun{world.seed(), grant::render(envelope)});
  machine.start();
  world.start(digest_of(request));
  world.must<ReportReply>(Report{digest_of(request), 1, world.judged(request)});
  machine.advance(4000);
  world.append(world.settle(digest_of(request)));
  const auto fetch = [&](const Person& who) {
    return Download{world.seed(), digest_of(request), "metrics", who.sign.public_key()};
  };
  EXPECT_NE(world.rule(fetch(bob)), "");
  EXPECT_EQ(world.rule(fetch(ada)), "");
}

TEST(Keeper, OperationSentAgainIsAnsweredTheSame) {
  Machine machine;
  const Story story{machine};
  const auto before = all_answers(machine, story);
  std::vector<std::vector<Entry>> first;
  const auto ask_all = [&] {
    std::vector<std::vector<Entry>> out;
    for (const auto& operation : story.operations) {
      const auto reply = machine.ask(operation);
      EXPECT_TRUE(reply);
      const auto* appended = std::get_if<Appended>(&*reply);
      out.push_back(appended != nullptr ? appended->entries : std::vector<Entry>{});
    }
    return out;
  };
  first = ask_all();
  std::uint64_t index = 0;
  for (const auto& entries : first) {
    for (const auto& entry : entries) EXPECT_EQ(entry.index, index++);
  }
  EXPECT_EQ(index, machine.keeper->state().tree().size());
  machine.start();
  EXPECT_EQ(ask_all(), first);
  EXPECT_EQ(all_answers(machine, story), before);
}

TEST(Keeper, JournalCutAtEveryByteOfItsLastRecordIsTheStateBefore) {
  Machine machine;
  const Story story{machine};
  const auto before = all_answers(machine, story);
  const auto length = fs::file_size(machine.journal());
  const Decide last{machine.world->seed(), story.run, "weights", Decision::Released,
                    DecisionCause::Approved};
  const auto acknowledged = std::get<Appended>(*machine.ask(last));
  const auto after = all_answers(machine, story);
  machine.keeper.reset();
  const auto whole = *read_file(machine.journal(), 1 << 24);
  ASSERT_GT(whole.size(), length);
  const auto step = std::max<std::size_t>(1, (whole.size() - length) / 64);
  for (std::size_t cut = length; cut < whole.size(); cut += step) {
    ASSERT_TRUE(write_file(machine.journal(), ByteView{whole}.first(cut)));
    machine.start();
    EXPECT_EQ(all_answers(machine, story), before) << cut;
  }
  // Sent again, the cut operation gives the entries that it gave.
  EXPECT_EQ(std::get<Appended>(*machine.ask(last)).entries, acknowledged.entries);
  EXPECT_EQ(all_answers(machine, story), after);
  machine.keeper.reset();
  ASSERT_TRUE(write_file(machine.journal(), whole));
  machine.start();
  EXPECT_EQ(all_answers(machine, story), after);
}

TEST(Keeper, RequestsThatComeTogetherShareOneFrame) {
  Machine machine;
  World& world = *machine.world;
  auto& stew = world.person("stew");
  auto& ada = world.person("ada");
  const auto manifest = world.dataset(stew, kId, 100'000);
  auto terms = world.grant_object(stew, kId, ada);
  terms.budgets.bits = std::uint64_t{3} * 39;
  const auto grant = world.grant(stew, terms);
  std::vector<Incoming> together;
  for (int i = 0; i < 5; ++i) {
    together.push_back(
        {Peer::Front, encode(world.submit(ada, world.run_object({grant}, manifest)))});
  }
  together.push_back(together[0]);  // and one of them again
  const auto replies = *machine.keeper->answer(together);
  int accepted = 0;
  for (std::size_t i = 0; i < 5; ++i) {
    const auto reply = *decode_reply(replies[i]);
    if (const auto* refused = std::get_if<Refused>(&reply)) {
      EXPECT_EQ(refused->rule, "grant_exhausted");
    } else {
      ++accepted;
    }
  }
  EXPECT_EQ(accepted, 3);
  EXPECT_EQ(replies[5], replies[0]);
  EXPECT_EQ(world.budget(grant).reserved.bits, 3U * 39U);
}

TEST(Keeper, CheckpointsAreSignedAndGoOnFromEachOther) {
  Machine machine;
  const Story story{machine};
  const auto log = *ledger::VerifierKey::parse(machine.keeper->ledger_vkey());
  std::uint64_t size = 0;
  for (const auto& operation : story.operations) {
    const auto reply = *machine.ask(operation);
    const auto* appended = std::get_if<Appended>(&reply);
    if (appended == nullptr) continue;
    const auto checkpoint = ledger::open_checkpoint(appended->checkpoint, log);
    ASSERT_TRUE(checkpoint);
    EXPECT_EQ(checkpoint->origin, "coffer.example/ledger");
    EXPECT_EQ(checkpoint->root, *machine.keeper->state().tree().root_at(checkpoint->size));
    EXPECT_GE(checkpoint->size, size);
    size = checkpoint->size;
    for (const auto& entry : appended->entries) {
      EXPECT_EQ(ledger::leaf_hash(entry.public_bytes),
                *machine.keeper->state().tree().leaf(entry.index));
      const auto parsed = *ledger::Entry::parse(entry.public_bytes);
      EXPECT_EQ(parsed.commit, ledger::commitment(entry.nonce, entry.private_bytes));
    }
  }
}

TEST(Keeper, PeersAskOnlyWhatIsTheirs) {
  Machine machine;
  const Story story{machine};
  const auto rule = [&](const Request& request, Peer peer) {
    const auto reply = *machine.ask(request, peer);
    const auto* refused = std::get_if<Refused>(&reply);
    return refused != nullptr ? refused->rule : std::string();
  };
  EXPECT_EQ(rule(Open{story.run, 1, {}}, Peer::Front), "wrong_peer");
  EXPECT_EQ(rule(Report{story.run, 1, {}}, Peer::Front), "wrong_peer");
  EXPECT_EQ(rule(story.operations[0], Peer::Worker), "wrong_peer");
  EXPECT_EQ(rule(RunQuery{story.run}, Peer::Worker), "wrong_peer");
  EXPECT_EQ(rule(Status{}, Peer::Worker), "");
  EXPECT_EQ(rule(Status{}, Peer::Socket), "wrong_peer");
  EXPECT_EQ(rule(story.operations[0], Peer::Socket), "wrong_peer");
  EXPECT_EQ(rule(RevokeDirect{"{}"}, Peer::Socket), "malformed");
  const auto garbage = *machine.keeper->answer({{Peer::Front, ByteVector(3)}});
  EXPECT_EQ(std::get<Refused>(*decode_reply(garbage[0])).rule, "malformed");
}

TEST(Keeper, DirectRevocationHoldsAtOnceAndGetsItsEntryFromTheFront) {
  Machine machine;
  const Story story{machine};
  World& world = *machine.world;
  const auto size = machine.keeper->state().tree().size();
  const auto envelope = world.revocation(world.person("stew"), story.grant);
  world.must<Done>(RevokeDirect{envelope});
  world.must<Done>(RevokeDirect{envelope});
  EXPECT_EQ(machine.keeper->state().tree().size(), size);
  machine.start();
  EXPECT_EQ(world.rule(
                world.submit(world.person("ada"), world.run_object({story.grant}, story.manifest))),
            "revoked");
  EXPECT_EQ(world.must<StatusReply>(Status{}).pending_revocations,
            std::vector<std::string>{envelope});
  const auto done = world.append(Revoke{world.seed(), envelope});
  EXPECT_EQ(World::kinds(done), std::vector<std::string>{"revocation"});
  EXPECT_EQ(done.pending_revocations, 0U);
  EXPECT_EQ(world.rule(Revoke{world.seed(), envelope}), "already_revoked");
}

TEST(Keeper, RemovedVersionsKeyLeavesTheJournal) {
  Machine machine;
  World& world = *machine.world;
  auto& stew = world.person("stew");
  const auto manifest = world.manifest_object(stew, kId);
  const auto add = world.add_manifest(stew, manifest);
  world.append(add);
  const auto has_key = [&] {
    const auto content = *read_file(machine.journal(), 1 << 24);
    return text_of(content).find(text_of(add.sealed_key)) != std::string_view::npos;
  };
  EXPECT_TRUE(has_key());
  const RemoveVersion removal = world.removal(stew, digest_of(manifest));
  const auto done = world.append(removal);
  EXPECT_FALSE(has_key());
  machine.start();
  EXPECT_EQ(world.append(removal).entries, done.entries);
  EXPECT_FALSE(world.append(add).entries.empty());  // sent again, after all that
}

TEST(Keeper, KeyIsWipedAgainAfterACrashBetweenRemovalAndWiping) {
  Machine machine;
  World& world = *machine.world;
  auto& stew = world.person("stew");
  const auto manifest = world.manifest_object(stew, kId);
  const auto add = world.add_manifest(stew, manifest);
  world.append(add);
  const auto at = text_of(*read_file(machine.journal(), 1 << 24)).find(text_of(add.sealed_key));
  world.append(world.removal(stew, digest_of(manifest)));
  machine.keeper.reset();
  auto content = *read_file(machine.journal(), 1 << 24);
  std::copy(add.sealed_key.begin(), add.sealed_key.end(),
            content.begin() + static_cast<std::ptrdiff_t>(at));
  ASSERT_TRUE(write_file(machine.journal(), content));
  machine.start();
  EXPECT_EQ(text_of(*read_file(machine.journal(), 1 << 24)).find(text_of(add.sealed_key)),
            std::string_view::npos);
}

TEST(Keeper, RefusesAJournalWithAKeyWipedForNothing) {
  Machine machine;
  World& world = *machine.world;
  auto& stew = world.person("stew");
  const auto add = world.add_manifest(stew, world.manifest_object(stew, kId));
  world.append(add);
  (void)world.person("ada");  // a later record: the key is not that of a torn last write
  machine.keeper.reset();
  auto content = *read_file(machine.journal(), 1 << 24);
  const auto at = text_of(content).find(text_of(add.sealed_key));
  std::fill_n(content.begin() + static_cast<std::ptrdiff_t>(at), add.sealed_key.size(),
              std::byte{0});
  ASSERT_TRUE(write_file(machine.journal(), content));
  EXPECT_EQ(machine.try_start().error().code, Code::Corrupt);
}

// A front that was taken over: all it can forge is refused, by the rule that it breaks.
TEST(Keeper, LyingFrontIsRefusedByName) {
  Machine machine;
  const Story story{machine};
  World& world = *machine.world;
  auto& stew = world.person("stew");
  auto& ada = world.person("ada");
  auto& mal = world.person("mal");
  // Forged owner key: its own limit, grant, and version of stew's dataset.
  auto limit = world.limit_object(mal, kId, 1'000'000'000);
  limit.sequence = 2;
  EXPECT_EQ(world.rule(SetLimit{world.seed(), render(grant::sign(limit, mal.sign))}), "not_owner");
  auto terms = world.grant_object(mal, kId, mal);
  EXPECT_EQ(world.rule(world.add_grant(mal, terms)), "not_owner");
  auto forged = world.grant_object(stew, kId, mal);
  EXPECT_EQ(world.rule(world.add_grant(mal, forged)), "not_signed");
  // An entry beyond the limit.
  auto wide = world.grant_object(stew, kId, ada);
  wide.budgets.bits = 100'001;
  EXPECT_EQ(world.rule(world.add_grant(stew, wide)), "over_limit");
  // Another's run, another's release, a key swapped under a name.
  EXPECT_EQ(world.rule(world.submit(mal, world.run_object({story.grant}, story.manifest))),
            "not_grantee");
  EXPECT_EQ(world.rule(Download{world.seed(), story.run, "metrics", mal.sign.public_key()}),
            "not_grantee");
  EXPECT_EQ(world.rule(View{world.seed(), story.run, "weights", mal.sign.public_key()}),
            "not_approver");
  auto swapped = world.key_object("ada", sign_key_of("mal 2"), seal_key_of("mal"));
  swapped.sequence = 2;
  swapped.previous = digest_of(ada.object);
  EXPECT_EQ(world.rule(RegisterKey{world.seed(), render(grant::sign(swapped, sign_key_of("mal 2"))),
                                   KeyRole::User}),
            "not_signed");
  // A replayed grant, run and manifest, each in a request of its own.
  for (const auto& operation : story.operations) {
    auto again = operation;
    std::string expected;
    if (auto* add = std::get_if<AddGrant>(&again))
      add->seed = world.seed(), expected = "already_there";
    if (auto* add = std::get_if<SubmitRun>(&again)) add->seed = world.seed(), expected = "replayed";
    if (auto* add = std::get_if<AddManifest>(&again)) {
      add->seed = world.seed(), expected = "already_there";
    }
    if (expected.empty()) continue;
    EXPECT_EQ(world.rule(again), expected);
  }
  // A release that nobody approved enough, a charge that was not.
  EXPECT_EQ(world.rule(Settle{world.seed(), story.run, {}}), "already_settled");
  auto request = world.run_object({story.grant}, story.manifest);
  world.append(world.submit(ada, request));
  EXPECT_EQ(world.rule(Settle{world.seed(), digest_of(request), {}}), "not_started");
  // And after all of it the honest one goes on.
  EXPECT_EQ(world.rule(world.add_grant(stew, world.grant_object(stew, kId, ada))), "over_limit");
  auto small = world.grant_object(stew, kId, ada);
  small.budgets.bits = 36'000;
  EXPECT_EQ(world.rule(world.add_grant(stew, small)), "");
}

// Whoever confines the keeper closes every other one.
TEST(Keeper, NamesEachFileThatItHasOpenBelowItsDirectory) {
  Machine machine;
  const auto named = machine.keeper->fds();
  std::size_t found = 0;
  for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    const auto target = fs::read_symlink(entry, gone).string();
    if (!target.starts_with(machine.directory.path().string() + "/")) continue;
    ++found;
    const int fd = std::stoi(entry.path().filename().string());
    EXPECT_EQ(std::count(named.begin(), named.end(), fd), 1) << target;
  }
  EXPECT_EQ(found, 3U) << "journal, runs that are over, leaves of the ledger";
}

TEST(MasterKey, IsMadeOnceForItsOwnerOnly) {
  const auto directory = *TemporaryDirectory::make();
  const auto first = load_master_key(directory.path(), "");
  ASSERT_TRUE(first);
  const auto path = directory.path() / "master.key";
  EXPECT_EQ(fs::status(path).permissions(), fs::perms::owner_read | fs::perms::owner_write);
  EXPECT_TRUE(*load_master_key(directory.path(), "") == *first);
  fs::permissions(path, fs::perms::group_read, fs::perm_options::add);
  EXPECT_EQ(load_master_key(directory.path(), "").error().code, Code::FailedPrecondition);
}

TEST(MasterKey, IsNotMadeAnewBesideAJournal) {
  const auto directory = *TemporaryDirectory::make();
  ASSERT_TRUE(write_text(directory.path() / "journal", "x"));
  EXPECT_EQ(load_master_key(directory.path(), "").error().code, Code::FailedPrecondition);
}

TEST(MasterKey, ComesFromACommandIfThereIsOne) {
  const auto directory = *TemporaryDirectory::make();
  const std::string digits(64, 'a');
  const auto key = load_master_key(directory.path(), "echo " + digits);
  ASSERT_TRUE(key) << key.error().message;
  EXPECT_EQ(hex(key->expose()), digits);
  EXPECT_FALSE(fs::exists(directory.path() / "master.key"));
  EXPECT_FALSE(load_master_key(directory.path(), "echo short"));
  EXPECT_FALSE(load_master_key(directory.path(), "false"));
}

}  // namespace
}  // namespace coffer::keeper::test
