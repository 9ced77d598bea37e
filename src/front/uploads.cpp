#include "front/uploads.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "front/quota.h"
#include "os/files.h"

namespace coffer::front {
namespace {

constexpr std::int64_t kLifeMs = 7LL * 24 * 3600 * 1000;

struct Upload {
  std::string id;
  std::uint64_t length{0};
  std::uint64_t offset{0};
  std::int64_t created{0};
};

std::string path_of(const Site& site, const std::string& id) { return site.uploads() + "/" + id; }

Result<Upload> find(Site& site, const Caller& caller, const std::string& id) {
  COFFER_TRY(const auto row,
             site.db.row("SELECT length, created FROM uploads WHERE id = ? AND user = ?",
                         {id, caller.user}));
  struct stat file {};
  if (!row || ::stat(path_of(site, id).c_str(), &file) != 0) {
    return Error{Code::NotFound, "no upload " + printable(id, 40) + ": begin it again"}.as(
        "upload_unknown");
  }
  return Upload{id, static_cast<std::uint64_t>(row->integer(0)),
                static_cast<std::uint64_t>(file.st_size), row->integer(1)};
}

Json render(const Upload& upload) {
  return Json::object({{"id", upload.id},
                       {"offset", upload.offset},
                       {"length", upload.length},
                       {"expires", time_text(upload.created + kLifeMs)}});
}

}  // namespace

Result<Json> create_upload(Site& site, const Caller& caller, std::uint64_t length) {
  if (length > kUploadMax) {
    return Error{Code::InvalidArgument, "an upload has at most " + render_size(kUploadMax)}
        .as("too_large")
        .at("Upload-Length")
        .above(render_size(kUploadMax));
  }
  COFFER_CHECK(check_quota(site, caller, length));
  const std::string id = "up_" + base32(random_bytes(10));
  const UniqueFd file{
      ::open(path_of(site, id).c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600)};
  if (!file) return system_error("make an upload", errno);
  if (auto kept = site.db.run("INSERT INTO uploads(id, user, length, created) VALUES(?,?,?,?)",
                              {id, caller.user, static_cast<std::int64_t>(length), site.now_ms()});
      !kept) {
    (void)::unlink(path_of(site, id).c_str());
    return std::move(kept).error();
  }
  return show_upload(site, caller, id);
}

Result<Json> show_upload(Site& site, const Caller& caller, const std::string& id) {
  COFFER_TRY(const Upload upload, find(site, caller, id));
  return render(upload);
}

Result<> drop_upload(Site& site, const Caller& caller, const std::string& id) {
  COFFER_CHECK(find(site, caller, id));
  use_up(site, id);
  return {};
}

Result<UploadEnd> open_upload_end(Site& site, const Caller& caller, const std::string& id,
                                  std::uint64_t offset) {
  COFFER_TRY(const Upload upload, find(site, caller, id));
  if (offset != upload.offset) {
    return Error{Code::FailedPrecondition,
                 fmt::format("the upload stands at {}, not at {}", upload.offset, offset)}
        .as("upload_offset")
        .at("Upload-Offset")
        .above(std::to_string(upload.offset));
  }
  UniqueFd fd{::open(path_of(site, id).c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW)};
  if (!fd) return system_error("open an upload", errno);
  return UploadEnd{std::move(fd), offset, std::min(upload.length - offset, kPatchMax)};
}

Result<Json> appended_to_upload(Site& site, const Caller& caller, const std::string& id) {
  const UniqueFd fd{::open(path_of(site, id).c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW)};
  if (!fd || ::fdatasync(fd.get()) != 0) return system_error("sync an upload", errno);
  return show_upload(site, caller, id);
}

Result<UniqueFd> open_upload(Site& site, const Caller& caller, const std::string& id) {
  COFFER_TRY(const Upload upload, find(site, caller, id));
  if (upload.offset != upload.length) {
    return Error{Code::FailedPrecondition,
                 fmt::format("upload {} has {} of {} bytes", id, upload.offset, upload.length)}
        .as("upload_incomplete");
  }
  UniqueFd fd{::open(path_of(site, id).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
  if (!fd) return system_error("open an upload", errno);
  return fd;
}

void use_up(Site& site, const std::string& id) {
  (void)::unlink(path_of(site, id).c_str());
  (void)site.db.run("DELETE FROM uploads WHERE id = ?", {id}).has_value();
}

Result<> end_old_uploads(Site& site) {
  COFFER_TRY(const auto rows,
             site.db.rows("SELECT id FROM uploads WHERE created < ?", {site.now_ms() - kLifeMs}));
  for (const auto& row : rows) use_up(site, row.text(0));
  return {};
}

}  // namespace coffer::front
