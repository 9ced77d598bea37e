// The cgroup file systems as they are mounted, and how a value is written into them.
//
// Errors: of os/files.h. Thread-safety: pure functions over the file system.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace coffer::cgroup_detail {

struct Hierarchy {
  int version;
  std::filesystem::path mount;
  std::vector<std::string> controllers;
};

std::vector<Hierarchy> hierarchies();
// One write(2), as the kernel wants it.
Result<> write_value(const std::filesystem::path& file, std::string_view value);

}  // namespace coffer::cgroup_detail
