#include "cli/local.h"

#include <fcntl.h>

#include "cli/files.h"
#include "cli/problem.h"
#include "os/files.h"
#include "vault/reader.h"

namespace coffer::cli {
namespace {

namespace fs = std::filesystem;

// Chunks of a public dataset, one request each.
class RemoteChunks final : public vault::ChunkSource {
 public:
  RemoteChunks(Server& server, std::string dataset_id)
      : server_(server), dataset_id_(std::move(dataset_id)) {}
  Result<ByteVector> chunk(const Digest& name) override {
    COFFER_TRY(const std::string bytes,
               server_.get_text(target({"v1", "vault", dataset_id_, "chunks", hex(name.bytes)})));
    const auto view = bytes_of(bytes);
    return ByteVector(view.begin(), view.end());
  }

 private:
  Server& server_;
  std::string dataset_id_;
};

Result<fs::path> names_directory(Session& session) {
  COFFER_TRY(const Places places, session.places());
  COFFER_TRY(const Profile* profile, session.profile());
  return places.data / "names" / profile->keeper.fingerprint();
}

Result<LocalEnvironment> open_environment(const fs::path& directory, const Digest& digest) {
  COFFER_TRY(const std::string text, read_whole(directory / "env.json"));
  COFFER_TRY(const Json json, Json::parse(text));
  COFFER_TRY(env::Frame frame, env::Frame::parse(json));
  return LocalEnvironment{digest, directory / "root", std::move(frame)};
}

fs::path environment_directory(const Places& places, const Digest& digest) {
  return places.data / "env" / hex(digest.bytes);
}

Result<> download_archive(Session& session, const std::string& name, const fs::path& file) {
  COFFER_TRY(Server * server, session.server());
  UniqueFd fd{::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)};
  if (!fd) return Error{Code::Unavailable, "cannot write " + file.string()};
  COFFER_TRY(const std::uint64_t first, size_of(fd.get()));
  if (::lseek(fd.get(), 0, SEEK_END) < 0) return Error{Code::Unavailable, "cannot seek"};
  ProgressLine progress{session.terminal(), session.clock(), "fetching " + name};
  auto done = server->download(target({"v1", "environments", name, "archive"}), fd.get(),
                               shown_on(progress), first);
  // Nothing beyond what is here: whole already, and unpacking verifies it.
  if (!done && first > 0 && problem_of(done.error()).code == "http_416") return {};
  return done;
}

// Unpacks beside its place and moves it there, so that half an environment is never found.
Result<LocalEnvironment> install(const fs::path& directory, const fs::path& archive,
                                 const Digest& digest) {
  const fs::path fresh = directory.string() + ".new";
  COFFER_CHECK(coffer::remove_tree(fresh));
  COFFER_CHECK(make_directory(fresh, Access::Private));
  auto unpacked = env::unpack(archive, fresh / "root", digest);
  if (!unpacked) {
    (void)::unlink(archive.c_str());
    return std::move(unpacked).error();
  }
  COFFER_CHECK(replace_file(fresh / "env.json", unpacked->frame.json().canonical() + "\n",
                            Access::Ordinary));
  std::error_code error;
  fs::rename(fresh, directory, error);
  if (error && !fs::exists(directory)) {
    return Error{Code::Unavailable, "cannot make " + directory.string()};
  }
  (void)::unlink(archive.c_str());
  return open_environment(directory, digest);
}

}  // namespace

Result<LocalEnvironment> fetch_environment(Session& session, const program::EnvironmentName& name) {
  COFFER_TRY(const Places places, session.places());
  COFFER_TRY(const fs::path names, names_directory(session));
  COFFER_TRY(Server * server, session.server());
  COFFER_TRY(const Json document, server->get(target({"v1", "environments", name.text()})));
  const std::string state = document.text_or("state", "");
  if (!document["digest"].is_string()) {
    return refused("environment_not_ready", name.text() + " is " + printable(state),
                   "coffer env show " + name.name);
  }
  COFFER_TRY(const Digest digest, Digest::parse(document.text_or("digest", "")));
  if (name.digest && *name.digest != digest) {
    return refused("corrupt", "the server answered with another environment than asked for");
  }
  const fs::path directory = environment_directory(places, digest);
  std::error_code ignored;
  if (!fs::exists(directory / "env.json", ignored)) {
    const fs::path archive = directory.string() + ".tar.zst.part";
    COFFER_CHECK(make_directory(directory.parent_path(), Access::Private));
    COFFER_CHECK(download_archive(session, name.name + "@" + digest.text(), archive));
    COFFER_TRY([[maybe_unused]] const auto made, install(directory, archive, digest));
  }
  COFFER_CHECK(replace_file(names / "env" / name.name, digest.text() + "\n", Access::Private));
  return open_environment(directory, digest);
}

Result<LocalEnvironment> local_environment(Session& session, const program::EnvironmentName& name) {
  COFFER_TRY(const Places places, session.places());
  std::optional<Digest> digest = name.digest;
  if (!digest) {
    COFFER_TRY(const fs::path names, names_directory(session));
    if (const auto text = read_whole(names / "env" / name.name)) {
      if (const auto parsed = Digest::parse(trim(*text))) digest = *parsed;
    }
  }
  if (digest) {
    const fs::path directory = environment_directory(places, *digest);
    if (auto found = open_environment(directory, *digest)) return found;
  }
  return fetch_environment(session, name);
}

Result<Version> local_version(Session& session, const program::DatasetName& name) {
  COFFER_TRY(const fs::path names, names_directory(session));
  const auto file_of = [&](const program::DatasetName& any) {
    return names / "data" / any.org / (any.text().substr(any.org.size() + 1) + ".json");
  };
  if (const auto text = read_whole(file_of(name))) {
    if (const auto json = Json::parse(*text)) {
      auto version = check_version(*json);
      if (version && (version->card || version->manifest.is_public)) return version;
    }
  }
  COFFER_TRY(Version version, fetch_version(session, name));
  const std::string text = version.document.canonical() + "\n";
  COFFER_CHECK(replace_file(file_of(name), text, Access::Private));
  COFFER_CHECK(replace_file(file_of(version.name), text, Access::Private));
  return version;
}

Result<fs::path> local_public(Session& session, const Version& version) {
  COFFER_TRY(const Places places, session.places());
  const fs::path directory = places.data / "public" / hex(version.digest.bytes);
  std::error_code error;
  if (fs::exists(directory, error)) return directory;
  COFFER_TRY(const auto key_bytes, parse_key32(version.document.text_or("public_key", "")));
  COFFER_TRY(const Key key, key_from(key_bytes));
  COFFER_TRY(Server * server, session.server());
  COFFER_TRY(UniqueFd list, scratch_file(places.data / "public"));
  COFFER_CHECK(server->download(version_target(version.name) + "/chunk-list", list.get()));
  if (::lseek(list.get(), 0, SEEK_SET) < 0) return Error{Code::Unavailable, "cannot seek"};
  RemoteChunks chunks{*server, version.manifest.dataset_id};
  COFFER_TRY(vault::Reader reader,
             vault::Reader::open({std::move(list), version.manifest.chunk_list, key}, chunks));
  const fs::path fresh = directory.string() + ".new";
  COFFER_CHECK(coffer::remove_tree(fresh));
  COFFER_CHECK(make_directory(fresh, Access::Private));
  COFFER_TRY(const UniqueFd root, open_directory(fresh));
  ProgressLine progress{session.terminal(), session.clock(), "fetching " + version.name.text()};
  COFFER_TRY([[maybe_unused]] const auto staged, vault::stage(std::move(reader), root.get()));
  fs::rename(fresh, directory, error);
  if (error && !fs::exists(directory)) {
    return Error{Code::Unavailable, "cannot make " + directory.string()};
  }
  return directory;
}

}  // namespace coffer::cli
