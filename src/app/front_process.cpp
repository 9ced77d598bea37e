#include "app/front_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "api/server.h"
#include "app/identity.h"
#include "front/notify.h"
#include "front/quota.h"
#include "front/start.h"
#include "front/users.h"
#include "os/confine.h"
#include "os/files.h"

namespace coffer::app {
namespace {

constexpr Duration kPeerPatience = 30s;
constexpr std::uint64_t kPemMax = 1 << 20;

constexpr std::uint64_t kOwnMemory = 512ULL << 20;  // left to the server and the system at least

front::Capacity capacity_of_machine() {
  cpu_set_t set;
  CPU_ZERO(&set);
  const bool known = ::sched_getaffinity(0, sizeof set, &set) == 0;
  struct sysinfo info {};
  (void)::sysinfo(&info);
  const std::uint64_t memory = std::uint64_t{info.totalram} * info.mem_unit;
  const std::uint64_t kept = std::max(kOwnMemory, memory / 8);
  return {.cpus = known ? static_cast<std::uint32_t>(CPU_COUNT(&set)) : 1U,
          .memory_bytes = memory > kept ? memory - kept : 0};
}

Result<std::uint64_t> bytes_of_quota(const std::string& text) {
  if (text.empty()) return std::uint64_t{0};
  return parse_size(text);
}

// Files that only root may read are read before root is given up.
Result<std::string> keep_in_memory(const char* flag, const std::string& path,
                                   std::vector<UniqueFd>& kept) {
  if (path.empty()) return std::string{};
  const auto content = read_file(path, kPemMax);
  if (!content) {
    return Error{Code::InvalidArgument,
                 fmt::format("{} {}: {}", flag, path, content.error().message)};
  }
  COFFER_TRY(UniqueFd fd, sealed_memory_file("pem", *content));
  kept.push_back(std::move(fd));
  return "/proc/self/fd/" + std::to_string(kept.back().get());
}

// The front reads and writes its own, the vault's ciphertext and the ledger; it reads what the
// worker and the builder put in place; nothing else of the machine.
Result<> take_place(const ServerOptions& options) {
  const auto& data = options.data;
  std::vector<PathRule> paths{
      {data / "front", PathAccess::ReadWrite},  {data / "vault", PathAccess::ReadWrite},
      {data / "ledger", PathAccess::ReadWrite}, {data / "operator.token", PathAccess::ReadWrite},
      {data / "programs", PathAccess::Read},    {data / "runs", PathAccess::Read},
      {data / "env", PathAccess::Read},         {"/proc/self", PathAccess::Read}};
  return confine({.identity = identity_of(kFrontUid),
                  .paths = std::move(paths),
                  .sockets = Sockets::Unix,  // the listening socket is open already
                  .role = Role::NoCells,
                  .execution = Execution::Forbidden,
                  .capabilities = Capabilities::DropAll,
                  .keep_fds = {}});
}

// The token of an operator who has not logged in yet can be lost with a crash: it is made again.
Result<> write_operator_token(front::Site& site) {
  const auto path = site.data / "operator.token";
  COFFER_TRY(auto token, front::first_operator(site));
  std::error_code ignored;
  if (!token && std::filesystem::file_size(path, ignored) == 0) {
    COFFER_TRY(token, front::renew_first_operator(site));
  }
  if (!token) return {};
  const UniqueFd file{::open(path.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC | O_NOFOLLOW)};
  if (!file) return system_error("open operator.token", errno);
  COFFER_CHECK(write_all(file.get(), bytes_of(*token + "\n")));
  if (::fsync(file.get()) != 0) return system_error("sync operator.token", errno);
  return {};
}

}  // namespace

Result<std::unique_ptr<front::Site>> open_connected_site(UniqueFd control,
                                                         const std::filesystem::path& data,
                                                         const Clock& clock) {
  COFFER_TRY(auto site, front::open_site(data, clock));
  site->links = front::Links{std::move(control)};
  while (!site->links.has_keeper()) {
    COFFER_CHECK(site->links.receive(kPeerPatience));
  }
  // It answers when it has read its journal; if it dies, it says why itself.
  COFFER_TRY(site->status,
             site->links.ask_keeper_for<keeper::StatusReply>(keeper::Status{}, kForever));
  return site;
}

Result<> serve_front(UniqueFd control, const ServerOptions& options) {
  std::vector<UniqueFd> kept;
  COFFER_TRY(const std::string certificate, keep_in_memory("--tls-cert", options.tls_cert, kept));
  COFFER_TRY(const std::string key, keep_in_memory("--tls-key", options.tls_key, kept));
  std::optional<front::Notifier> notifier;
  if (!options.notify_command.empty()) {
    COFFER_TRY(notifier, front::Notifier::start(options.notify_command, identity_of(kFrontUid)));
  }
  COFFER_CHECK(take_place(options));
  const SystemClock clock;
  COFFER_TRY(auto site, open_connected_site(std::move(control), options.data, clock));
  site->capacity = capacity_of_machine();
  COFFER_TRY(site->quotas.user.bytes, bytes_of_quota(options.quota_user));
  COFFER_TRY(site->quotas.total.bytes, bytes_of_quota(options.quota_total));
  COFFER_CHECK(front::prepare_to_serve(*site));
  COFFER_CHECK(write_operator_token(*site));
  if (notifier) site->on_notice = [&](const Json& notice) { notifier->tell(notice); };
  UniqueFd listener = site->links.take_listener();
  while (!listener) {
    COFFER_CHECK(site->links.receive(kPeerPatience));
    listener = site->links.take_listener();
  }
  COFFER_TRY(auto loop, net::Loop::open());
  return api::serve(*site, loop, std::move(listener),
                    {.listen = options.listen,
                     .tls_cert = certificate,
                     .tls_key = key,
                     .behind_proxy = options.behind_proxy});
}

}  // namespace coffer::app
