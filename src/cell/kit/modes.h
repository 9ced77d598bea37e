// The modes of the one static program that runs inside cells.
//
//   init      the cell's first process: self-test, then the program or one of the modes below
//   unpack    stdin: a tar stream; writes regular files and directories below argv[1] (/out)
//   compare   stdin: {"declaration": ..., "program": name, "entry": [...], ...}, see compare.cpp
//   judge, evidence   gate/kit.h
// Exit status: 0 done, 1 refused (one line on descriptor 2, without private data), 2 wrong usage.
// Thread-safety: one call a process. Errors: by exit status.
#pragma once

namespace coffer::cell::kit {

int init_main();
int unpack_main(int argc, char** argv);
int compare_main(int argc, char** argv);

// The mode of that name with argv[0] as its name; 2 when there is none.
int run_mode(int argc, char** argv);

}  // namespace coffer::cell::kit
