// cell_bench DIRECTORY STARTS: from the call to the end of /bin/true, in a cell, in bubblewrap with
// the same namespaces and mounts, and plainly spawned.
//
// A cell's figure has everything that a run pays: the fork of its supervisor, namespaces, root,
// filters, limits, the proof of every wall, and the removal of it all.
#include <spawn.h>
#include <sys/wait.h>

#include "bench.h"
#include "cell/cell.h"
#include "os/files.h"

extern char** environ;

namespace coffer::bench {
namespace {

constexpr std::uint64_t kOneMebibyte = std::uint64_t{1} << 20;

cell::Spec true_in_a_cell() {
  cell::Spec spec;
  spec.argv = {"/bin/true"};
  spec.binds.push_back({.source = "/usr", .target = "/usr"});
  spec.links = {{"/bin", "usr/bin"}, {"/lib", "usr/lib"}, {"/lib64", "usr/lib64"}};
  spec.out_bytes = kOneMebibyte;
  spec.resources.memory_bytes = 64 * kOneMebibyte;
  spec.resources.tmp_bytes = kOneMebibyte;
  spec.resources.shm_bytes = kOneMebibyte;
  return spec;
}

void start_cell(const cell::Launcher& launcher, const std::filesystem::path& stage) {
  const auto spec = true_in_a_cell();
  const auto ended =
      cell::supervised({.mount_point = stage, .timeout = std::chrono::minutes{1}},
                       [&](cell::Stage& at) -> Result<ByteVector> {
                         COFFER_TRY(const auto end, launcher.run(at, spec));
                         if (end.ending == cell::Ending::Finished && end.exit_code == 0) {
                           return ByteVector{};
                         }
                         return Error{Code::Internal, "/bin/true did not end well"};
                       });
  if (!ended) fail(ended.error());
}

void spawn(std::vector<std::string> words) {
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_t child = 0;
  int status = 0;
  if (::posix_spawnp(&child, argv[0], nullptr, nullptr, argv.data(), environ) != 0 ||
      ::waitpid(child, &status, 0) != child || status != 0) {
    fail(Error{Code::Internal, words[0] + " did not run /bin/true"});
  }
}

template <class Start>
void measure_starts(std::string_view name, int starts, Start&& start) {
  std::vector<double> samples;
  start();
  for (int i = 0; i < starts; ++i) samples.push_back(timed(CLOCK_MONOTONIC, start) * 1000);
  print_figure(name, "ms", samples);
}

}  // namespace
}  // namespace coffer::bench

int main(int argc, char** argv) {
  using namespace coffer;  // NOLINT
  if (argc != 3) return 2;
  const int starts = std::atoi(argv[2]);
  const std::filesystem::path stage = std::filesystem::path(argv[1]) / "stage";
  std::filesystem::create_directories(stage);
  const auto launcher = bench::must(cell::Launcher::create(Cgroups::detect()));
  bench::measure_starts("cell.start", starts, [&] { bench::start_cell(launcher, stage); });
  const std::vector<std::string> bubble{"bwrap",      "--unshare-all", "--die-with-parent",
                                        "--cap-drop", "ALL",           "--ro-bind",
                                        "/usr",       "/usr",          "--symlink",
                                        "usr/bin",    "/bin",          "--symlink",
                                        "usr/lib",    "/lib",          "--symlink",
                                        "usr/lib64",  "/lib64",        "--proc",
                                        "/proc",      "--dev",         "/dev",
                                        "--tmpfs",    "/tmp",          "--tmpfs",
                                        "/out",       "/bin/true"};
  bench::measure_starts("cell.bwrap", starts, [&] { bench::spawn(bubble); });
  bench::measure_starts("cell.spawn", starts, [] { bench::spawn({"/bin/true"}); });
  return 0;
}
