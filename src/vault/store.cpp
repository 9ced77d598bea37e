#include "vault/store.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <iterator>
#include <memory>

#include "crypto/file_digest.h"
#include "vault/detail/io.h"
#include "vault/pack.h"

namespace coffer::vault {
namespace {

constexpr int kRead = O_RDONLY | O_NOFOLLOW | O_CLOEXEC;
constexpr int kDirectory = kRead | O_DIRECTORY;

struct DirectoryFree {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

std::string hex_of(const Digest& digest) { return hex(digest.bytes); }
std::string chunk_path(const Digest& name) {
  const std::string text = hex_of(name);
  return fmt::format("chunks/{}/{}", text.substr(0, 2), text);
}
std::string list_path(const Digest& list) { return "lists/" + hex_of(list); }
std::string public_path(const Digest& list) { return "public/" + hex_of(list); }

Result<UniqueFd> open_directory(int at, const std::string& name) {
  UniqueFd fd{::openat(at, name.c_str(), kDirectory)};
  if (!fd) return system_error("a directory of the vault cannot be opened");
  return fd;
}

// Synced into its parent when it is new.
Result<> make_directory(int at, const std::string& name) {
  if (::mkdirat(at, name.c_str(), 0750) != 0) {
    if (errno == EEXIST) return {};
    return system_error("a directory of the vault cannot be made");
  }
  const auto slash = name.rfind('/');
  COFFER_TRY(const UniqueFd parent,
             open_directory(at, slash == std::string::npos ? "." : name.substr(0, slash)));
  return sync(parent.get());
}

// Calls `visit` with the name of each entry of the directory `path` below `root`; none when the
// directory is absent.
Result<> each_name(int root, const std::string& path,
                   const std::function<Result<>(const std::string&)>& visit) {
  UniqueFd fd{::openat(root, path.c_str(), kDirectory)};
  if (!fd && errno == ENOENT) return {};
  const std::unique_ptr<DIR, DirectoryFree> directory{fd ? ::fdopendir(fd.get()) : nullptr};
  if (!directory) return system_error("a directory of the vault cannot be read");
  (void)fd.release();
  while (const dirent* entry = ::readdir(directory.get())) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") COFFER_CHECK(visit(name));
  }
  return {};
}

Result<Digest> digest_of_name(const std::string& name) { return Digest::parse("sha256:" + name); }

Result<> remove_file(int root, const std::string& path) {
  if (::unlinkat(root, path.c_str(), 0) == 0 || errno == ENOENT) return {};
  return system_error("a file of the vault cannot be removed");
}

// Its size when it was last written before `limit`, nothing otherwise.
std::optional<std::uint64_t> size_if_older(int root, const std::string& path, UnixTime limit) {
  struct stat facts {};
  if (::fstatat(root, path.c_str(), &facts, AT_SYMLINK_NOFOLLOW) != 0) return {};
  const UnixTime written{std::chrono::seconds{facts.st_mtim.tv_sec} +
                         std::chrono::milliseconds{facts.st_mtim.tv_nsec / 1'000'000}};
  if (written >= limit) return {};
  return static_cast<std::uint64_t>(facts.st_size);
}

// A file in tmp/ that becomes visible by publish(), or is removed.
class Pending {
 public:
  static Result<Pending> create(int root) {
    Pending out{root, "tmp/" + base32(random_bytes(15))};
    const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    out.fd_ = UniqueFd{::openat(root, out.name_.c_str(), flags, 0640)};
    if (!out.fd_) return system_error("a file of the vault cannot be made");
    return out;
  }
  Pending(Pending&& other) noexcept
      : root_(other.root_), name_(std::exchange(other.name_, {})), fd_(std::move(other.fd_)) {}
  Pending& operator=(Pending&&) = delete;
  ~Pending() {
    if (!name_.empty()) (void)::unlinkat(root_, name_.c_str(), 0);
  }
  int fd() const { return fd_.get(); }

  Result<> publish(const std::string& path) {
    COFFER_CHECK(sync(fd_.get()));
    if (::renameat(root_, name_.c_str(), root_, path.c_str()) != 0) {
      return system_error("a file of the vault cannot be put in place");
    }
    name_.clear();
    COFFER_TRY(const UniqueFd directory, open_directory(root_, path.substr(0, path.rfind('/'))));
    return sync(directory.get());
  }

 private:
  Pending(int root, std::string name) : root_(root), name_(std::move(name)) {}
  int root_;
  std::string name_;
  UniqueFd fd_;
};

}  // namespace

Result<Store> Store::create(const std::string& vault, const std::string& dataset_id) {
  COFFER_CHECK(check_dataset_id(dataset_id));
  COFFER_TRY(const UniqueFd parent, open_directory(AT_FDCWD, vault));
  COFFER_CHECK(make_directory(parent.get(), dataset_id));
  COFFER_TRY(UniqueFd root, open_directory(parent.get(), dataset_id));
  for (const char* name : {"chunks", "lists", "public", "tmp"}) {
    COFFER_CHECK(make_directory(root.get(), name));
  }
  return Store{std::move(root)};
}

Result<Store> Store::open(const std::string& vault, const std::string& dataset_id) {
  COFFER_CHECK(check_dataset_id(dataset_id));
  COFFER_TRY(const UniqueFd parent, open_directory(AT_FDCWD, vault));
  COFFER_TRY(UniqueFd root, open_directory(parent.get(), dataset_id));
  return Store{std::move(root)};
}

Result<> Store::write_atomically(const std::string& path, ByteView bytes) {
  COFFER_TRY(Pending file, Pending::create(root_.get()));
  COFFER_CHECK(write_all(file.fd(), bytes));
  return file.publish(path);
}

Result<> Store::put(const Digest& name, ByteView sealed) {
  if (sha256(sealed) != name) {
    return Error{Code::Corrupt,
                 fmt::format("chunk {} has other bytes than its name says", name.text())};
  }
  COFFER_TRY(const auto absent, missing(std::span{&name, 1}));
  if (absent.empty()) return {};
  COFFER_CHECK(make_directory(root_.get(), "chunks/" + hex_of(name).substr(0, 2)));
  return write_atomically(chunk_path(name), sealed);
}

Result<Store::PackResult> Store::put_pack(int fd) {
  PackResult result;
  PackReader reader{fd};
  for (;;) {
    COFFER_TRY(const auto record, reader.next());
    if (!record) return result;
    COFFER_CHECK(put(record->name, record->bytes));
    result.chunks += 1;
    result.bytes += record->bytes.size();
  }
}

Result<ByteVector> Store::chunk(const Digest& name) {
  const UniqueFd fd{::openat(root_.get(), chunk_path(name).c_str(), kRead)};
  if (!fd && errno == ENOENT) {
    return Error{Code::NotFound, fmt::format("chunk {} is not in the vault", name.text())};
  }
  if (!fd) return system_error("a chunk cannot be opened");
  struct stat facts {};
  if (::fstat(fd.get(), &facts) != 0) return system_error("a chunk cannot be read");
  const auto size = static_cast<std::size_t>(facts.st_size);
  if (size > kSealedMax) {
    return Error{Code::Corrupt, fmt::format("chunk {} is too long for one", name.text())};
  }
  return read_up_to(fd.get(), size);
}

Result<std::vector<Digest>> Store::missing(std::span<const Digest> names) {
  std::vector<Digest> absent;
  for (const auto& name : names) {
    if (::utimensat(root_.get(), chunk_path(name).c_str(), nullptr, AT_SYMLINK_NOFOLLOW) == 0)
      continue;
    if (errno != ENOENT) return system_error("the vault cannot be asked for a chunk");
    absent.push_back(name);
  }
  return absent;
}

Result<> Store::put_list(int fd, const Digest& list) {
  if (::lseek(fd, 0, SEEK_SET) != 0) return system_error("a file cannot be read");
  const auto found = sha256_of_file(fd);
  if (!found) return system_error("a file cannot be read");
  if (*found != list) {
    return Error{Code::Corrupt, "the uploaded chunk list is not the one that the manifest names"};
  }
  COFFER_TRY(const auto names, list_chunk_names(fd));
  COFFER_TRY(const auto absent, missing(names));
  if (!absent.empty()) {
    return Error{Code::FailedPrecondition,
                 fmt::format("{} of {} chunks are not in the vault: send them first",
                             render_count(absent.size()), render_count(names.size()))};
  }
  if (::lseek(fd, 0, SEEK_SET) != 0) return system_error("a file cannot be read");
  COFFER_TRY(Pending file, Pending::create(root_.get()));
  for (;;) {
    COFFER_TRY(const ByteVector bytes, read_up_to(fd, std::size_t{1} << 20));
    if (bytes.empty()) break;
    COFFER_CHECK(write_all(file.fd(), bytes));
  }
  return file.publish(list_path(list));
}

Result<UniqueFd> Store::open_list(const Digest& list) const {
  UniqueFd fd{::openat(root_.get(), list_path(list).c_str(), kRead)};
  if (!fd) return system_error("a chunk list cannot be opened");
  return fd;
}

Result<std::vector<Digest>> Store::lists() const {
  std::vector<Digest> out;
  COFFER_CHECK(each_name(root_.get(), "lists", [&](const std::string& name) -> Result<> {
    COFFER_TRY(const Digest list, digest_of_name(name));
    out.push_back(list);
    return {};
  }));
  std::sort(out.begin(), out.end());
  return out;
}

Result<std::vector<Digest>> Store::names_of(const Digest& list) const {
  COFFER_TRY(const UniqueFd fd, open_list(list));
  return list_chunk_names(fd.get());
}

Result<std::vector<Digest>> Store::named_chunks() const {
  COFFER_TRY(const auto all_lists, lists());
  std::vector<Digest> named;
  for (const auto& list : all_lists) {
    COFFER_TRY(const auto names, names_of(list));
    std::vector<Digest> merged;
    std::set_union(named.begin(), named.end(), names.begin(), names.end(),
                   std::back_inserter(merged));
    named = std::move(merged);
  }
  return named;
}

// The list goes first: chunks that a crash leaves behind are garbage then.
Result<Store::Collected> Store::remove_list(const Digest& list) {
  auto names = names_of(list);
  if (!names && names.error().code != Code::NotFound) return std::move(names).error();
  COFFER_CHECK(remove_file(root_.get(), public_path(list)));
  COFFER_CHECK(remove_file(root_.get(), list_path(list)));
  Collected collected;
  if (!names) return collected;
  COFFER_TRY(const auto still_named, named_chunks());
  for (const auto& name : *names) {
    if (std::binary_search(still_named.begin(), still_named.end(), name)) continue;
    const auto size = size_if_older(root_.get(), chunk_path(name), UnixTime::max());
    if (!size) continue;
    COFFER_CHECK(remove_file(root_.get(), chunk_path(name)));
    collected.chunks += 1;
    collected.bytes += *size;
  }
  return collected;
}

Result<> Store::publish_key(const Digest& list, const Key& version_key) {
  return write_atomically(public_path(list), version_key.expose());
}

Result<Key> Store::public_key(const Digest& list) const {
  const UniqueFd fd{::openat(root_.get(), public_path(list).c_str(), kRead)};
  if (!fd) return system_error("a version's key is not published");
  COFFER_TRY(const ByteVector bytes, read_up_to(fd.get(), 33));
  return key_from(bytes);
}

Result<> Store::remove_leftovers() {
  return each_name(root_.get(), "tmp", [&](const std::string& name) {
    return remove_file(root_.get(), "tmp/" + name);
  });
}

Result<Store::Collected> Store::collect_garbage(UnixTime unused_since) {
  COFFER_TRY(const auto named, named_chunks());
  Collected collected;
  enum class Holds : std::uint8_t { Chunks, Leftovers };
  const auto sweep = [&](const std::string& folder, Holds holds) {
    return each_name(root_.get(), folder, [&, holds](const std::string& name) -> Result<> {
      const auto digest = digest_of_name(name);
      if (digest && std::binary_search(named.begin(), named.end(), *digest)) return {};
      const std::string path = folder + "/" + name;
      const auto size = size_if_older(root_.get(), path, unused_since);
      if (!size) return {};
      COFFER_CHECK(remove_file(root_.get(), path));
      if (holds == Holds::Chunks) collected.chunks += 1;
      collected.bytes += *size;
      return {};
    });
  };
  for (unsigned first = 0; first < 256; ++first) {
    COFFER_CHECK(sweep(fmt::format("chunks/{:02x}", first), Holds::Chunks));
  }
  COFFER_CHECK(sweep("tmp", Holds::Leftovers));
  return collected;
}

}  // namespace coffer::vault
