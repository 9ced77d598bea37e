// What the notify command is told, each once: JSON objects of ids.
//
//   {"event":"released","run":"run_…","output":"model"}      also refused and held
//   {"event":"request","request":"req_…","dataset":"clinic/tumours"}
//   {"event":"grant_expiring","grant":"grant_…","dataset":"clinic/tumours"} 14 days before
//   {"event":"suspended","grant":"grant_…"}                  runs under it were lost
//   {"event":"budget","grant":"grant_…"}                     80 percent; also of a "dataset"
//   {"event":"disk_low"}                                     below a tenth, or a gibibyte, free
//
// Nothing is told before everybody it concerns could know it. What was told stands in the database,
// so a server that starts again goes on where it was; one without a notify command forgets it.
// Errors: those of the database and the keeper: what was not told is told later.
// Thread-safety: the loop thread. Source: outside.md section 1.
#pragma once

#include <map>
#include <set>
#include <string>

#include "front/site.h"

namespace coffer::front {

class Notices {
 public:
  // Tells by site.on_notice; without one it does nothing.
  explicit Notices(Site& site) : site_(site) {}
  // What has happened since the last time. Cheap when nothing has: call it often.
  Result<> follow();

 private:
  Result<> begin();
  Result<> tell();
  Result<> tell_requests();
  Result<> tell_events();
  Result<> tell_budgets();
  Result<> tell_grant_budget(const std::string& digest);
  Result<> tell_expiring();
  Result<> tell_disk();

  Result<std::int64_t> noted(const std::string& what);
  void note(const std::string& what, std::int64_t value) { unsaved_[what] = value; }
  Result<> save();

  Site& site_;
  bool begun_{false};
  Instant look_again_{};
  std::set<std::string> grants_;                 // whose budgets may have moved
  std::map<std::string, std::int64_t> unsaved_;  // a full disk must not tell a thing twice
};

}  // namespace coffer::front
