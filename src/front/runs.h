// Runs: submit, show, list, cancel, watch.
//
// Invariants: a run's row changes only by what the keeper signed or what everybody may know at that
// instant: between `started` and its slot nothing of it moves.
// Errors: NotFound (unknown, or not for the caller), the keeper's refusals, InvalidArgument.
// Thread-safety: the loop thread. Source: protocol.md section 4, outside.md section 4.
#pragma once

#include <optional>

#include "front/site.h"

namespace coffer::front {

// ---- The front's part of a run's life ----------------------------------------------------------

// Posts a signed run. The same envelope again answers with the same run.
Result<Json> submit_run(Site& site, const Caller& caller, std::string_view envelope,
                        std::string_view program_name);
// What submit would say now, and the most it can cost; nothing is reserved. `run`: an unsigned run.
Result<Json> quote_run(Site& site, const Caller& caller, const Json& run);
Result<Json> cancel_run(Site& site, const Caller& caller, std::string_view id);

// ---- Reading -----------------------------------------------------------------------------------

Result<Json> show_run(Site& site, const Caller& caller, std::string_view id);
struct RunFilter {
  std::string state;
  std::string grant;  // id
};
struct Page {
  std::size_t limit{50};
  std::string cursor;
};
Result<Json> list_runs(Site& site, const Caller& caller, const RunFilter& filter, const Page& page);
Result<Json> run_log(Site& site, const Caller& caller, std::string_view id);
// Events after `seq`, and whether the run is over.
struct RunEvents {
  std::vector<Json> events;
  bool over{false};
};
Result<RunEvents> run_events(Site& site, const Caller& caller, std::string_view id,
                             std::int64_t after_seq);

// ---- For the front's other files ---------------------------------------------------------------

// The run that `id` names, if the caller may see it: its digest text.
Result<std::string> find_run(Site& site, const Caller& caller, std::string_view id);
Result<Json> run_json(Site& site, const std::string& digest);
// The outputs of a run as RunOutput documents.
Result<Json> outputs_json(Site& site, const std::string& digest);
// Notes an event in the caller's transaction.
struct RunNews {
  std::string kind;  // state, output
  std::string output;
  std::string text;
};
Result<> add_event(Site& site, const std::string& digest, const RunNews& news);
Json amounts_json(const program::Cost& cost);

}  // namespace coffer::front
