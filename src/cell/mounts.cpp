#include "cell/detail/mounts.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "cell/detail/walls.h"
#include "os/files.h"

namespace coffer::cell::detail {
namespace {

using std::filesystem::path;

constexpr std::uint64_t kSealed = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;

Error refused_mount(std::string_view what, int error_number) {
  return {Code::FailedPrecondition,
          fmt::format("cell_unproven: mounts (this machine refuses to mount {})", what),
          system_error("mount", error_number).detail};
}

// "/data/tumours" made relative, or an error for anything that could lead elsewhere.
Result<path> relative_target(const std::string& target) {
  const path normal = path{target}.lexically_normal();
  if (!target.starts_with('/') || normal != path{target} || target.ends_with('/') ||
      target.size() > 4096) {
    return Error{Code::InvalidArgument, "a path in the cell must be absolute and plain"};
  }
  return path{target.substr(1)};
}

bool is_input(const Bind& bind) {
  return bind.target == "/data" || bind.target.starts_with("/data/");
}

class Assembler {
 public:
  Assembler(Stage& stage, const Spec& spec) : stage_(stage), spec_(spec) {}

  Result<Assembly> make() {
    result_.directory = stage_.next_cell();
    for (const char* name : {"", "skeleton", "void", "root", "place", "synthetic", "out"}) {
      COFFER_CHECK(make_directories(result_.directory / name, 0755));
    }
    COFFER_CHECK(put(result_.directory / "empty", ""));
    COFFER_CHECK(fill_skeleton());
    COFFER_CHECK(mount_root());
    COFFER_CHECK(mount_devices());
    COFFER_CHECK(mount_scratch());
    COFFER_CHECK(mount_out());
    for (const auto& bind : spec_.binds) COFFER_CHECK(mount_bind(bind));
    const bool has_inputs = std::any_of(spec_.binds.begin(), spec_.binds.end(), is_input);
    if (has_inputs) result_.grants.push_back({"/data", Reach::List});
    return std::move(result_);
  }

 private:
  bool has_devices() const { return spec_.profile != Profile::Parser; }
  path root(const char* below) const { return result_.directory / "root" / below; }

  static Result<> put(const path& file, std::string_view content) {
    const UniqueFd fd{::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444)};
    if (!fd) return system_error("make a file of the cell", errno);
    return write_all(fd.get(), bytes_of(content));
  }

  Result<> fill_skeleton() {
    const path skeleton = result_.directory / "skeleton";
    std::vector<std::string> directories;
    if (has_devices()) directories = {"/dev", "/proc", "/tmp", "/etc"};
    if (spec_.out_bytes) directories.emplace_back("/out");
    for (const auto& bind : spec_.binds) directories.push_back(bind.target);
    for (const auto& directory : directories) {
      COFFER_TRY(const path below, relative_target(directory));
      COFFER_CHECK(make_directories(skeleton / below, 0755));
    }
    std::vector<File> files = spec_.files;
    if (has_devices()) {
      for (auto& file : synthetic_etc(spec_)) {
        const bool given = std::any_of(files.begin(), files.end(),
                                       [&](const File& own) { return own.path == file.path; });
        if (!given) files.push_back(std::move(file));
      }
    }
    for (const auto& file : files) {
      COFFER_TRY(const path below, relative_target(file.path));
      COFFER_CHECK(make_directories((skeleton / below).parent_path(), 0755));
      COFFER_CHECK(put(skeleton / below, file.content));
    }
    for (const auto& link : spec_.links) {
      COFFER_TRY(const path below, relative_target(link.path));
      COFFER_CHECK(make_directories((skeleton / below).parent_path(), 0755));
      if (::symlink(link.target.c_str(), (skeleton / below).c_str()) != 0) {
        return system_error("make a link of the cell", errno);
      }
    }
    if (!has_devices()) return {};
    result_.proc = true;
    for (const auto& file : synthetic_proc(spec_.resources)) {
      COFFER_CHECK(put(result_.directory / "synthetic" / file.path, file.content));
      result_.synthetic.push_back(file.path);
    }
    return {};
  }

  // A read-only view with inodes of its own: `upper` over `lower`.
  static Result<> overlay(const path& upper, const path& lower, const path& target,
                          unsigned long flags) {
    COFFER_TRY(const UniqueFd above, open_directory(upper));
    COFFER_TRY(const UniqueFd below, open_directory(lower));
    // By descriptor, so that no path of this machine shows in the cell's mount table.
    const std::string layers =
        fmt::format("lowerdir=/proc/self/fd/{}:/proc/self/fd/{}", above.get(), below.get());
    if (::mount("overlay", target.c_str(), "overlay",
                MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOATIME | flags, layers.c_str()) != 0) {
      return refused_mount("a read-only overlay", errno);
    }
    return {};
  }

  static Result<> tmpfs(const path& target, unsigned long flags, const std::string& options) {
    if (::mount("tmpfs", target.c_str(), "tmpfs", MS_NOSUID | flags, options.c_str()) != 0) {
      return refused_mount("a tmpfs", errno);
    }
    return {};
  }

  static Result<> bind(const path& source, const path& target) {
    if (::mount(source.c_str(), target.c_str(), nullptr, MS_BIND, nullptr) != 0) {
      return refused_mount("a directory at another place", errno);
    }
    return {};
  }

  Result<> mount_root() {
    const path skeleton = result_.directory / "skeleton";
    const path target = result_.directory / "root";
    if (spec_.root) {
      COFFER_CHECK(overlay(skeleton, *spec_.root, target, 0));
    } else {
      COFFER_CHECK(bind(skeleton, target));
      COFFER_CHECK(add_attributes(target, kSealed));
    }
    return grant_root();
  }

  // Landlock rights go by directory: a right on / would undo every narrower one.
  Result<> grant_root() {
    COFFER_TRY(const UniqueFd root, open_directory(result_.directory / "root"));
    const std::vector<std::string> ours{"dev", "proc", "tmp", "out", "sys", "data"};
    for (const auto& entry : std::filesystem::directory_iterator(result_.directory / "root")) {
      const std::string name = entry.path().filename().string();
      if (std::find(ours.begin(), ours.end(), name) != ours.end()) continue;
      if (entry.is_symlink()) continue;  // what it names has its own rule
      // A bind has its own rule. One deeper down has no narrower one than this, but below /data.
      const bool is_bind = std::any_of(spec_.binds.begin(), spec_.binds.end(),
                                       [&](auto& bind) { return bind.target == "/" + name; });
      if (is_bind) continue;
      result_.grants.push_back(
          {"/" + name, entry.is_directory() ? Reach::ReadExecute : Reach::Read});
    }
    return {};
  }

  Result<> make_device(const char* name, unsigned minor) {
    const path node = root("dev") / name;
    if (stage_.as_root() && ::mknod(node.c_str(), S_IFCHR | 0666, makedev(1, minor)) == 0) {
      if (::chmod(node.c_str(), 0666) != 0) return system_error("make a device node", errno);
      return {};
    }
    COFFER_CHECK(put(node, ""));
    COFFER_CHECK(bind(path{"/dev"} / name, node));
    // Read-only keeps the shared node's times from being set; reading and writing go on.
    return add_attributes(node, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
  }

  Result<> mount_devices() {
    if (!has_devices()) return {};
    const unsigned long nodev = stage_.as_root() ? 0 : MS_NODEV;
    COFFER_CHECK(tmpfs(root("dev"), MS_NOEXEC | nodev, "size=64k,nr_inodes=64,mode=755"));
    constexpr std::array<std::pair<const char*, unsigned>, 5> kNodes{
        {{"null", 3}, {"zero", 5}, {"full", 7}, {"random", 8}, {"urandom", 9}}};
    for (const auto& [name, minor] : kNodes) COFFER_CHECK(make_device(name, minor));
    for (const auto& [name, target] : std::initializer_list<std::pair<const char*, const char*>>{
             {"fd", "/proc/self/fd"},
             {"stdin", "/proc/self/fd/0"},
             {"stdout", "/proc/self/fd/1"},
             {"stderr", "/proc/self/fd/2"}}) {
      if (::symlink(target, (root("dev") / name).c_str()) != 0) {
        return system_error("make a link of the cell", errno);
      }
    }
    COFFER_CHECK(make_directories(root("dev/shm"), 0755));
    COFFER_CHECK(scratch("dev/shm", spec_.resources.shm_bytes, MS_NOEXEC));
    COFFER_CHECK(add_attributes(root("dev"), MOUNT_ATTR_RDONLY));
    result_.grants.push_back({"/dev", Reach::Devices});
    result_.grants.push_back({"/dev/shm", Reach::Scratch});
    result_.grants.push_back({"/proc", Reach::Read});
    return {};
  }

  Result<> scratch(const char* target, std::uint64_t bytes, unsigned long flags) const {
    return tmpfs(root(target), MS_NODEV | flags,
                 fmt::format("size={},nr_inodes={},mode=1777", std::max<std::uint64_t>(bytes, 4096),
                             std::max<std::uint64_t>(spec_.resources.entries_max, 2)));
  }

  Result<> mount_scratch() {
    if (!has_devices()) return {};
    const bool builder = spec_.profile == Profile::Builder;
    COFFER_CHECK(scratch("tmp", spec_.resources.tmp_bytes, builder ? 0 : MS_NOEXEC));
    result_.grants.push_back({"/tmp", builder ? Reach::ReadWriteExecute : Reach::Scratch});
    return {};
  }

  Result<> mount_out() {
    if (!spec_.out_bytes) return {};
    const path place = result_.directory / "out";
    const auto uid = stage_.as_root() ? spec_.ids.uid : 0;
    const auto gid = stage_.as_root() ? spec_.ids.gid : 0;
    COFFER_CHECK(
        tmpfs(place, MS_NODEV | MS_NOEXEC,
              fmt::format("size={},nr_inodes={},mode=755,uid={},gid={}",
                          std::max<std::uint64_t>(*spec_.out_bytes, 4096),
                          std::max<std::uint64_t>(spec_.resources.entries_max, 2), uid, gid)));
    COFFER_CHECK(bind(place, root("out")));
    COFFER_TRY(result_.out, open_directory(place));
    result_.out_path = place;
    result_.grants.push_back({"/out", Reach::ReadWrite});
    return {};
  }

  Result<> mount_bind(const Bind& what) {
    COFFER_TRY(const path below, relative_target(what.target));
    const path target = result_.directory / "root" / below;
    if (!std::filesystem::is_directory(what.source)) {
      return Error{Code::NotFound, "a directory to be shown at " + what.target + " is not there"};
    }
    const bool builder = spec_.profile == Profile::Builder;
    if (what.access == BindAccess::ReadWrite) {
      if (!builder) {
        return Error{Code::InvalidArgument, "only a builder may be given a writable directory"};
      }
      COFFER_CHECK(bind(what.source, target));
      COFFER_CHECK(add_attributes(target, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV));
      result_.grants.push_back({what.target, Reach::ReadWriteExecute});
      return {};
    }
    const bool data = is_input(what);
    if (what.origin == BindOrigin::Shared) {
      COFFER_CHECK(overlay(result_.directory / "void", what.source, target, data ? MS_NOEXEC : 0));
    } else {
      if (std::mismatch(stage_.root().begin(), stage_.root().end(), what.source.begin(),
                        what.source.end())
              .first != stage_.root().end()) {
        return Error{Code::InvalidArgument, "a private directory must lie in the stage"};
      }
      COFFER_CHECK(bind(what.source, target));
      COFFER_CHECK(add_attributes(target, kSealed | (data ? MOUNT_ATTR_NOEXEC : 0)));
    }
    result_.grants.push_back({what.target, data ? Reach::Read : Reach::ReadExecute});
    result_.read_only.push_back(what.target);
    return {};
  }

  Stage& stage_;
  const Spec& spec_;
  Assembly result_;
};

}  // namespace

Result<> add_attributes(const path& mount, std::uint64_t attributes) {
  mount_attr change{};
  change.attr_set = attributes;
  if (::syscall(SYS_mount_setattr, AT_FDCWD, mount.c_str(), 0, &change, sizeof change) != 0) {
    return refused_mount("something read-only", errno);
  }
  return {};
}

Result<Assembly> assemble(Stage& stage, const Spec& spec) {
  Assembler assembler{stage, spec};
  return assembler.make();
}

void take_down(const Assembly& assembly) {
  // Detaching the root takes everything that was mounted below it.
  (void)::umount2((assembly.directory / "root").c_str(), MNT_DETACH);
}

}  // namespace coffer::cell::detail
