#include "app/stopped.h"

#include <fmt/format.h>

#include <cstdio>

#include "app/front_process.h"
#include "app/identity.h"
#include "cli/problem.h"
#include "keeper/serve.h"
#include "os/channel.h"

namespace coffer::app {

Result<> check_is_whole(const std::filesystem::path& data) {
  std::error_code ignored;
  if (std::filesystem::exists(data / kBackupMark, ignored)) {
    return Error{Code::FailedPrecondition, data.string() + " is a backup, not a data directory"}
        .as("is_a_backup")
        .then("coffer restore " + data.string() + " --data DIR");
  }
  if (std::filesystem::exists(data / kRestoreMark, ignored)) {
    return Error{Code::FailedPrecondition,
                 data.string() + " is a restore that did not finish: empty it, restore again"}
        .as("restore_unfinished")
        .then("coffer restore BACKUP --data " + data.string());
  }
  return {};
}

Result<Stopped> open_stopped(const std::filesystem::path& data, const DataLock& lock,
                             const std::string& master_key_command, const Clock& clock) {
  COFFER_TRY(ChannelPair keeper_side, make_channel_pair());
  COFFER_TRY(auto keeper, Process::fork([&]() -> int {
               keeper_side.first.reset();
               const auto served = keeper::serve(std::move(keeper_side.second),
                                                 {.data = data,
                                                  .origin = {},
                                                  .master_key_command = master_key_command,
                                                  .identity = identity_of(kKeeperUid),
                                                  .keep_fds = {lock.processes.get()}});
               if (served) return 0;
               (void)std::fprintf(stderr, "keeper: %s\n", served.error().message.c_str());
               return 1;
             }));
  keeper_side.second.reset();
  COFFER_TRY(ChannelPair front_side, make_channel_pair());
  COFFER_TRY(ChannelPair link, make_channel_pair());
  COFFER_CHECK(send_fd(keeper_side.first.get(), static_cast<std::uint8_t>(PeerTag::Front),
                       link.first.get()));
  COFFER_CHECK(send_fd(front_side.first.get(), static_cast<std::uint8_t>(PeerTag::Keeper),
                       link.second.get()));
  link.first.reset();        // of this keeper alone: when it dies, the link breaks
  front_side.first.reset();  // and no other will come
  COFFER_TRY(auto site, open_connected_site(std::move(front_side.second), data, clock));
  return Stopped{std::move(keeper_side.first), std::move(keeper), std::move(site)};
}

int report_failure(const char* command, const Error& error) {
  cli::Problem problem = cli::problem_of(error);
  if (!error.rule.empty()) problem.code = error.rule;
  if (problem.next.empty()) problem.next = error.next;
  const std::string line = cli::render_problem(problem);
  (void)std::fprintf(stderr, "coffer %s: %s\n", command, line.c_str());
  return cli::kExitRefused;
}

}  // namespace coffer::app
