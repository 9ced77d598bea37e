#include "app/backup.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <map>
#include <set>

#include "app/backup_head.h"
#include "app/stopped.h"
#include "app/stored_files.h"
#include "cli/terminal.h"
#include "cli/usage.h"
#include "crypto/file_digest.h"
#include "db/snapshot.h"
#include "front/schema.h"
#include "front/site.h"
#include "front/stored.h"
#include "os/files.h"

namespace coffer::app {
namespace {

namespace fs = std::filesystem;

constexpr const char* kUnfinished = "backup.unfinished";
constexpr int kTries = 100;

struct Order {
  fs::path data;
  fs::path target;
};

// BACKUP.partial, locked while it is written, gone when it was not finished.
class Partial {
 public:
  static Result<Partial> make(const fs::path& target) {
    Partial out{target.string() + ".partial"};
    const auto mark = out.path_ / kUnfinished;
    std::error_code ignored;
    if (fs::exists(out.path_, ignored) && !fs::is_empty(out.path_, ignored) &&
        !fs::exists(mark, ignored)) {
      return Error{Code::AlreadyExists, out.path_.string() + " is there and is no backup: move it"}
          .as("target_exists");
    }
    COFFER_CHECK(make_directories(out.path_));
    out.lock_ = UniqueFd{::open(mark.c_str(), O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600)};
    if (!out.lock_) return system_error("write " + out.path_.string(), errno);
    if (::flock(out.lock_.get(), LOCK_EX | LOCK_NB) != 0) {
      return Error{Code::AlreadyExists, "another backup is writing " + out.path_.string()}.as(
          "backup_running");
    }
    out.ours_ = true;
    for (const auto& entry : fs::directory_iterator(out.path_, ignored)) {
      if (entry.path().filename() != kUnfinished) COFFER_CHECK(remove_tree(entry.path()));
    }
    COFFER_CHECK(make_directories(out.path_ / "front"));
    COFFER_CHECK(make_directories(out.path_ / "keeper"));
    return out;
  }
  Partial(Partial&& other) noexcept
      : path_(std::move(other.path_)),
        lock_(std::move(other.lock_)),
        ours_(std::exchange(other.ours_, false)) {}
  Partial& operator=(Partial&&) = delete;
  ~Partial() {
    if (ours_) (void)remove_tree(path_).has_value();
  }
  const fs::path& path() const { return path_; }

  Result<> finish(const fs::path& target) {
    COFFER_TRY(const UniqueFd directory, open_directory(path_));
    if (::unlinkat(directory.get(), kUnfinished, 0) != 0 || ::syncfs(directory.get()) != 0) {
      return system_error("finish " + path_.string(), errno);
    }
    // Not every file system knows how not to replace; that there is nothing was looked at before.
    const int named =
        ::renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, target.c_str(), RENAME_NOREPLACE);
    if (named != 0 && (errno != EINVAL || ::rename(path_.c_str(), target.c_str()) != 0)) {
      return system_error("name " + target.string(), errno);
    }
    ours_ = false;
    return sync_directory(target.parent_path());
  }

 private:
  explicit Partial(fs::path path) : path_(std::move(path)) {}
  fs::path path_;
  UniqueFd lock_;
  bool ours_{false};
};

// Goes on with a copy of a file that grows, until it has all of it.
class GrowingCopy {
 public:
  static Result<GrowingCopy> open(const fs::path& from, const fs::path& to) {
    GrowingCopy out;
    out.from_ = UniqueFd{::open(from.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
    if (!out.from_) return system_error("read " + from.string(), errno);
    out.to_ =
        UniqueFd{::open(to.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600)};
    if (!out.to_) return system_error("write " + to.string(), errno);
    return out;
  }
  Result<> catch_up() {
    return for_each_piece(from_.get(), "read the keeper's journal",
                          [this](ByteView piece) { return write_all(to_.get(), piece); });
  }

 private:
  UniqueFd from_, to_;
};

// The journal first, as far as it is; its rest while the front cannot write, and so cannot ask for
// anything new: what it has asked for is pending in the database. A key that is wiped meanwhile is
// wiped after its removal was written, so the rest has the removal.
Result<> copy_state(const fs::path& data, const fs::path& to) {
  for (const char* end : {"", "-wal", "-shm", "-journal"}) {
    (void)::unlink((to / "front" / ("coffer.db" + std::string(end))).c_str());
  }
  COFFER_TRY(auto journal, GrowingCopy::open(data / "keeper/journal", to / "keeper/journal"));
  COFFER_CHECK(journal.catch_up());
  return db::take_snapshot({data / "front/coffer.db", to / "front/coffer.db"},
                           [&] { return journal.catch_up(); });
}

class Backup {
 public:
  Backup(const Order& order, const fs::path& to, cli::Terminal& terminal)
      : order_(order), to_(to), progress_(terminal, clock_, "backup") {}

  // Files first, so that few are new once the state is fixed. A file that the state names and that
  // was not found was removed after that, which the next state knows; named again, it is lost.
  Result<BackupHead> make() {
    COFFER_CHECK(copy_files());
    std::set<std::string> missed;
    for (int i = 0; i < kTries; ++i) {
      COFFER_CHECK(copy_state(order_.data, to_));
      COFFER_CHECK(copy_files());
      COFFER_TRY(auto absent, find_absent());
      if (absent.empty()) return write_head();
      for (const auto& path : absent) {
        if (missed.contains(path)) return lost(path);
      }
      missed = std::move(absent);
    }
    return Error{Code::Unavailable, "datasets are removed faster than they can be copied"}.then(
        "wait until less is removed, then try again");
  }

 private:
  Result<> copy_files() {
    COFFER_TRY(const UniqueFd from, open_directory(order_.data));
    COFFER_TRY(const UniqueFd to, open_directory(to_));
    const auto paths = stored_paths(order_.data);
    std::size_t number = 0;
    for (const auto& path : paths) {
      ++number;
      if (const auto known = files_.find(path); known != files_.end()) {
        if (is_still_there(from.get(), known->second)) continue;
        // A run that was tried again has sealed its outputs anew.
        if (::unlinkat(to.get(), path.c_str(), 0) != 0) return system_error("copy again", errno);
        bytes_ -= known->second.bytes;
        files_.erase(known);
      }
      auto copied = copy_stored({.from = from.get(), .to = to.get(), .path = path});
      if (!copied && copied.error().code == Code::NotFound) continue;  // removed meanwhile
      if (!copied) return std::move(copied).error();
      COFFER_CHECK(check_name(*copied));
      bytes_ += copied->bytes;
      progress_.step(fmt::format("{} of {} files, {}", number, paths.size(), render_size(bytes_)));
      files_.emplace(path, *std::move(copied));
    }
    return {};
  }

  static Error lost(const std::string& path) {
    return Error{Code::Corrupt, "the database names " + path + ", which is not there"}
        .as("file_missing")
        .then("bring it back from an older backup");
  }

  Result<std::set<std::string>> find_absent() {
    COFFER_TRY(const auto site, front::open_site(to_, clock_));
    entries_ = site->tree.size();
    COFFER_TRY(const auto named, front::named_paths(*site));
    std::set<std::string> out;
    std::error_code ignored;
    for (const auto& path : named) {
      if (!files_.contains(path) && !fs::exists(to_ / path, ignored)) out.insert(path);
    }
    return out;
  }

  Result<Digest> digest_of(const fs::path& file) {
    const UniqueFd fd{::open(file.c_str(), O_RDONLY | O_CLOEXEC)};
    if (!fd) return system_error("read the copy", errno);
    const auto digest = sha256_of_file(fd.get());
    if (!digest) return system_error("read the copy", errno);
    return *digest;
  }

  Result<BackupHead> write_head() {
    std::vector<StoredFile> files;
    for (const auto& [path, file] : files_) files.push_back(file);
    const std::string list = render_listing(files);
    BackupHead head{.version = COFFER_VERSION,
                    .made = render_time(clock_.unix_time()),
                    .schema = front::kMigrations.size(),
                    .entries = entries_,
                    .files = files.size(),
                    .bytes = bytes_,
                    .database = {},
                    .journal = {},
                    .list = sha256(list)};
    COFFER_TRY(head.database, digest_of(to_ / "front/coffer.db"));
    COFFER_TRY(head.journal, digest_of(to_ / "keeper/journal"));
    COFFER_CHECK(write_text(to_ / kBackupList, list));
    COFFER_CHECK(write_text(to_ / kBackupMark, head.render()));
    return head;
  }

  const Order& order_;
  fs::path to_;
  SystemClock clock_;
  cli::ProgressLine progress_;
  std::map<std::string, StoredFile> files_;
  std::uint64_t entries_{0};
  std::uint64_t bytes_{0};
};

Result<> check_places(const Order& order) {
  std::error_code ignored;
  COFFER_CHECK(check_is_whole(order.data));
  if (!fs::exists(order.data / "front/coffer.db", ignored)) {
    return Error{Code::NotFound,
                 order.data.string() + " is no data directory of a server, or not yours to read"};
  }
  if (fs::exists(order.target, ignored)) {
    return Error{Code::AlreadyExists,
                 order.target.string() + " is there: a backup is never changed"}
        .as("target_exists")
        .then("another -o");
  }
  const auto inside = order.target.lexically_relative(order.data).string();
  if (!inside.empty() && !inside.starts_with("..")) {
    return Error{Code::InvalidArgument, "-o lies within --data: choose another disk"};
  }
  return {};
}

Result<BackupHead> run(const Order& order, cli::Terminal& terminal) {
  COFFER_CHECK(check_places(order));
  COFFER_TRY(Partial partial, Partial::make(order.target));
  Backup backup{order, partial.path(), terminal};
  COFFER_TRY(BackupHead head, backup.make());
  COFFER_CHECK(partial.finish(order.target));
  return head;
}

}  // namespace

int backup_main(int argc, char** argv) {
  CLI::App app{"Copies a server's data directory, also while the server runs.", "coffer backup"};
  app.footer(
      "Example:\n  coffer backup --data /srv/coffer -o /backups/2026-11-21\n\n"
      "The keeper's master key is not in it: keep DIR/keeper/master.key elsewhere.\n"
      "A directory whose name ends in .partial is a backup that did not finish.");
  std::string data, target;
  bool json = false;
  app.add_option("--data", data, "the server's data directory")->required();
  app.add_option("-o,--output", target, "where to, not there yet")->required();
  app.add_flag("--json", json, "One JSON document on stdout");
  try {
    app.parse(argc - 1, argv + 1);
  } catch (const CLI::ParseError& error) {
    return cli::report_usage(app, error);
  }
  cli::Terminal terminal{cli::Surroundings::of(environ)};
  const Order order{.data = fs::absolute(data).lexically_normal(),
                    .target = fs::absolute(fs::path{target} / "").lexically_normal().parent_path()};
  const auto head = run(order, terminal);
  if (!head) return report_failure("backup", head.error());
  if (json) {
    fmt::print("{}\n", Json::object({{"backup", order.target.string()},
                                     {"made", head->made},
                                     {"entries", head->entries},
                                     {"files", head->files},
                                     {"bytes", head->bytes}})
                           .pretty());
    return 0;
  }
  fmt::print("{}  {} entries, {} files, {}\nThe master key is not in it: keep {} elsewhere.\n",
             order.target.string(), render_count(head->entries), render_count(head->files),
             render_size(head->bytes), (order.data / "keeper/master.key").string());
  return 0;
}

}  // namespace coffer::app
