// Opens what the worker sealed: outputs and evidence, and checks releases against the ledger.
//
// Invariants: nothing of a sealed file is given out unless its tag, its length and, for outputs,
// the commitment fit; a release is good only if a proof against the pinned ledger key says so.
// Errors: Corrupt with exit 1, naming what does not fit.
// Thread-safety: pure functions. Source: protocol.md section 4, docs/formats/release.md.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "crypto/crypto.h"

namespace coffer::cli {

struct OpenedFile {
  ByteVector salt;
  std::string content;
  Digest digest;      // of the content
  Digest commitment;  // SHA-256(salt || digest)
};
// `sealed`: AES-256-GCM over salt[32] || u64 length || content || zeros, bound to run and output.
Result<OpenedFile> open_sealed(const Key& key, ByteView sealed, const Digest& run,
                               std::string_view output);

// The release of GET …/release: its proof accepts under `ledger_vkey`, the proven entry is a
// `release` of this run and output, and names release.json and content by their digests.
struct ReleaseFacts {
  std::string output;
  std::string file;  // of the canonical file
  std::string release_json;
  std::string proof;
  Digest content;
};
Result<ReleaseFacts> check_release(const Json& release, const Digest& run,
                                   const std::string& ledger_vkey);

}  // namespace coffer::cli
