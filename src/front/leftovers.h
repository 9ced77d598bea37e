// What a front that was killed left behind: half-written files that nobody will ask for.
//
// Called at start, before anything is written. Uploads that the database knows stay: their clients
// go on with them.
// Errors: Unavailable (the file system). Thread-safety: the loop thread, before it serves.
#pragma once

#include "front/site.h"

namespace coffer::front {

Result<> remove_leftovers(Site& site);

}  // namespace coffer::front
