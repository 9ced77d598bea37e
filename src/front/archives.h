// Archives: OCI images on their way from an upload to the builder, in parts, between other work.
//
// Whoever sends an image names its digest; the builder compares. From keep_archive() until its
// build has ended the archive lies among the uploads under its digest, so that a builder that
// starts again gets it again. Errors: those of uploads; InvalidArgument (too_large). Thread-safety:
// the loop thread.
#pragma once

#include "env/messages.h"
#include "front/runs.h"

namespace coffer::front {

// Makes a whole upload the archive of that digest; the upload is used up.
Result<> keep_archive(Site& site, const Caller& caller, const std::string& upload,
                      const Digest& archive);
// The archive of a build that has ended, or none. Never an error: it may be gone.
void drop_archive(Site& site, const std::string& spec);

// Queues the archive of `build`, and the build behind it.
void send_with_archive(Site& site, env::Build build, const Digest& archive);
// As many parts as go in a moment; called again at every tick.
void send_archives(Site& site);

}  // namespace coffer::front
