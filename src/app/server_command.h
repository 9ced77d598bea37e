// `coffer server`: its options, and the entry of its processes.
//
// Errors: by exit status, 0 done, 1 failed (one line on stderr), 2 a wrong command line.
// Thread-safety: the main thread.
#pragma once

#include <string>

namespace coffer::app {

enum class CommandKind : std::uint8_t { Client, Server, Recover, Backup, Restore };
CommandKind command_kind(int argc, char** argv);

int server_main(int argc, char** argv);
// The process called `name`, with the same options, control socket on descriptor 3.
int process_main(const std::string& name, int argc, char** argv);

}  // namespace coffer::app
