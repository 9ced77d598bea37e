// Notices for the operator: the notify command gets one JSON object of ids on its standard input.
//
// A process of its own runs it, made before the front gives its rights up: the front itself can
// start nothing. Commands run one after the other, each for at most a minute; a notice that finds
// no room in the pipe is dropped and logged.
// Errors: Unavailable (no process to be had). Thread-safety: the loop thread.
#pragma once

#include <optional>
#include <string>

#include "base/json.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "os/confine.h"
#include "os/process.h"

namespace coffer::front {

class Notifier {
 public:
  // `command` is given to /bin/sh. As root it runs as `identity`. Call from the only thread.
  static Result<Notifier> start(const std::string& command, std::optional<Identity> identity);
  void tell(const Json& notice);

 private:
  Notifier(Process process, UniqueFd pipe) : process_(std::move(process)), pipe_(std::move(pipe)) {}
  Process process_;
  UniqueFd pipe_;
};

}  // namespace coffer::front
