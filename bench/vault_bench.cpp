// vault_bench DIRECTORY MEBIBYTES REPEATS: adding and reading a version.
//
// Adding is everything the owner's machine does but the sending: chunking, names, compression,
// encryption, packs, the sealed list. Reading is everything the worker does but the writing: each
// sealed chunk from the store on disk (cached), every check, decompression.
#include <sched.h>

#include "bench.h"
#include "vault/add.h"
#include "vault/detail/scratch_test.h"
#include "vault/pack.h"
#include "vault/reader.h"
#include "vault/store.h"

namespace coffer::bench {
namespace {

using namespace coffer::vault;  // NOLINT

struct Dropped {
  PackWriter packs{[](const Pack& /*pack*/) -> Result<> { return {}; }};
};

// Puts each chunk into the store as the server would.
struct Stored final : ChunkSink {
  explicit Stored(Store& to) : store(to) {}
  Result<> chunk(SealedChunk chunk) override { return store.put(chunk.ref.name, chunk.bytes); }
  Store& store;
};

Added add_once(const std::string& path, ChunkSink& sink, const Key& dataset_key, int list) {
  if (::ftruncate(list, 0) != 0 || ::lseek(list, 0, SEEK_SET) != 0) std::abort();
  NoObserver observer;
  const ChunkIndex known;
  return must(add({.paths = {path}}, {.dataset_key = dataset_key,
                                      .parent = {},
                                      .known = known,
                                      .sink = sink,
                                      .observer = observer,
                                      .list_fd = list}));
}

void read_once(Store& store, const Added& added) {
  auto list = must(store.open_list(added.summary.list));
  auto reader = must(Reader::open({std::move(list), added.summary.list, added.version_key}, store));
  std::uint64_t bytes = 0;
  for (;;) {
    const auto file = must(reader.next());
    if (!file) break;
    must(reader.read(*file, [&](ByteView part) -> Result<> {
      bytes += part.size();
      return {};
    }));
  }
  if (bytes != added.summary.bytes) std::abort();
}

// This thread and those that it starts share one cpu: two at once may be halves of one core.
class OneCpu {
 public:
  OneCpu() {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<std::size_t>(std::max(0, ::sched_getcpu())), &one);
    if (::sched_getaffinity(0, sizeof all_, &all_) != 0 ||
        ::sched_setaffinity(0, sizeof one, &one) != 0) {
      std::abort();
    }
  }
  OneCpu(const OneCpu&) = delete;
  OneCpu& operator=(const OneCpu&) = delete;
  ~OneCpu() { (void)::sched_setaffinity(0, sizeof all_, &all_); }

 private:
  cpu_set_t all_{};
};

// Rows of numbers and words: what a table of a hospital looks like to a compressor.
std::string table(std::size_t bytes) {
  std::mt19937 random{11};
  std::string out = "id,age,sex,diagnosis,mean_radius,mean_texture,admitted\n";
  for (std::uint64_t row = 0; out.size() < bytes; ++row) {
    out += fmt::format("{},{},{},{},{:.3f},{:.2f},2025-{:02}-{:02}\n", row, 20 + random() % 70,
                       random() % 2 ? "f" : "m", random() % 3 ? "benign" : "malignant",
                       static_cast<double>(random() % 30000) / 1000,
                       static_cast<double>(random() % 4000) / 100, 1 + random() % 12,
                       1 + random() % 28);
  }
  out.resize(bytes);
  return out;
}

void measure(const std::string& directory, const std::string& kind, const std::string& content,
             int repeats) {
  const std::string path = directory + "/" + kind;
  std::ofstream{path, std::ios::binary} << content;
  const std::string list_path = path + ".list";
  const UniqueFd list{::open(list_path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)};
  if (!list) std::abort();
  const Key dataset_key = random_key();
  const double gigabytes = static_cast<double>(content.size()) / 1e9;
  measure_rate("vault.add." + kind, "GB/s", gigabytes, repeats, CLOCK_THREAD_CPUTIME_ID, [&] {
    Dropped dropped;
    (void)add_once(path, dropped.packs, dataset_key, list.get());
    must(dropped.packs.flush());
  });
  std::filesystem::create_directories(directory + "/vault");
  Store store = must(Store::create(directory + "/vault", new_dataset_id()));
  Stored stored{store};
  const Added added = add_once(path, stored, dataset_key, list.get());
  must(store.put_list(list.get(), added.summary.list));
  const auto read = [&] { read_once(store, added); };
  {
    const OneCpu one;
    measure_rate("vault.read." + kind, "GB/s", gigabytes, repeats, CLOCK_PROCESS_CPUTIME_ID, read);
  }
  measure_rate("vault.read_clock." + kind, "GB/s", gigabytes, repeats, CLOCK_MONOTONIC, read);
}

}  // namespace
}  // namespace coffer::bench

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const auto bytes = static_cast<std::size_t>(std::atoll(argv[2])) << 20;
  coffer::bench::measure(argv[1], "noise", coffer::vault::noise(bytes, 5), std::atoi(argv[3]));
  coffer::bench::measure(argv[1], "table", coffer::bench::table(bytes), std::atoi(argv[3]));
  return 0;
}
