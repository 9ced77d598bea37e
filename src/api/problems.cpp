#include "api/problems.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/log.h"
#include "base/text.h"

namespace coffer::api {
namespace {

constexpr std::string_view kRetrySeconds = "2";

// Every word of ErrorCode, with its status.
constexpr std::array kCodes{
    Kind{"bad_request", 400},
    Kind{"unknown_field", 400},
    Kind{"unauthenticated", 401},
    Kind{"not_found", 404},
    Kind{"method_not_allowed", 405},
    Kind{"already_exists", 409},
    Kind{"denied", 403},
    Kind{"role_required", 403},
    Kind{"rate_limited", 429},
    Kind{"too_large", 413},
    Kind{"draining", 503},
    Kind{"internal", 500},
    Kind{"unavailable", 503},
    Kind{"corrupt", 500},
    Kind{"idempotency_conflict", 409},
    Kind{"precondition_failed", 409},
    Kind{"upload_offset", 409},
    Kind{"upload_incomplete", 409},
    Kind{"upload_unknown", 404},
    Kind{"quota_exceeded", 409},
    Kind{"signature", 403},
    Kind{"wrong_type", 400},
    Kind{"wrong_ledger", 403},
    Kind{"key_missing", 409},
    Kind{"key_changed", 403},
    Kind{"key_removed", 403},
    Kind{"key_taken", 409},
    Kind{"operator_not_pinned", 409},
    Kind{"replayed", 409},
    Kind{"stale_sequence", 409},
    Kind{"expired", 409},
    Kind{"name_taken", 409},
    Kind{"not_owner", 403},
    Kind{"not_graded", 409},
    Kind{"no_limit", 409},
    Kind{"limit_exceeded", 403},
    Kind{"limit_too_low", 409},
    Kind{"version_unknown", 404},
    Kind{"version_removed", 404},
    Kind{"manifest_parent", 409},
    Kind{"chunk_missing", 409},
    Kind{"chunk_list_digest", 400},
    Kind{"card_columns", 400},
    Kind{"public_dataset", 409},
    Kind{"dataset_frozen", 409},
    Kind{"approver_is_grantee", 403},
    Kind{"approvers_required", 403},
    Kind{"lane_unavailable", 409},
    Kind{"lane_not_allowed", 403},
    Kind{"exclusive_required", 409},
    Kind{"term_unknown", 400},
    Kind{"class_bits", 403},
    Kind{"grant_unknown", 404},
    Kind{"grant_expired", 403},
    Kind{"grant_not_yet", 403},
    Kind{"grant_revoked", 403},
    Kind{"grant_suspended", 403},
    Kind{"grant_dataset", 403},
    Kind{"grant_grantee", 403},
    Kind{"grant_missing", 403},
    Kind{"grant_program", 403},
    Kind{"grant_environment", 403},
    Kind{"grant_parameters", 403},
    Kind{"grant_lane", 403},
    Kind{"grant_output_kind", 403},
    Kind{"budget_exhausted", 403},
    Kind{"limit_exhausted", 403},
    Kind{"program_unknown", 404},
    Kind{"program_tree", 400},
    Kind{"program_too_large", 413},
    Kind{"declaration", 400},
    Kind{"environment_unknown", 404},
    Kind{"environment_not_ready", 409},
    Kind{"environment_in_use", 409},
    Kind{"environment_spec", 400},
    Kind{"machine_memory", 409},
    Kind{"machine_cpus", 409},
    Kind{"machine_gpus", 409},
    Kind{"machine_disk", 503},
    Kind{"cell_unproven", 409},
    Kind{"run_over", 409},
    Kind{"not_held", 404},
    Kind{"approval_commitment", 403},
    Kind{"already_decided", 409},
    Kind{"deadline_passed", 409},
    Kind{"not_released", 409},
    Kind{"not_yet_visible", 409},
};

// What the keeper calls it, where that is not the word for clients. `only`: of that Code.
struct Rule {
  std::string_view rule;
  std::string_view code;
  std::optional<Code> only{};
};
constexpr std::array kRules{
    Rule{"disk_full", "machine_disk"},
    // Keys and signatures.
    Rule{"malformed", "bad_request"},
    Rule{"other_ledger", "wrong_ledger"},
    Rule{"unknown_key", "key_missing"},
    Rule{"user_removed", "key_removed"},
    Rule{"not_signed", "signature"},
    Rule{"not_operator", "signature"},
    Rule{"no_operator", "operator_not_pinned"},
    Rule{"is_operator", "denied"},
    Rule{"old_key", "key_changed"},
    Rule{"not_next", "stale_sequence"},
    Rule{"old_sequence", "stale_sequence"},
    Rule{"already_there", "already_exists"},
    // Datasets and limits.
    Rule{"no_such_dataset", "not_found"},
    Rule{"no_such_version", "version_unknown"},
    Rule{"already_removed", "version_removed"},
    Rule{"bad_version_key", "bad_request"},
    Rule{"ungraded", "not_graded"},
    Rule{"public_data", "public_dataset"},
    Rule{"frozen", "dataset_frozen"},
    Rule{"limit_below_use", "limit_too_low"},
    Rule{"over_limit", "limit_exceeded"},
    // Grants.
    Rule{"no_such_grant", "grant_unknown"},
    Rule{"class_needs_approvals", "approvers_required"},
    Rule{"class_never_automatic", "approvers_required"},
    Rule{"class_exclusive", "exclusive_required"},
    Rule{"grantee_approves", "approver_is_grantee"},
    Rule{"expired", "grant_expired", Code::Denied},
    Rule{"not_yet", "grant_not_yet"},
    Rule{"revoked", "grant_revoked"},
    Rule{"suspended", "grant_suspended"},
    Rule{"already_revoked", "grant_revoked"},
    Rule{"not_grantee", "grant_grantee"},
    Rule{"lane_not_granted", "grant_lane"},
    Rule{"lane_unknown", "lane_unavailable"},
    Rule{"kind_not_granted", "grant_output_kind"},
    Rule{"program_not_permitted", "grant_program"},
    Rule{"parameter_not_permitted", "grant_parameters"},
    Rule{"one_grant_per_input", "grant_missing"},
    Rule{"unused_grant", "grant_dataset"},
    Rule{"grant_exhausted", "budget_exhausted"},
    // Runs and outputs.
    Rule{"no_such_run", "not_found"},
    Rule{"no_such_output", "not_found"},
    Rule{"already_over", "run_over"},
    Rule{"already_started", "run_over"},
    Rule{"not_visible", "not_yet_visible"},
    Rule{"not_approver", "denied"},
    Rule{"other_commitment", "approval_commitment"},
    Rule{"already_said", "already_decided"},
    Rule{"approvals_missing", "approvers_required"},
    Rule{"refused", "already_decided"},
    Rule{"already_downloaded", "already_exists"},
    Rule{"not_downloaded", "not_released"},
    // The front sees to these: who meets one has met a defect of ours.
    Rule{"wrong_peer", "internal"},
    Rule{"query", "internal"},
    Rule{"wrong_cause", "internal"},
    Rule{"settlement_differs", "internal"},
    Rule{"bad_report", "internal"},
    Rule{"not_started", "internal"},
    Rule{"not_running", "internal"},
    Rule{"no_retry", "internal"},
    Rule{"wrong_attempt", "internal"},
    Rule{"already_settled", "internal"},
    Rule{"already_reported", "internal"},
    Rule{"not_our_checkpoint", "internal"},
    // Said at the start only, before there is a client.
    Rule{"database_older", "unavailable"},
    Rule{"keeper_older", "unavailable"},
    Rule{"master_key", "unavailable"},
};

const Kind* find_code(std::string_view code) {
  const auto* found =
      std::find_if(kCodes.begin(), kCodes.end(), [&](const Kind& k) { return k.code == code; });
  return found == kCodes.end() ? nullptr : found;
}

std::string_view word_of(Code code) {
  switch (code) {
    case Code::InvalidArgument:
      return "bad_request";
    case Code::NotFound:
      return "not_found";
    case Code::AlreadyExists:
      return "already_exists";
    case Code::Denied:
      return "denied";
    case Code::BudgetExhausted:
      return "budget_exhausted";
    case Code::FailedPrecondition:
      return "precondition_failed";
    case Code::Corrupt:
      return "corrupt";
    case Code::Unavailable:
    case Code::Cancelled:
      return "unavailable";
    case Code::Internal:
      return "internal";
  }
  std::abort();
}

std::string_view word_of(const Error& error) {
  if (error.rule.empty()) return word_of(error.code);
  for (const auto& rule : kRules) {
    if (rule.rule == error.rule && rule.only.value_or(error.code) == error.code) return rule.code;
  }
  return find_code(error.rule) != nullptr ? std::string_view{error.rule} : "internal";
}

}  // namespace

Kind kind_of(const Error& error) {
  const Kind* found = find_code(word_of(error));
  return found != nullptr ? *found : Kind{"internal", 500};
}

std::vector<std::string_view> known_rules() {
  std::vector<std::string_view> out = known_codes();
  for (const auto& rule : kRules) out.push_back(rule.rule);
  return out;
}

std::vector<std::string_view> known_codes() {
  std::vector<std::string_view> out;
  for (const auto& kind : kCodes) out.push_back(kind.code);
  return out;
}

Json problem_json(const Error& error) {
  const Kind kind = kind_of(error);
  const bool ours = kind.code == "internal";
  Json out = Json::object({{"type", "urn:cofferdam:" + std::string(kind.code)},
                           {"title", std::string(net::reason_phrase(kind.status))},
                           {"status", kind.status},
                           {"detail", ours ? std::string("a defect of the server; its log has more")
                                           : printable(error.message, 1000)},
                           {"code", std::string(kind.code)}});
  if (!error.field.empty()) out.set("field", error.field);
  if (!error.limit.empty()) out.set("limit", error.limit);
  if (!error.next.empty()) out.set("next", error.next);
  return out;
}

net::Response problem_response(const Error& error) {
  const Kind kind = kind_of(error);
  if (kind.status >= 500) log_error("api", "request failed", error);
  auto response = net::Response::text(kind.status, problem_json(error).canonical() + "\n",
                                      "application/problem+json");
  if (kind.status == 401) response.headers.add("WWW-Authenticate", "Bearer");
  if (kind.status == 429 || kind.status == 503) response.headers.add("Retry-After", kRetrySeconds);
  return response;
}

net::Response problem_response(int status, std::string_view code, std::string_view text) {
  const std::string_view word = find_code(code) != nullptr ? code
                                : status == 413            ? "too_large"
                                : status >= 500            ? "unavailable"
                                                           : "bad_request";
  const Json body = Json::object({{"type", "urn:cofferdam:" + std::string(word)},
                                  {"title", std::string(net::reason_phrase(status))},
                                  {"status", status},
                                  {"detail", printable(text, 1000)},
                                  {"code", std::string(word)}});
  return net::Response::text(status, body.canonical() + "\n", "application/problem+json");
}

}  // namespace coffer::api
