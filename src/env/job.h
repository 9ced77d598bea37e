// What the steps of one build share: its folders, its log, and how a failing tool is explained.
//
// Invariants: everything a build writes lies below `work` or the cache; the log is one file that
// tools append to and the builder process reads by a descriptor opened before any of them ran.
// Errors: Unavailable (disk full, network), InvalidArgument (a package that does not exist), each
// with one line that says what to do. Thread-safety: none.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "cell/cell.h"
#include "env/host.h"
#include "env/messages.h"

namespace coffer::env {

using Report = std::function<void(Stage, unsigned percent)>;

struct Job {
  std::filesystem::path work;   // fresh, on the file system of DIR/env
  std::filesystem::path cache;  // kept between builds
  Variables variables;          // of this machine
  Report report;
  std::filesystem::path scratch() const { return work / "scratch"; }  // /build in the cells
  std::filesystem::path root() const { return work / "root"; }
  std::filesystem::path log() const { return scratch() / "log"; }
};

// Makes the folders and the empty log. Errors: Unavailable (less than 1 GiB free).
Result<> prepare(const Job& job);

// Runs a host's own tool (apt-get, dpkg-deb, tar) with its output in the log.
// Errors: FailedPrecondition (it is not installed), else what explain() finds.
struct HostCommand {
  std::vector<std::string> argv;
  std::vector<std::string> env{};
};
Result<> run_on_host(const Job& job, const HostCommand& command);

// Runs a script in a building cell on `root`, with /build = job.scratch().
struct CellCommand {
  std::filesystem::path root;
  std::vector<std::string> argv;
  std::vector<cell::Bind> writable;
  bool network_settings{false};  // with what host_settings() gathered
};
Result<> run_in_cell(const Job& job, const CellCommand& command);

// What a program of the environment `root` prints, in a cell without network. `writable` is
// ignored.
Result<std::string> ask_in_cell(const Job& job, const CellCommand& command);

// An error for a tool that failed, from the last lines of the log.
Error explain(std::string_view what, std::string_view log_tail);

// The user and group that building cells run as: our own, or as root one that is nobody else's.
cell::Ids builder_ids();
// As root: gives a tree to builder_ids(). Else nothing.
Result<> give_to_builder(const std::filesystem::path& tree);

}  // namespace coffer::env
