#include "front/start.h"

#include "front/adopt.h"
#include "front/append.h"
#include "front/grants.h"
#include "front/leftovers.h"
#include "front/quota.h"

namespace coffer::front {

Result<> prepare_to_serve(Site& site) {
  COFFER_CHECK(count_vault(site));
  COFFER_CHECK(resend_pending(site));
  COFFER_CHECK(check_against_keeper(site));
  COFFER_CHECK(remove_leftovers(site));
  COFFER_CHECK(adopt_revocations(site));
  COFFER_CHECK(adopt_known_runs(site));
  COFFER_CHECK(end_unknown_runs(site));
  return publish_ledger(site);
}

}  // namespace coffer::front
