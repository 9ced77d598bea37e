// ledger_bench DIRECTORY ENTRIES REPEATS: durable appends by the keeper, offline verification.
//
// An append is what the keeper does for one submitted run: parse, check the signature, the grant
// and its budgets, make the entry, write it to the journal with one sync, sign a checkpoint.
#include <sys/stat.h>

#include "bench.h"
#include "keeper/keeper.h"
#include "keeper/test_world.h"
#include "ledger/test_log.h"
#include "ledger/verify.h"

namespace coffer::bench {
namespace {

using keeper::Incoming;
using keeper::Keeper;
using keeper::Peer;

constexpr std::size_t kGroup = 256;  // what the front may have waiting in one turn
constexpr std::size_t kSingles = 200;
constexpr std::string_view kDataset = "ds_aaaaaaaaaaaaaaaa";

keeper::Reply ask_one(Keeper& keeper, const keeper::Request& request) {
  const auto replies = must(keeper.answer({{Peer::Front, keeper::encode(request)}}));
  auto reply = must(keeper::decode_reply(replies.front()));
  if (const auto* refused = std::get_if<keeper::Refused>(&reply)) {
    fail(Error{refused->code, refused->message}.as(refused->rule));
  }
  return reply;
}

struct Appends {
  explicit Appends(Keeper& keeper)
      : world(keeper.ledger_vkey(),
              std::get<keeper::StatusReply>(ask_one(keeper, keeper::Status{})).seal_key,
              [&](const keeper::Request& request) { return ask_one(keeper, request); }) {
    world.now = static_cast<std::uint64_t>(SystemClock{}.unix_time().time_since_epoch().count());
    const auto& owner = world.person("stew");
    manifest = world.dataset(owner, std::string(kDataset), 1ULL << 40);
    auto terms = world.grant_object(owner, std::string(kDataset), world.person("ada"));
    terms.until = keeper::test::time_of(world.now + keeper::test::kDay);
    terms.budgets = {1ULL << 40, 0, 6, 1U << 30, 1ULL << 50};
    terms.auto_total = 0;
    terms.auto_bits = 0;
    grant = world.grant(owner, terms);
  }
  std::vector<Incoming> group(std::size_t count) {
    std::vector<Incoming> out;
    const auto& ada = world.person("ada");
    for (std::size_t i = 0; i < count; ++i) {
      out.push_back({Peer::Front, keeper::encode(keeper::Request{
                                      world.submit(ada, world.run_object({grant}, manifest))})});
    }
    return out;
  }
  keeper::test::World world;
  Digest manifest;
  Digest grant;
};

void must_append(Keeper& keeper, const std::vector<Incoming>& group) {
  for (const auto& reply : must(keeper.answer(group))) {
    const auto decoded = must(keeper::decode_reply(reply));
    if (!std::holds_alternative<keeper::Appended>(decoded)) {
      fail(Error{Code::Internal, "the keeper did not append"});
    }
  }
}

void measure_appends(const std::filesystem::path& directory, std::size_t entries, int repeats) {
  const auto path = directory / "keeper";
  std::filesystem::remove_all(path);
  std::filesystem::create_directories(path);
  const SystemClock clock;
  Keeper keeper = must(Keeper::open({path, ""}, random_key(), clock));
  Appends appends{keeper};
  std::vector<double> rates;
  for (int i = 0; i < repeats; ++i) {
    const std::size_t groups = std::max<std::size_t>(1, entries / kGroup / 100);
    std::vector<std::vector<Incoming>> work;
    for (std::size_t g = 0; g < groups; ++g) work.push_back(appends.group(kGroup));
    const double seconds = timed(CLOCK_MONOTONIC, [&] {
      for (const auto& group : work) must_append(keeper, group);
    });
    rates.push_back(static_cast<double>(groups * kGroup) / seconds);
  }
  print_figure("ledger.append.group", "entries/s", rates);
  std::vector<double> singles;
  for (std::size_t i = 0; i < kSingles; ++i) {
    const auto one = appends.group(1);
    singles.push_back(timed(CLOCK_MONOTONIC, [&] { must_append(keeper, one); }) * 1000);
  }
  print_figure("ledger.append.one", "ms", singles);
  std::filesystem::remove_all(path);
}

void measure_verification(std::size_t count, int repeats) {
  std::vector<ByteVector> entries;
  for (std::size_t i = 0; i < count; ++i) {
    const ledger::Entry entry{.kind = "run",
                              .time = keeper::test::time_of(keeper::test::kStart + i * 1000),
                              .commit = sha256(std::to_string(i)),
                              .lost = {}};
    entries.push_back(entry.public_bytes());
  }
  const ledger::TempDir exported;
  ledger::export_log(exported, ledger::tree_of(entries), entries);
  entries = {};
  const auto policy = ledger::Policy::of_key(ledger::log_vkey());
  measure_rate("ledger.verify", "entries/s", static_cast<double>(count), repeats,
               CLOCK_THREAD_CPUTIME_ID,
               [&] { (void)must(ledger::verify_directory(exported.path(), policy)); });
}

}  // namespace
}  // namespace coffer::bench

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const auto entries = static_cast<std::size_t>(std::atoll(argv[2]));
  coffer::bench::measure_appends(argv[1], entries, std::atoi(argv[3]));
  coffer::bench::measure_verification(entries, std::atoi(argv[3]));
  return 0;
}
