// The operator's log: one JSON object a line on stderr, ids and limits only, never a private value.
//
//   log_line("run", "started", {{"run", id}, {"attempt", 1}});
//
// Errors: none; a line that cannot be written is lost. Thread-safety: each line is one write().
#pragma once

#include <string_view>

#include "base/json.h"

namespace coffer {

void log_line(std::string_view part, std::string_view event, Json::Object fields = {});
// Logs message and detail of an error under `event`.
void log_error(std::string_view part, std::string_view event, const Error& error);

}  // namespace coffer
