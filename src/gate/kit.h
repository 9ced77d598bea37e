// The entry points of the judge and evidence cells, linked into the one static cell program.
//
// Both read one JSON document from descriptor 0 to its end, answer on descriptor 1, write nothing
// else, and need neither /proc nor an environment nor any file but those named here. Exit status:
// 0 answered; 1 the request or a directory is unusable, which is our defect or the machine's (the
// reason, without private data, on descriptor 2).
//
//   judge     stdin: the `outputs` array of the signed run. /out: descriptor 3, or the directory
//             argv[1] names. stdout: gate/reply.h.
//   evidence  stdin: {"outputs": the same array, "inputs": {alias: card payload or null, ...}} with
//             the protected inputs only. The staged inputs (one directory an alias): descriptor 3
//             or argv[1]; the canonical files and nothing beside them: descriptor 4 or argv[2].
//             stdout: gate/evidence.h, one record an output; one without a canonical file gets an
//             empty one.
//
// argv[0] is the mode's name. Thread-safety: one call a process. Errors: by exit status.
#pragma once

namespace coffer::gate {

int judge_main(int argc, char** argv);
int evidence_main(int argc, char** argv);

}  // namespace coffer::gate
