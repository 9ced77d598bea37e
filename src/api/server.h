// The front's server: requests, the connections to keeper, worker and builder, and time.
//
// serve() runs until SIGTERM (it lets requests under way finish) or until the supervisor is gone.
// Once it accepts, it prints one line: "coffer server: ready on http://127.0.0.1:7070".
// Invariants: nobody is answered while an exclusive run is under way; whatever a peer had not
// answered when its connection broke is sent to the next one; what is due (slots, deadlines, the
// queue, the ledger's files) happens within 100 ms or so. Errors: InvalidArgument (TLS files),
// Unavailable (no listener, the supervisor is gone). Thread-safety: the loop thread. Source:
// protocol.md sections 2 and 4.
#pragma once

#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "front/site.h"
#include "net/loop.h"

namespace coffer::api {

struct ServeOptions {
  std::string listen;    // as it was asked for
  std::string tls_cert;  // PEM files, both or none
  std::string tls_key;
  bool behind_proxy{false};
};

Result<> serve(front::Site& site, net::Loop& loop, UniqueFd listener, const ServeOptions& options);

}  // namespace coffer::api
