// Problems: every Error as RFC 9457 problem+json, with a status and a stable code of the contract.
//
// One table leads from the rules that keeper and front use (Error::rule) to the words of ErrorCode
// in openapi.json; a rule that is not in it is our defect and answers `internal`.
// Invariants: Error::detail never leaves.
// Errors: none. Thread-safety: pure functions. Source: RFC 9457, RFC 9110.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "net/http.h"

namespace coffer::api {

struct Kind {
  std::string_view code;  // of ErrorCode
  int status;
};
// What an Error is to a client.
Kind kind_of(const Error& error);
// Every rule of the table, for the test that compares it with the sources.
std::vector<std::string_view> known_rules();
std::vector<std::string_view> known_codes();

Json problem_json(const Error& error);
// With WWW-Authenticate and Retry-After where they belong.
net::Response problem_response(const Error& error);
// The same for a status that the HTTP server decided on before there was an Error.
net::Response problem_response(int status, std::string_view code, std::string_view text);

}  // namespace coffer::api
