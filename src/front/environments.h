// Environments and programs: named things that runs are made of, pinned by digest.
//
// Errors: NotFound (environment_unknown, program_unknown), FailedPrecondition
// (environment_in_use), InvalidArgument (environment_spec), Unavailable (no builder, no worker).
// Thread-safety: the loop thread. Source: protocol.md section 6.
#pragma once

#include "base/unique_fd.h"
#include "env/messages.h"
#include "front/runs.h"

namespace coffer::front {

Result<Json> post_environment(Site& site, const Caller& caller, const Json& body);
Result<Json> list_environments(Site& site, const Page& page);
Result<Json> show_environment(Site& site, const std::string& name);
Result<Json> environment_log(Site& site, const std::string& name, std::uint64_t offset);
// DIR/env/<hex>/env.tar.zst of a name or digest.
Result<std::filesystem::path> environment_archive(Site& site, const std::string& name);
Result<> remove_environment(Site& site, const Caller& caller, const std::string& name);

// One record of the builder. Errors: Corrupt (it is none: drop the connection), the database's.
Result<> on_builder_record(Site& site, ByteView record);
// The builder (re)connected: what it had not finished is asked for again.
Result<> resume_builder(Site& site);

// Unpacks and digests an upload in an empty cell; `reply` is called once.
void post_program(Site& site, const Caller& caller, const Json& body, const JsonReply& reply);
Result<Json> show_program(Site& site, const std::string& digest);
// The worker (re)connected: programs under way are asked for again.
void resume_programs(Site& site);

}  // namespace coffer::front
