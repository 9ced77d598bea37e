// Users, their tokens and their keys.
//
// Invariants: a token is kept as its SHA-256 only; it says who asks and signs nothing. A user's
// keys are those that the keeper accepted, the chain kept whole for clients to check.
// Errors: NotFound, Denied (role_required), AlreadyExists (name_taken), the keeper's refusals.
// Thread-safety: the loop thread. Source: protocol.md section 3.
#pragma once

#include "front/runs.h"
#include "grant/envelope.h"

namespace coffer::front {

// The caller of a token, or Denied with rule `unauthenticated`. Not within a transaction.
Result<Caller> authenticate(Site& site, std::string_view token);

// Makes the first operator when there is no user yet; the token to write into operator.token.
Result<std::optional<std::string>> first_operator(Site& site);
// A new token for the first operator, as long as there was no login yet; else nothing.
Result<std::optional<std::string>> renew_first_operator(Site& site);

Result<Json> add_user(Site& site, const Caller& caller, const std::string& name,
                      const std::vector<std::string>& roles);
Result<Json> renew_token(Site& site, const Caller& caller, const std::string& name);
Result<Json> list_users(Site& site, const Caller& caller, const Page& page);
Result<Json> show_user(Site& site, const Caller& caller, const std::string& name);
// `envelope`: a signed removal; empty for a user who never registered a key.
Result<Json> remove_user(Site& site, const Caller& caller, const std::string& name,
                         std::string_view envelope);
Result<Json> register_key(Site& site, const Caller& caller, std::string_view envelope);
Result<Json> whoami(Site& site, const Caller& caller);
Json version_json(const Site& site);

// 16 base32 characters over the keeper's keys: the end of every token.
std::string keeper_fingerprint(const Site& site);

// ---- For the front's other files ---------------------------------------------------------------

Result<> require_role(const Caller& caller, std::string_view role);
// The caller's present key. Errors: FailedPrecondition (key_missing).
Result<SignPublic> sign_key_of(Site& site, const Caller& caller);
// What is kept as the caller's is signed by the caller: who holds another's envelope has only that.
Result<> require_own_signature(Site& site, const Caller& caller, const grant::Envelope& envelope);
// The name whose present key this is; empty when nobody's.
Result<std::string> user_of_key(Site& site, const SignPublic& key);
Json ledger_range(const keeper::Appended& appended);
// A page of rows: `items` is cut to the limit, the cursor names where to go on.
Json page_json(Json::Array items, const Page& page,
               const std::function<std::string(std::size_t)>& cursor);

}  // namespace coffer::front
