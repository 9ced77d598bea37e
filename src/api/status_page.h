// The page at `/`: what a stranger may know, and how to log in. One document, no script, nothing
// loaded from elsewhere.
//
// Errors: none. Thread-safety: pure function.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace coffer::api {

struct StatusFacts {
  struct Environment {
    std::string name;
    std::string digest;
    std::string state;
  };
  std::string version;
  std::string address;      // as the client named it: its Host header
  std::string fingerprint;  // of the keeper
  std::string ledger_vkey;
  std::uint64_t entries{0};
  std::string checkpoint;
  std::vector<Environment> environments;
  bool ready{false};
  bool secure{false};  // the client speaks TLS, to us or to a proxy
};
std::string status_page(const StatusFacts& facts);
std::string html_escape(std::string_view text);

}  // namespace coffer::api
