// Narrows the rights of the calling process for good: our own server processes use it on
// themselves before they read a byte from outside.
//
// confine() does all it is told, in the order: identity, close descriptors, capabilities,
// no_new_privs, Landlock, seccomp, non-dumpable. Everything is inherited by children and cannot be
// undone. It fails closed: after an error the process must exit, for it may be half confined.
// Landlock grants are hierarchical: name the narrowest directories. A process that has `paths` can
// mount nothing and start no cell.
// Errors: FailedPrecondition (the kernel lacks Landlock or seccomp; message names it), NotFound (a
// path of a rule), Internal (a step failed that should not).
// Thread-safety: call from the only thread.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "base/result.h"

namespace coffer {

enum class PathAccess : std::uint8_t {
  Read,         // files and directories below
  ReadExecute,  // and execute
  ReadWrite,    // and make, rename, truncate, remove; no execution, no devices
};

struct PathRule {
  std::filesystem::path path;
  PathAccess access;
};

// Which sockets may be made from now on. Descriptors already open work in any case.
enum class Sockets : std::uint8_t { None, Unix, Internet };

// NoCells: namespaces, mounts, tracing and the kernel's rarer interfaces are refused.
// StartsCells: namespaces and mounts stay allowed, for the worker and the builder.
enum class Role : std::uint8_t { NoCells, StartsCells };

enum class Execution : std::uint8_t { Forbidden, Allowed };

enum class Capabilities : std::uint8_t { DropAll, Keep };  // Keep: a worker started as root

struct Identity {
  uid_t uid;
  gid_t gid;
};

struct Confinement {
  std::optional<Identity> identity{};            // setgroups, setresgid, setresuid
  std::optional<std::vector<PathRule>> paths{};  // Landlock; absent: files are not restricted
  Sockets sockets{Sockets::None};
  Role role{Role::NoCells};
  Execution execution{Execution::Forbidden};
  Capabilities capabilities{Capabilities::DropAll};
  std::optional<std::vector<int>> keep_fds{};  // all others are closed; absent: none closed
};

Result<> confine(const Confinement& confinement);

// Makes the process's memory unreadable to others of the same user, and core files impossible.
Result<> forbid_inspection();

// 0 when the kernel has no Landlock.
int landlock_abi();

}  // namespace coffer
