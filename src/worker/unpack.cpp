#include "worker/unpack.h"

#include <sys/stat.h>

#include "os/files.h"
#include "program/tree.h"

namespace coffer::worker {
namespace {

// The archive's headers and padding beside its contents.
constexpr std::uint64_t kArchiveMax = program::kTreeBytesMax + (64ULL << 20);

Result<Unpacked> unpack(const UnpackPlace& place, const Unpack& order, cell::Stage& stage) {
  COFFER_TRY(auto archive, read_file(place.data / "front" / "uploads" / order.upload, kArchiveMax));
  cell::Launcher::Question question{.kit = cell::Kit::Unpack,
                                    .input = std::move(archive),
                                    .answer_max = 4096,
                                    .out_bytes = program::kTreeBytesMax + (16ULL << 20)};
  question.resources.memory_bytes = 512ULL << 20;
  question.resources.time = 60s;
  question.ids = place.ids;
  COFFER_TRY(const auto answer, place.launcher.ask(stage, std::move(question)));
  COFFER_TRY(const auto tree, program::read_tree(answer.out.get()));
  const auto target = place.data / "programs" / hex(tree.digest.bytes);
  const Unpacked done{.upload = order.upload,
                      .program = tree.digest,
                      .files = tree.files.size(),
                      .bytes = tree.bytes,
                      .problem = {}};
  struct stat there {};
  if (::stat(target.c_str(), &there) == 0) return done;
  COFFER_TRY(const auto temporary, TemporaryDirectory::make(place.data / "programs"));
  const auto fresh = temporary.path() / "tree";
  COFFER_CHECK(make_directories(fresh, 0755));
  COFFER_TRY(const UniqueFd directory, open_directory(fresh));
  COFFER_CHECK(copy_tree(answer.out.get(), directory.get(), {.bytes_max = program::kTreeBytesMax}));
  if (::rename(fresh.c_str(), target.c_str()) != 0 && errno != ENOTEMPTY && errno != EEXIST) {
    return system_error("make the program's directory", errno);
  }
  COFFER_CHECK(sync_directory(place.data / "programs"));
  return done;
}

}  // namespace

Unpacked unpack_program(const UnpackPlace& place, const Unpack& order) {
  auto stage = cell::Stage::enter(place.data / "stage", 16ULL << 20, 1000);
  auto done = stage ? unpack(place, order, *stage) : Result<Unpacked>{std::move(stage).error()};
  if (done) return *std::move(done);
  return {.upload = order.upload,
          .program = {},
          .files = 0,
          .bytes = 0,
          .problem = done.error().message};
}

}  // namespace coffer::worker
