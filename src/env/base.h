// The root that environments start from: a minimal Debian with python3, out of the host's apt
// sources.
//
// apt-get downloads with state of its own (no file of the host's package manager is read but its
// sources, keys and settings, and none is written); dpkg-deb and tar unpack; what packages want to
// do after that (libraries cache, their scripts) happens in a building cell on the new root.
// Invariants: a base is kept in the cache by the digest of its package list and appears there by
// one rename; the same list is never made twice. Errors: FailedPrecondition (no apt-get),
// Unavailable (network, disk), InvalidArgument (no such package). Thread-safety: none; one build at
// a time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "crypto/crypto.h"
#include "env/job.h"

namespace coffer::env {

struct BasePlan {
  std::vector<std::string> packages;  // "name=version:architecture" in order of installation
  std::vector<std::string> names;     // what apt-get is asked for
  std::vector<std::string> added;     // of `packages`, what a plain base has not
  Digest key;
};

// What apt would install for a base with these packages beside the usual ones.
Result<BasePlan> plan_base(const Job& job, const std::vector<std::string>& more);

// The cache may be shared by the servers of a machine: who makes a base in it, or removes what was
// left half made, holds this. Waits for it, or answers nothing where it is held and `now` is asked
// for. Errors: Unavailable.
enum class Wait : std::uint8_t { Now, UntilFree };
Result<UniqueFd> lock_cache(const std::filesystem::path& cache, Wait wait);

// The base in the cache, made first if it is not there. Never write into it.
Result<std::filesystem::path> provide_base(const Job& job, const BasePlan& plan);

// A copy to change. `target` must not exist.
Result<> copy_base(const Job& job, const std::filesystem::path& base,
                   const std::filesystem::path& target);

}  // namespace coffer::env
