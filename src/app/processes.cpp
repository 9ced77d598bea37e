// The four processes: who they are, what they may do, what they serve.

#include <unistd.h>

#include <cstdio>

#include "app/front_process.h"
#include "app/identity.h"
#include "app/stopped.h"
#include "app/supervisor.h"
#include "base/log.h"
#include "env/job.h"
#include "env/serve.h"
#include "keeper/serve.h"
#include "os/cgroup.h"
#include "os/confine.h"
#include "os/files.h"
#include "worker/serve.h"

namespace coffer::app {
namespace {

int status_of(const char* name, const Result<>& served) {
  if (served) return 0;
  log_error(name, "process ends", served.error());
  (void)report_failure((std::string("server: ") + name).c_str(), served.error());
  const Code code = served.error().code;
  const bool hopeless =
      code == Code::FailedPrecondition || code == Code::Corrupt || code == Code::InvalidArgument;
  return hopeless ? kRefuses : 1;
}

Result<> serve_keeper(const ServerOptions& options) {
  return keeper::serve(UniqueFd{kControlFd}, {.data = options.data,
                                              .origin = {},
                                              .master_key_command = options.master_key_command,
                                              .identity = identity_of(kKeeperUid),
                                              .keep_fds = {kLockFd}});
}

// What starts cells keeps the rights to mount and to make namespaces, and loses the rest.
Confinement for_cells(Sockets sockets) {
  return {.identity = {},
          .paths = {},
          .sockets = sockets,
          .role = Role::StartsCells,
          .execution = Execution::Allowed,
          .capabilities = Capabilities::Keep,
          .keep_fds = {}};
}

// Root, where it is root: it gives each cell a user of its own. It has no network.
Result<> serve_worker(const ServerOptions& options) {
  COFFER_CHECK(confine(for_cells(Sockets::Unix)));
  return worker::serve(UniqueFd{kControlFd}, {.data = options.data});
}

// Under a user of its own, who can make user namespaces and the control groups given to him.
Result<> serve_builder(const ServerOptions& options) {
  const auto cache = env::cache_directory();
  auto confinement = for_cells(Sockets::Internet);
  if (const auto own = identity_of(kBuilderUid)) {
    const std::string groups = "coffer-" + std::to_string(own->uid);
    COFFER_CHECK(delegate_groups(groups, own->uid, own->gid));
    COFFER_CHECK(enter_delegated_groups(groups, own->uid, own->gid));
    COFFER_CHECK(make_directories(cache, 0755));
    COFFER_CHECK(env::give_to_builder(cache));
    COFFER_CHECK(env::give_to_builder(options.data / "env"));
    confinement.identity = own;
    confinement.capabilities = Capabilities::DropAll;
  }
  COFFER_CHECK(confine(confinement));
  return env::serve(UniqueFd{kControlFd}, {.data = options.data, .cache = cache});
}

}  // namespace

int run_process(const std::string& name, const ServerOptions& options) {
  if (name == "keeper") return status_of("keeper", serve_keeper(options));
  if (name == "worker") return status_of("worker", serve_worker(options));
  if (name == "builder") return status_of("builder", serve_builder(options));
  if (name == "front") return status_of("front", serve_front(UniqueFd{kControlFd}, options));
  (void)std::fprintf(stderr, "coffer: no process is called %s\n", name.c_str());
  return 2;
}

}  // namespace coffer::app
