// Verifies an exported ledger directory without a server: checkpoint, tile/, tile/entries/.
//
// Every entry is compared with tile/0, every tile with the level below it, the root with the
// checkpoint, and its signatures with the policy. Files are read one after the other; memory does
// not grow with the log. A lost entry (length zero) that a later public `recovery` entry covers is
// a gap: its hash still is in the tree, its bytes are not.
// Invariants: Ok means that the entries not in a gap are exactly those that were signed.
// Errors: Corrupt, naming the FIRST bad entry ("entry 41: …") or file ("tile/1/000: …");
// NotFound (no such directory or file); InvalidArgument (the checkpoint is none).
// Thread-safety: pure function.
// Source: RFC 6962, C2SP tlog-tiles v0.1.0, docs/formats/ledger.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "ledger/entry.h"
#include "ledger/policy.h"

namespace coffer::ledger {

struct Gap {
  LostRange lost;
  std::uint64_t recovery;  // index of the entry that owns up to it
};

struct DirectoryReport {
  Accepted accepted;
  std::uint64_t entries{};  // with those in gaps
  std::uint64_t hash_tiles{};
  std::uint64_t bundles{};
  std::vector<Gap> gaps;
  std::map<std::string, std::uint64_t> kinds;  // entries of each kind; "" for those of another form
};

// Called with the entries done so far, once per bundle.
using VerifyProgress = std::function<void(std::uint64_t done, std::uint64_t total)>;

Result<DirectoryReport> verify_directory(const std::filesystem::path& directory,
                                         const Policy& policy, const VerifyProgress& progress = {});

}  // namespace coffer::ledger
