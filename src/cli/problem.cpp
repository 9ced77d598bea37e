#include "cli/problem.h"

#include <utility>

#include "base/text.h"

namespace coffer::cli {
namespace {

constexpr std::string_view kMark = "cli";
constexpr std::size_t kLineMax = 600;

Code code_of_status(int status) {
  switch (status) {
    case 400:
    case 405:
    case 413:
    case 415:
      return Code::InvalidArgument;
    case 401:
    case 403:
      return Code::Denied;
    case 404:
      return Code::NotFound;
    case 409:
    case 412:
      return Code::FailedPrecondition;
    case 429:
    case 503:
      return Code::Unavailable;
    default:
      return Code::Internal;
  }
}

std::string one_line(std::string_view untrusted) {
  return std::string(trim(printable(untrusted, kLineMax)));
}

Error with_code(Code code, const Problem& problem) {
  Error error = error_of(problem);
  error.code = code;
  return error;
}

}  // namespace

std::string_view code_text(Code code) {
  switch (code) {
    case Code::InvalidArgument:
      return "invalid_argument";
    case Code::NotFound:
      return "not_found";
    case Code::AlreadyExists:
      return "already_exists";
    case Code::Denied:
      return "denied";
    case Code::BudgetExhausted:
      return "budget_exhausted";
    case Code::FailedPrecondition:
      return "failed_precondition";
    case Code::Corrupt:
      return "corrupt";
    case Code::Unavailable:
      return "unavailable";
    case Code::Cancelled:
      return "cancelled";
    case Code::Internal:
      return "internal";
  }
  std::abort();
}

Error error_of(const Problem& problem) {
  const Json rest = Json::object({{"cli", 1},
                                  {"code", problem.code},
                                  {"field", problem.field},
                                  {"limit", problem.limit},
                                  {"next", problem.next},
                                  {"exit", problem.exit}});
  return {Code::FailedPrecondition, problem.text, rest.canonical()};
}

Problem problem_of(const Error& error) {
  Problem problem{.code = std::string(code_text(error.code)), .text = error.message};
  const auto rest = Json::parse(error.detail);
  if (!rest || !rest->has(kMark)) return problem;
  problem.code = rest->text_or("code", problem.code);
  problem.field = rest->text_or("field", "");
  problem.limit = rest->text_or("limit", "");
  problem.next = rest->text_or("next", "");
  problem.exit = static_cast<int>(rest->int_or("exit", kExitRefused));
  return problem;
}

Error usage_error(std::string text, std::string next) {
  return with_code(
      Code::InvalidArgument,
      {.code = "usage", .text = std::move(text), .next = std::move(next), .exit = kExitUsage});
}

Error refused(std::string code, std::string text, std::string next) {
  return error_of({.code = std::move(code), .text = std::move(text), .next = std::move(next)});
}

Error unreachable(std::string_view url, const Error& cause) {
  if (cause.rule == "silent") {
    return with_code(Code::Unavailable,
                     {.code = cause.rule,
                      .text = "no answer from " + std::string(url) + ": " + cause.message +
                              "; during an exclusive run it answers nobody: try again later",
                      .exit = kExitUnreachable});
  }
  return with_code(Code::Unavailable,
                   {.code = "unreachable",
                    .text = "no answer from " + std::string(url) + ": " + cause.message,
                    .next = "coffer login URL --token -, or start the server",
                    .exit = kExitUnreachable});
}

Error answered(int status, std::string_view body) {
  const auto json = Json::parse(body);
  Problem problem{.code = "http_" + std::to_string(status),
                  .text = "the server answered " + std::to_string(status)};
  if (json && json->is_object() && json->has("code")) {
    problem.code = one_line(json->text_or("code", problem.code));
    problem.text = one_line(json->text_or("detail", json->text_or("title", problem.text)));
    problem.field = one_line(json->text_or("field", ""));
    problem.limit = one_line(json->text_or("limit", ""));
    problem.next = one_line(json->text_or("next", ""));
  }
  return with_code(code_of_status(status), problem);
}

std::string render_problem(const Problem& problem) {
  std::string line = problem.text;
  const bool named = line.find(problem.field) != std::string::npos;
  if (!problem.field.empty() && !named) line = "field '" + problem.field + "': " + line;
  if (!problem.limit.empty() && line.find(problem.limit) == std::string::npos) {
    line += " (limit " + problem.limit + ")";
  }
  line += " [" + problem.code + "]";
  if (!problem.next.empty()) line += "; try: " + problem.next;
  return line;
}

Json problem_json(const Problem& problem) {
  Json error = Json::object({{"code", problem.code}, {"detail", problem.text}});
  if (!problem.field.empty()) error.set("field", problem.field);
  if (!problem.limit.empty()) error.set("limit", problem.limit);
  if (!problem.next.empty()) error.set("next", problem.next);
  return Json::object({{"error", std::move(error)}});
}

}  // namespace coffer::cli
