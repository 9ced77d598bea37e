// The root of a cell, put together in the supervisor's mount namespace before the cell exists.
//
// Everything is mounted onto directories of our own skeleton, so that no path of an environment or
// of an input is ever resolved. What needs the cell's own pid namespace (/proc) is left to the
// cell's first process.
// Errors: NotFound (a source), InvalidArgument (a target that makes no sense), FailedPrecondition
// (a mount that this machine refuses). Thread-safety: none.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "cell/cell.h"

namespace coffer::cell::detail {

// What Landlock grants below one directory of the finished root.
// List: names of entries alone; ReadWrite: regular files and directories only; Scratch: and links
// and local sockets.
enum class Reach : std::uint8_t {
  List,
  Read,
  ReadExecute,
  ReadWrite,
  Scratch,
  ReadWriteExecute,
  Devices
};
struct Grant {
  std::string path;
  Reach reach;
};

struct Assembly {
  std::filesystem::path directory;  // holds root/, place/, synthetic/, empty, void/
  std::vector<Grant> grants;
  std::vector<std::string> read_only;  // targets of read-only binds
  std::vector<std::string> synthetic;  // names in synthetic/ that replace files of /proc
  bool proc{false};
  UniqueFd out{};
  std::filesystem::path out_path{};
};

Result<Assembly> assemble(Stage& stage, const Spec& spec);
// Takes the root apart again; /out stays mounted at out_path.
void take_down(const Assembly& assembly);

// Adds read-only and the like to a mount: MOUNT_ATTR_* bits.
Result<> add_attributes(const std::filesystem::path& mount, std::uint64_t attributes);

// Contents of the files that stand for the machine's own in /proc, by name.
std::vector<File> synthetic_proc(const Resources& resources);
// /etc/{passwd,group,hosts,hostname,nsswitch.conf}
std::vector<File> synthetic_etc(const Spec& spec);

}  // namespace coffer::cell::detail
