#include "cell/supervise.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/wire.h"
#include "os/channel.h"
#include "os/files.h"
#include "os/process.h"

namespace coffer::cell {
namespace {

constexpr std::uint64_t kSkeletonBytes = std::uint64_t{16} << 20;
constexpr std::uint64_t kSkeletonEntries = 65536;

Result<> write_proc(const char* file, const std::string& value) {
  const UniqueFd fd{::open(file, O_WRONLY | O_CLOEXEC)};
  if (!fd || ::write(fd.get(), value.data(), value.size()) != static_cast<ssize_t>(value.size())) {
    return Error{Code::FailedPrecondition,
                 "cell_unproven: user namespaces (this process may not map its own user)",
                 system_error("write a user map", errno).detail};
  }
  return {};
}

// Rootless: a user namespace in which this one user is root, and nobody else exists.
Result<> enter_user_namespace() {
  const uid_t uid = ::geteuid();
  const gid_t gid = ::getegid();
  // The maps belong to root as long as the process may not be inspected.
  if (::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) != 0) return system_error("become inspectable", errno);
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) {
    return Error{Code::FailedPrecondition,
                 "cell_unproven: user namespaces (not allowed to this user); mended by: "
                 "sysctl -w user.max_user_namespaces=10000 kernel.unprivileged_userns_clone=1",
                 system_error("unshare", errno).detail};
  }
  COFFER_CHECK(write_proc("/proc/self/setgroups", "deny"));
  COFFER_CHECK(write_proc("/proc/self/uid_map", fmt::format("0 {} 1", uid)));
  return write_proc("/proc/self/gid_map", fmt::format("0 {} 1", gid));
}

Result<> enter_as_root() {
  if (::setgroups(0, nullptr) != 0) return system_error("leave all groups", errno);
  if (::unshare(CLONE_NEWNS) != 0) {
    return Error{Code::FailedPrecondition, "cell_unproven: mount namespaces (not allowed here)",
                 system_error("unshare", errno).detail};
  }
  return {};
}

Result<> mount_stage(const std::filesystem::path& target, std::uint64_t bytes,
                     std::uint64_t entries) {
  const std::string options = fmt::format("size={},nr_inodes={},mode=755", bytes, entries);
  constexpr unsigned long kFlags = MS_NOSUID | MS_NODEV;
  // Plain inputs must not reach a swap device; older kernels and user namespaces cannot promise it.
  if (::mount("tmpfs", target.c_str(), "tmpfs", kFlags, (options + ",noswap").c_str()) == 0 ||
      ::mount("tmpfs", target.c_str(), "tmpfs", kFlags, options.c_str()) == 0) {
    return {};
  }
  return Error{Code::FailedPrecondition, "cell_unproven: mounts (no tmpfs for the stage)",
               system_error("mount", errno).detail};
}

// 'A' and the answer, or 'F' and an error.
ByteVector encode(const Result<ByteVector>& answer) {
  WireWriter out;
  if (answer) {
    out.u8('A').bytes(*answer);
  } else {
    out.u8('F').u8(static_cast<std::uint8_t>(answer.error().code));
    out.text(answer.error().message).text(answer.error().detail);
  }
  return std::move(out).take();
}

Result<ByteVector> decode(ByteView record) {
  WireReader in{record};
  if (in.u8() == 'A') {
    const ByteView answer = in.bytes();
    COFFER_CHECK(in.finish());
    return ByteVector(answer.begin(), answer.end());
  }
  const auto code = static_cast<Code>(in.u8());
  std::string message = in.text();
  std::string detail = in.text();
  COFFER_CHECK(in.finish());
  return Error{code, std::move(message), std::move(detail)};
}

}  // namespace

Result<Stage> Stage::enter(const std::filesystem::path& mount_point, std::uint64_t input_bytes_max,
                           std::uint64_t entries_max) {
  const bool as_root = ::geteuid() == 0;
  COFFER_CHECK(as_root ? enter_as_root() : enter_user_namespace());
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    return Error{Code::FailedPrecondition, "cell_unproven: mounts (they cannot be made private)",
                 system_error("mount", errno).detail};
  }
  ::umask(022);  // cells run as another user and must be able to read what is staged
  COFFER_CHECK(mount_stage(mount_point, kSkeletonBytes, kSkeletonEntries));
  Stage stage{std::filesystem::absolute(mount_point), as_root};
  COFFER_CHECK(make_directories(stage.inputs_, 0755));
  COFFER_CHECK(mount_stage(stage.inputs_, input_bytes_max, entries_max));
  return stage;
}

Result<ByteVector> supervised(const SuperviseOptions& options,
                              const std::function<Result<ByteVector>(Stage&)>& body) {
  COFFER_TRY(ChannelPair ends, make_channel_pair());
  COFFER_TRY(Process helper, Process::fork([&] {
               ends.first.reset();
               Channel answer_line{std::move(ends.second)};
               const auto work = [&]() -> Result<ByteVector> {
                 COFFER_TRY(Stage stage, Stage::enter(options.mount_point, options.input_bytes_max,
                                                      options.entries_max));
                 return body(stage);
               };
               const auto sent = answer_line.send(encode(work()), kForever);
               return sent ? 0 : 1;
             }));
  ends.second.reset();
  Channel answer_line{std::move(ends.first)};
  auto record = answer_line.receive(options.timeout);
  if (!record) {
    if (record.error().code == Code::Unavailable) {
      return Error{Code::Unavailable, "the supervisor of a cell ended without an answer"};
    }
    return record;
  }
  COFFER_TRY(const ExitStatus ended, helper.wait(10s));
  if (!ended.ok()) return Error{Code::Unavailable, "the supervisor of a cell failed"};
  return decode(*record);
}

Ids cell_ids(std::uint32_t slot) {
  constexpr std::uint32_t kFirst = 992000;
  return {kFirst + slot, kFirst + slot};
}

}  // namespace coffer::cell
