#include "vault/add.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "vault/chunker.h"
#include "vault/detail/io.h"
#include "vault/tree.h"

namespace coffer::vault {
namespace {

// Keeps some chunks of a file in memory: several are hashed in less time than one after the other.
class FileWindow {
 public:
  static constexpr std::size_t kRoom = 4 * kChunkMax;

  // `room`: kRoom bytes, one buffer for all files.
  FileWindow(int fd, const Chunker& chunker, ByteVector& room)
      : fd_(fd), chunker_(chunker), room_(room) {}

  // The next chunks, none at the end; valid until the next call.
  Result<std::vector<ByteView>> next() {
    if (!ended_) COFFER_CHECK(fill());
    std::vector<ByteView> out;
    while (holds_a_chunk()) out.push_back(take());
    return out;
  }

 private:
  bool holds_a_chunk() const { return have_ - at_ >= (ended_ ? 1 : kChunkMax); }
  ByteView take() {
    const ByteView rest = ByteView{room_}.subspan(at_, have_ - at_);
    const ByteView chunk = rest.first(chunker_.cut(rest));
    at_ += chunk.size();
    return chunk;
  }
  // What is left moves to the front: a quarter of the room at most.
  Result<> fill() {
    std::memmove(room_.data(), room_.data() + at_, have_ - at_);
    have_ -= std::exchange(at_, 0);
    COFFER_TRY(const std::size_t got, read_into(fd_, std::span{room_}.subspan(have_)));
    ended_ = have_ + got < room_.size();
    have_ += got;
    return {};
  }

  int fd_;
  const Chunker& chunker_;
  ByteVector& room_;
  std::size_t have_{0};
  std::size_t at_{0};
  bool ended_{false};
};

// Reads from the start; one pass at a time, since the passes share an offset.
Result<ListReader> open_parent(const ParentVersion& parent) {
  UniqueFd fd{::fcntl(parent.list_fd, F_DUPFD_CLOEXEC, 0)};
  if (!fd) return system_error("the parent's chunk list cannot be opened");
  return ListReader::open(std::move(fd), parent.version_key);
}

bool same_content(const FileEntry& a, const FileEntry& b) {
  const auto same_id = [](const ChunkRef& x, const ChunkRef& y) { return x.id == y.id; };
  return a.size == b.size && a.mode == b.mode &&
         std::equal(a.chunks.begin(), a.chunks.end(), b.chunks.begin(), b.chunks.end(), same_id);
}

// Two ascending sequences of paths, told apart: which side the next path comes from.
enum class Side : std::uint8_t { ParentOnly, GivenOnly, Both };

template <class Parent, class Given>
std::optional<Side> next_side(const std::optional<Parent>& parent,
                              const std::optional<Given>& given) {
  if (!parent && !given) return {};
  if (!given || (parent && parent->path < given->path)) return Side::ParentOnly;
  if (!parent || given->path < parent->path) return Side::GivenOnly;
  return Side::Both;
}

class Adder {
 public:
  Adder(const AddPlan& plan, const AddWork& work)
      : plan_(plan),
        work_(work),
        chunker_(work.dataset_key),
        room_(FileWindow::kRoom),
        added_{random_key(), {}, {}, 0, 0} {}

  Result<Added> run() {
    std::optional<ListReader> parent;
    if (work_.parent) {
      COFFER_CHECK(absorb_parent());
      COFFER_TRY(auto reader, open_parent(*work_.parent));
      parent.emplace(std::move(reader));
    }
    COFFER_TRY(ListWriter list, ListWriter::create(work_.list_fd, added_.version_key,
                                                   work_.dataset_key, plan_.visibility));
    COFFER_TRY(TreeWalk walk, TreeWalk::open(plan_.paths));
    COFFER_CHECK(merge(parent, walk, list));
    COFFER_TRY(added_.summary, list.finish());
    return std::move(added_);
  }

 private:
  Result<> absorb_parent() {
    COFFER_TRY(auto reader, open_parent(*work_.parent));
    if (reader.visibility() != plan_.visibility) {
      return Error{Code::FailedPrecondition, "a dataset stays public or protected for life"};
    }
    if (!(reader.dataset_key() == work_.dataset_key)) {
      return Error{Code::FailedPrecondition, "the parent belongs to another dataset"};
    }
    return absorb(present_, std::move(reader));
  }

  static Result<std::optional<FileEntry>> next_of(std::optional<ListReader>& parent) {
    if (!parent) return std::optional<FileEntry>{};
    return parent->next();
  }

  Result<> merge(std::optional<ListReader>& parent, TreeWalk& walk, ListWriter& list) {
    COFFER_TRY(auto before, next_of(parent));
    COFFER_TRY(auto given, walk.next());
    while (const auto side = next_side(before, given)) {
      switch (*side) {
        case Side::ParentOnly:
          COFFER_CHECK(keep_or_drop(*before, list));
          break;
        case Side::GivenOnly: {
          COFFER_TRY(const FileEntry entry, read_file(*given));
          COFFER_CHECK(list.add(entry));
          added_.diff.added += 1;
          break;
        }
        case Side::Both: {
          COFFER_TRY(const FileEntry entry, read_file(*given));
          COFFER_CHECK(list.add(entry));
          (same_content(entry, *before) ? added_.diff.unchanged : added_.diff.changed) += 1;
          break;
        }
      }
      if (*side != Side::GivenOnly) {
        COFFER_TRY(before, next_of(parent));
      }
      if (*side != Side::ParentOnly) {
        COFFER_TRY(given, walk.next());
      }
    }
    return {};
  }

  Result<> keep_or_drop(const FileEntry& entry, ListWriter& list) {
    if (plan_.mode == Mode::Replace) {
      added_.diff.removed += 1;
      return {};
    }
    added_.diff.unchanged += 1;
    return list.add(entry);
  }

  Result<FileEntry> read_file(const WalkedFile& file) {
    FileEntry entry{.path = file.path, .size = 0, .mode = file.mode, .chunks = {}};
    COFFER_TRY(const auto before, facts_of(file));
    COFFER_CHECK(work_.observer.begin(file.path, file.size));
    FileWindow window{file.fd.get(), chunker_, room_};
    for (;;) {
      COFFER_TRY(const auto chunks, window.next());
      if (chunks.empty()) break;
      COFFER_CHECK(add_chunks(entry, chunks));
    }
    COFFER_CHECK(work_.observer.end());
    COFFER_TRY(const auto after, facts_of(file));
    if (before != after || entry.size != after.size) {
      return Error{Code::FailedPrecondition, printable(file.path) + " changed while it was read"};
    }
    return entry;
  }

  struct Facts {
    std::uint64_t size;
    std::int64_t changed_s;
    std::int64_t changed_ns;
    bool operator==(const Facts&) const = default;
  };
  static Result<Facts> facts_of(const WalkedFile& file) {
    struct stat facts {};
    if (::fstat(file.fd.get(), &facts) != 0) return system_error(printable(file.path));
    return Facts{static_cast<std::uint64_t>(facts.st_size), facts.st_mtim.tv_sec,
                 facts.st_mtim.tv_nsec};
  }

  Result<> add_chunks(FileEntry& entry, std::span<const ByteView> chunks) {
    if (entry.chunks.size() + chunks.size() > kFileChunksMax) {
      return Error{Code::InvalidArgument, printable(entry.path) + " is too large"};
    }
    const auto ids = chunk_ids(work_.dataset_key, chunks);
    COFFER_CHECK(send_new(ids, chunks));
    for (std::size_t i = 0; i < chunks.size(); ++i) {
      entry.chunks.push_back(find(ids[i])->copy());
      entry.size += chunks[i].size();
      COFFER_CHECK(work_.observer.bytes(chunks[i]));
    }
    return {};
  }

  const ChunkRef* find(const Digest& id) const {
    const ChunkRef* same = work_.known.find(id);
    return same != nullptr ? same : present_.find(id);
  }

  Result<> send_new(std::span<const Digest> ids, std::span<const ByteView> chunks) {
    std::set<Digest> wanted;
    std::vector<PlainChunk> fresh;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (find(ids[i]) != nullptr || !wanted.insert(ids[i]).second) continue;
      fresh.push_back({ids[i], random_key(), chunks[i]});
    }
    for (auto& sealed : seal_chunks(std::move(fresh))) {
      added_.new_chunks += 1;
      added_.new_bytes += sealed.bytes.size();
      present_.insert(sealed.ref.copy());
      COFFER_CHECK(work_.sink.chunk(std::move(sealed)));
    }
    return {};
  }

  const AddPlan& plan_;
  const AddWork& work_;
  Chunker chunker_;
  ByteVector room_;
  ChunkIndex present_;  // the parent's and this add's own; not `known`, which outlives a failure
  Added added_;
};

}  // namespace

std::string Diff::text() const {
  std::string out = fmt::format("+{} files, -{}, {} unchanged", render_count(added),
                                render_count(removed), render_count(unchanged));
  if (changed > 0) out += fmt::format(", {} changed", render_count(changed));
  return out;
}

Result<Added> add(const AddPlan& plan, const AddWork& work) { return Adder{plan, work}.run(); }

Result<Diff> preview(const AddPlan& plan, const std::optional<ParentVersion>& parent) {
  Diff diff;
  std::optional<ListReader> reader;
  if (parent) {
    COFFER_TRY(auto opened, open_parent(*parent));
    reader.emplace(std::move(opened));
  }
  const auto next_before = [&]() -> Result<std::optional<FileEntry>> {
    if (!reader) return std::optional<FileEntry>{};
    return reader->next();
  };
  COFFER_TRY(TreeWalk walk, TreeWalk::open(plan.paths));
  COFFER_TRY(auto before, next_before());
  COFFER_TRY(auto given, walk.next());
  while (const auto side = next_side(before, given)) {
    if (*side == Side::GivenOnly) diff.added += 1;
    if (*side == Side::ParentOnly) {
      (plan.mode == Mode::Replace ? diff.removed : diff.unchanged) += 1;
    }
    if (*side == Side::Both) (before->size == given->size ? diff.unchanged : diff.changed) += 1;
    if (*side != Side::GivenOnly) {
      COFFER_TRY(before, next_before());
    }
    if (*side != Side::ParentOnly) {
      COFFER_TRY(given, walk.next());
    }
  }
  return diff;
}

}  // namespace coffer::vault
