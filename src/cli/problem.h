// Problem: why a command did not do what it was asked, as one line and as JSON.
//
// Invariants: error_of and problem_of are inverse: what base's Error has no field for travels in
// its `detail`. A message from a server is made printable and cut to one line.
// Exit statuses: 1 asked for and refused or failed, 2 the command line is wrong, 3 no server.
// Errors: none. Thread-safety: pure functions, plain values.
// Source: outside.md section 1; RFC 9457 for what servers send.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace coffer::cli {

inline constexpr int kExitDone = 0;
inline constexpr int kExitRefused = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitUnreachable = 3;

struct Problem {
  std::string code{};   // stable: "grant_expired"
  std::string text{};   // one line: what, which object
  std::string field{};  // "" where none
  std::string limit{};
  std::string next{};  // the command to try
  int exit{kExitRefused};
  friend bool operator==(const Problem&, const Problem&) = default;
};

Error error_of(const Problem& problem);
// Of any Error: one that carries no problem gets the stable code of its Code.
Problem problem_of(const Error& error);
std::string_view code_text(Code code);  // "not_found"

// The command line is wrong (exit 2).
Error usage_error(std::string text, std::string next = {});
// Asked for and refused here, before any server.
Error refused(std::string code, std::string text, std::string next = {});
// No server at that address (exit 3).
// Code "silent": it took the connection and said nothing, as it does during an exclusive run.
Error unreachable(std::string_view url, const Error& cause);
// What a server answered with `status`: application/problem+json, or anything else.
Error answered(int status, std::string_view body);

// "field 'bits': the dataset's limit has 64,000 left (limit 64000) [limit_exceeded]; try: …"
std::string render_problem(const Problem& problem);
Json problem_json(const Problem& problem);

}  // namespace coffer::cli
