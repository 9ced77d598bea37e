#include "front/archives.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "front/uploads.h"
#include "os/files.h"

namespace coffer::front {
namespace {

constexpr Duration kSendPatience = 5s;
constexpr Duration kMoment = 20ms;  // then others get their turn

std::string path_of(const Site& site, const Digest& archive) {
  return site.uploads() + "/oci-" + hex(archive.bytes);
}

bool send(Site& site, const env::Request& request) {
  Channel* channel = site.links.builder();
  if (channel != nullptr && channel->send(env::encode(request), kSendPatience)) return true;
  site.links.drop_builder();
  site.archives.clear();  // resume_builder() begins them again
  return false;
}

// The next part of the first archive, or after the last part its build.
bool send_next(Site& site) {
  ArchiveUnderWay& first = site.archives.front();
  env::Archive part{first.archive, first.offset, ByteVector(env::kArchivePart)};
  const auto got = first.file ? ::pread(first.file.get(), part.bytes.data(), part.bytes.size(),
                                        static_cast<off_t>(first.offset))
                              : 0;
  if (got > 0) {
    part.bytes.resize(static_cast<std::size_t>(got));
    first.offset += part.bytes.size();
    return send(site, env::Request{std::move(part)});
  }
  // An archive that is gone, or cut short, is for the builder to say.
  const env::Request build{env::Build{first.name, first.spec}};
  site.archives.pop_front();
  return send(site, build);
}

}  // namespace

Result<> keep_archive(Site& site, const Caller& caller, const std::string& upload,
                      const Digest& archive) {
  COFFER_TRY(const UniqueFd whole, open_upload(site, caller, upload));
  struct stat facts {};
  if (::fstat(whole.get(), &facts) != 0) return system_error("read an upload", errno);
  if (static_cast<std::uint64_t>(facts.st_size) > env::kArchiveMax) {
    return Error{Code::InvalidArgument,
                 "an OCI archive has at most " + render_size(env::kArchiveMax)}
        .as("too_large")
        .at("oci")
        .above(render_size(env::kArchiveMax));
  }
  const std::string from = site.uploads() + "/" + upload;
  if (::rename(from.c_str(), path_of(site, archive).c_str()) != 0) {
    return system_error("keep an upload", errno);
  }
  use_up(site, upload);
  return {};
}

void drop_archive(Site& site, const std::string& spec) {
  const auto json = Json::parse(spec);
  if (!json) return;
  const auto archive = Digest::parse(json->text_or("oci", ""));
  if (archive) (void)::unlink(path_of(site, *archive).c_str());
}

void send_with_archive(Site& site, env::Build build, const Digest& archive) {
  UniqueFd file{::open(path_of(site, archive).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
  site.archives.push_back(
      {std::move(build.name), std::move(build.spec), archive, std::move(file), 0});
}

void send_archives(Site& site) {
  const Instant end = site.clock.now() + kMoment;
  while (!site.archives.empty() && site.clock.now() < end) {
    if (!send_next(site)) return;
  }
}

}  // namespace coffer::front
