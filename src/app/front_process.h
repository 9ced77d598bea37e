// The front process: takes its place, opens the database, compares it with the keeper, serves.
//
// Errors: FailedPrecondition (the database and the keeper's memory differ: see `coffer recover`),
// Corrupt (the database), InvalidArgument (TLS files): starting again would not help. Unavailable.
// Thread-safety: owns its process. Source: protocol.md sections 2 and 4.
#pragma once

#include <memory>

#include "app/supervisor.h"
#include "base/unique_fd.h"
#include "front/site.h"

namespace coffer::app {

Result<> serve_front(UniqueFd control, const ServerOptions& options);

// A site whose links hang on `control`, once a keeper is connected. For serve_front and recover.
Result<std::unique_ptr<front::Site>> open_connected_site(UniqueFd control,
                                                         const std::filesystem::path& data,
                                                         const Clock& clock);

}  // namespace coffer::app
