// What a program finds in its cell, the same for a run and for `try`.
#include <algorithm>

#include "cell/cell.h"

namespace coffer::cell {

Spec program_spec(const ProgramCell& cell) {
  Spec spec;
  spec.argv = cell.entry;
  spec.root = cell.environment;
  spec.binds.push_back({.source = cell.program, .target = "/program"});
  for (const auto& input : cell.inputs) {
    spec.binds.push_back(
        {.source = input.directory, .target = "/data/" + input.alias, .origin = input.origin});
  }
  spec.files.push_back({"/params.json", cell.params_json});
  spec.out_bytes = cell.output_bytes;
  spec.env = cell.environment_variables;
  const std::string cpus = std::to_string(cell.cpus);
  for (const auto& [name, value] :
       std::map<std::string, std::string>{{"COFFER_DATA", "/data"},
                                          {"COFFER_OUT", "/out"},
                                          {"COFFER_PARAMS", "/params.json"},
                                          {"COFFER_CPUS", cpus},
                                          {"COFFER_SEED", std::to_string(cell.seed)},
                                          {"OMP_NUM_THREADS", cpus},
                                          {"HOME", "/tmp"},
                                          {"LANG", "C.UTF-8"},
                                          {"TZ", "UTC"}}) {
    spec.env[name] = value;
  }
  spec.directory = "/program";
  spec.output = cell.output;
  spec.resources.memory_bytes = cell.memory_bytes;
  spec.resources.cpus = cell.cpus;
  spec.resources.time = cell.time;
  // Both count against the memory limit; half of it leaves the program something to run in.
  spec.resources.tmp_bytes = std::max<std::uint64_t>(cell.memory_bytes / 2, 1U << 20);
  spec.resources.shm_bytes = spec.resources.tmp_bytes;
  spec.profile = Profile::Program;
  spec.ids = cell.ids;
  spec.cancel_fd = cell.cancel_fd;
  return spec;
}

}  // namespace coffer::cell
