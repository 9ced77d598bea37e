// Counters of requests, and the site's numbers as Prometheus text.
//
// Runs are counted by the states that everybody may know, so nothing moves between the start of a
// run and its slot. Errors: those of the database. Thread-safety: the loop thread.
// Source: Prometheus text exposition format 0.0.4.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "front/site.h"

namespace coffer::api {

class Metrics {
 public:
  void answered(std::string_view operation, int status);
  Result<std::string> render(front::Site& site) const;

 private:
  std::map<std::pair<std::string, int>, std::uint64_t> requests_;
};

}  // namespace coffer::api
