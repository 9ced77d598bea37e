// Steps 7 and 8 of a run: what the outside learns at its slot.
//
// The keeper gives the report of a run out at its slot and not before; the front computes nothing
// from it that the keeper has not computed too.
// Errors: those of the database and the keeper. Thread-safety: the loop thread.
// Source: protocol.md sections 4 and 5.
#pragma once

#include "front/site.h"

namespace coffer::front {

// Settles the run if the keeper has something to settle now; else asks again at its next slot.
Result<> settle_if_due(Site& site, const std::string& digest);
// All running runs whose slot has come.
Result<> settle_due(Site& site);
// In the transaction that makes a run `running`: when to look at it, and when it is overdue.
Result<> set_running_deadline(Site& site, const std::string& digest);
// A verdict and an ending as outsiders see them. `wanted`: the cause of a cancelled run.
struct ShownVerdict {
  std::string verdict;
  std::string refusal;
};
ShownVerdict shown(program::Verdict verdict);
struct Ended {
  std::string state;
  std::string cause;
};
Ended ended_as(const keeper::Settled& settled, const std::string& wanted);
// What entries tell of a decided output: its release, and what the run was charged by them.
struct Told {
  std::string id;       // of the release; empty when nothing was released
  std::string content;  // digest text
  std::int64_t bits{0};
  std::int64_t bytes{0};
  program::Cost charged;
};
Result<Told> told_of(const keeper::Appended& appended, std::string_view output);
// The index of the last entry of an answer.
std::int64_t last_index(const keeper::Appended& appended);

}  // namespace coffer::front
