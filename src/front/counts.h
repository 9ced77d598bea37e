// What may be counted of a site: for its status page, its metrics and its health.
//
// Runs are counted by the states that everybody may know: between `started` and its slot nothing
// moves. Errors: those of the database. Thread-safety: the loop thread.
#pragma once

#include "front/site.h"

namespace coffer::front {

struct Counts {
  std::map<std::string, std::int64_t> runs;  // by state
  std::int64_t users{0};
  std::int64_t datasets{0};
  std::int64_t uploads{0};
  std::int64_t upload_bytes{0};  // announced
  std::int64_t pending{0};       // operations that the keeper has not answered
};
Result<Counts> count(Site& site);

// The last signed checkpoint, empty before the first entry.
Result<std::string> checkpoint_text(Site& site);

}  // namespace coffer::front
