// Uploads: bytes that arrive in pieces and are used once they are whole (the tus 1.0 shape).
//
// Invariants: an upload belongs to one user and nobody else sees it; its offset is the length of
// its file; what was acknowledged is on the disk. Unused uploads end after seven days.
// Units: bytes. Errors: NotFound (upload_unknown), FailedPrecondition (upload_offset,
// upload_incomplete), InvalidArgument (too_large).
// Thread-safety: the loop thread.
#pragma once

#include "base/unique_fd.h"
#include "front/runs.h"

namespace coffer::front {

inline constexpr std::uint64_t kUploadMax = 64ULL << 30;
inline constexpr std::uint64_t kPatchMax = 64ULL << 20;

Result<Json> create_upload(Site& site, const Caller& caller, std::uint64_t length);
Result<Json> show_upload(Site& site, const Caller& caller, const std::string& id);
Result<> drop_upload(Site& site, const Caller& caller, const std::string& id);

// Where the next bytes go.
struct UploadEnd {
  UniqueFd fd;
  std::uint64_t offset{0};
  std::uint64_t bytes_max{0};  // that may follow
};
Result<UploadEnd> open_upload_end(Site& site, const Caller& caller, const std::string& id,
                                  std::uint64_t offset);
// After bytes arrived: makes them durable; the upload as it is now.
Result<Json> appended_to_upload(Site& site, const Caller& caller, const std::string& id);

// A whole upload, open for reading.
Result<UniqueFd> open_upload(Site& site, const Caller& caller, const std::string& id);
// After its use. Never an error: what is left over ends with its time.
void use_up(Site& site, const std::string& id);
Result<> end_old_uploads(Site& site);

}  // namespace coffer::front
