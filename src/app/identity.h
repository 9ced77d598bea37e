// Who owns what in the data directory, and as whom each process of the server runs.
//
// As root front, keeper and builder have a uid of their own, so that none reads another's files;
// as an ordinary user all are that user, and Landlock keeps them apart.
// Errors: Unavailable (a directory cannot be made or given away).
// Thread-safety: pure functions over the file system. Source: protocol.md section 2.
#pragma once

#include <filesystem>
#include <optional>

#include "base/result.h"
#include "os/confine.h"

namespace coffer::app {

inline constexpr uid_t kFrontUid = 991'001;
inline constexpr uid_t kKeeperUid = 991'002;
inline constexpr uid_t kBuilderUid = 991'003;
inline constexpr uid_t kCellUidFirst = 992'000;  // one a cell, upwards

// Makes DIR and what is below it, each directory with its owner and mode. Idempotent.
// Errors: InvalidArgument (a directory above is closed to the front's user); Unavailable.
Result<> make_data_directory(const std::filesystem::path& data);

// As root, after somebody else wrote into DIR/front, DIR/vault or DIR/ledger: all of it is the
// front's again.
Result<> give_back_files(const std::filesystem::path& data);

// The identity of a process of that uid; nothing when this is not root.
std::optional<Identity> identity_of(uid_t uid);

}  // namespace coffer::app
