// coffer grant ask and give: what is asked, and what is signed.
//
// Errors: as commands do (problem.h). Thread-safety: one thread. Source: outside.md section 1.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/sentence.h"
#include "cli/session.h"
#include "grant/objects.h"

namespace coffer::cli {

struct GrantAskOptions {
  std::string dataset;
  std::string purpose;
  std::string program;
  std::string bits;
  std::string runs;
  std::string cpu_hours;
};
Result<int> grant_ask(Session& session, const GrantAskOptions& options);

struct GrantGiveOptions {
  std::string dataset;
  std::string request;
  std::vector<std::string> to;
  std::string purpose;
  std::vector<std::string> lanes;
  std::string bits;
  std::string runs;
  std::string until;
  std::string program;
  std::vector<std::string> outputs;
  std::string auto_bits;
  std::string auto_total;
  std::vector<std::string> approvers;
  std::uint64_t need{0};
  std::string epsilon;
  std::string cpu_hours;
  bool exclusive{false};
  bool yes{false};
  bool dry_run{false};
};
Result<int> grant_give(Session& session, const GrantGiveOptions& options);

// The terms of a grant without its keys, dataset and nonce: options, else what the request asks
// for. `request`: null, or the document of GET /v1/requests/{id}. Errors: exit 2, naming all flags
// that are missing, or the first that is wrong.
Result<grant::Grant> grant_terms(const GrantGiveOptions& options, const Json& request,
                                 UnixTime now);

// "1" and "0.5" hours as milliseconds. Errors: exit 2.
Result<std::uint64_t> parse_cpu_hours(std::string_view text);

}  // namespace coffer::cli
