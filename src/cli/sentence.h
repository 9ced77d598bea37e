// The sentences that people agree to, built from what will be signed and nothing else.
//
// Errors: none. Thread-safety: pure functions. Source: outside.md section 1.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "grant/objects.h"
#include "program/charge.h"

namespace coffer::cli {

// "rex" "rex and olga" "rex, olga and stew"
std::string listed(const std::vector<std::string>& names);

// Names for the keys in a grant.
struct GrantNames {
  std::string dataset;  // "clinic/tumours@v1", or "clinic/tumours" for every version
  std::vector<std::string> grantees;
  std::vector<std::string> approvers;
};

// "ada may run any program on clinic/tumours@v1 until 2027-01-31, 20 runs, at most 64,000 bits
// ever: enough to state `diagnosis` for all 569 persons. Above 256 bits a run, rex must approve."
// `card`: the payload of the published card, null where there is none.
std::string grant_sentence(const grant::Grant& grant, const GrantNames& names, const Json& card);

// The last day of a grant: "2027-01-31" for the first instant after it.
std::string last_day(UnixTime until);

// "at most 41 bits a run: header 7, metrics 3 + 31" and so on.
std::string quote_sentence(const program::Quote& quote);

}  // namespace coffer::cli
