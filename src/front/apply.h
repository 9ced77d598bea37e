// What follows in the database from an operation that the keeper has accepted.
//
// Each is called inside the transaction that also stores the entries, once per operation, from the
// operation's own bytes and `extra` alone, so that it works the same after a crash.
// Errors: those of the database; then the whole transaction is undone and tried again later.
// Thread-safety: the loop thread.
#pragma once

#include "front/site.h"

namespace coffer::front {

struct Applied {
  Site& site;
  const Json& extra;
  const keeper::Appended& appended;
};

// What of an entry can be looked up: which dataset, user and object it is about.
struct EntrySubject {
  std::string dataset;
  std::string user;
  std::string object;  // digest text or id
};

Result<> apply(const Applied& context, const keeper::RegisterKey& op);
Result<> apply(const Applied& context, const keeper::RemoveUser& op);
Result<> apply(const Applied& context, const keeper::AddManifest& op);
Result<> apply(const Applied& context, const keeper::RemoveVersion& op);
Result<> apply(const Applied& context, const keeper::SetCard& op);
Result<> apply(const Applied& context, const keeper::SetLimit& op);
Result<> apply(const Applied& context, const keeper::AddGrant& op);
Result<> apply(const Applied& context, const keeper::Revoke& op);
Result<> apply(const Applied& context, const keeper::SubmitRun& op);
Result<> apply(const Applied& context, const keeper::Settle& op);
Result<> apply(const Applied& context, const keeper::Approve& op);
Result<> apply(const Applied& context, const keeper::Decide& op);
Result<> apply(const Applied& context, const keeper::View& op);
Result<> apply(const Applied& context, const keeper::Download& op);
Result<> apply(const Applied& context, const keeper::Cancel& op);
Result<> apply(const Applied& context, const keeper::Recover& op);

}  // namespace coffer::front
