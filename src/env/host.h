// This machine's own settings for fetching packages, carried into a building cell.
//
// pip's variables and files, proxies and certificates are honoured; what they name on this machine
// is copied (files) or shown read-only (directories) below /host, and the settings are rewritten
// to say so. Options that would send packages elsewhere (target, prefix, cache, log) are left out.
// Errors: Unavailable (a setting's file cannot be copied).
// Thread-safety: none.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "cell/cell.h"

namespace coffer::env {

using Variables = std::map<std::string, std::string>;

// The variables of this process.
Variables process_variables();

struct HostSettings {
  Variables variables;            // for the cell
  std::vector<cell::Bind> binds;  // /host, and one for each directory a setting names
  std::vector<cell::File> files;  // /etc/pip.conf, /etc/resolv.conf, /etc/hosts
};

// `directory`: an empty one to keep the copies in.
Result<HostSettings> host_settings(const Variables& variables,
                                   const std::filesystem::path& directory);

}  // namespace coffer::env
