#include "app/identity.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>

#include "os/files.h"

namespace coffer::app {
namespace {

struct Place {
  const char* path;
  uid_t uid;
  mode_t mode;
};

// Worker and supervisor run as root, or as the user that all of it belongs to.
constexpr std::array kPlaces{
    Place{"", 0, 0755},
    Place{"front", kFrontUid, 0700},
    Place{"front/uploads", kFrontUid, 0700},
    Place{"vault", kFrontUid, 0700},
    Place{"ledger", kFrontUid, 0755},
    Place{"keeper", kKeeperUid, 0711},
    Place{"env", kBuilderUid, 0755},
    Place{"programs", 0, 0755},
    Place{"runs", 0, 0755},
    Place{"stage", 0, 0700},
};

Result<> give(const std::filesystem::path& path, uid_t uid, mode_t mode) {
  if (::geteuid() == 0 && ::lchown(path.c_str(), uid, uid) != 0) {
    return system_error("give away " + path.filename().string(), errno);
  }
  if (::chmod(path.c_str(), mode) != 0) {
    return system_error("set the mode of " + path.filename().string(), errno);
  }
  return {};
}

Result<> make_file(const std::filesystem::path& path) {
  const UniqueFd file{::open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600)};
  if (!file) return system_error("make " + path.string(), errno);
  return {};
}

// As root: the front has a user of its own, who must be able to pass.
Result<> check_way(const std::filesystem::path& data) {
  if (::geteuid() != 0) return {};
  for (auto above = data.parent_path(); above.has_relative_path(); above = above.parent_path()) {
    struct stat status {};
    if (::stat(above.c_str(), &status) != 0) continue;  // made below, passable
    if ((status.st_mode & S_IXOTH) == 0) {
      return Error{Code::InvalidArgument,
                   "--data " + data.string() + ": " + above.string() +
                       " is closed to the server's processes, which have users of their own; "
                       "choose another place, or chmod o+x " +
                       above.string()}
          .as("data_closed");
    }
  }
  return {};
}

}  // namespace

Result<> make_data_directory(const std::filesystem::path& data) {
  COFFER_CHECK(check_way(data));
  for (const auto& place : kPlaces) {
    const auto path = place.path[0] == '\0' ? data : data / place.path;
    COFFER_CHECK(make_directories(path, place.mode));
    COFFER_CHECK(give(path, place.uid, place.mode));
  }
  COFFER_CHECK(make_file(data / "lock"));
  // The front writes the first operator's token into it; only root or the same user can read it.
  const auto token = data / "operator.token";
  COFFER_CHECK(make_file(token));
  return give(token, kFrontUid, 0600);
}

Result<> give_back_files(const std::filesystem::path& data) {
  if (::geteuid() != 0) return {};
  for (const char* folder : {"front", "ledger", "vault"}) {
    COFFER_TRY(const UniqueFd directory, open_directory(data / folder));
    COFFER_TRY(const auto entries, walk(directory.get(), {.entries_max = UINT64_MAX}));
    for (const auto& entry : entries) {
      if (::fchownat(directory.get(), entry.path.c_str(), kFrontUid, kFrontUid,
                     AT_SYMLINK_NOFOLLOW) != 0) {
        return system_error("give back " + entry.path, errno);
      }
    }
  }
  return {};
}

std::optional<Identity> identity_of(uid_t uid) {
  if (::geteuid() != 0) return {};
  return Identity{uid, uid};
}

}  // namespace coffer::app
