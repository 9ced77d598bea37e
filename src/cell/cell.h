// Runs one untrusted program in a cell and says how it ended, after the cell proved its walls.
//
// A cell is a process tree in user, mount, pid, network, ipc, uts, time and cgroup namespaces of
// its own, on a read-only root made for it, without capabilities, under Landlock and seccomp, in a
// control group with limits. Its first process is our own static program: it tries each wall from
// inside, reports, waits for the word, runs the program and ends with it; nothing outlives it.
//
// Invariants: the program starts only after every required wall was tried from inside and found to
// hold, the limits were read back from outside, and `before_start` agreed. When run() returns, no
// process of the cell is left, and nothing can change /out any more. What the program writes to
// stdout and stderr is dropped inside the cell unless `output` says Keep.
// Units: bytes; whole processors; `time` is wall clock from the start of the program.
// Errors: FailedPrecondition "cell_unproven: WALL ..." (a wall is missing on this machine; names
// the wall and the command that mends it), InvalidArgument (a spec that makes no sense),
// NotFound (a directory of the spec), Cancelled (before the start), what before_start returned,
// Internal. After any error nothing was run.
// Thread-safety: run() forks: call it from a process of one thread, one call at a time, and only
// inside the supervisor of supervise.h.
// Source: docs/threat-model-cell.md, docs/formats/cell-proof.md.
//
//   auto launcher = cell::Launcher::create(Cgroups::detect());          // once, before forking
//   // in the supervisor of one run:
//   auto ended = launcher.run(stage, spec, [&](const cell::Proof& p) { return report_started(p);
//   });
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/text.h"
#include "base/unique_fd.h"
#include "cell/supervise.h"
#include "crypto/crypto.h"
#include "os/cgroup.h"

namespace coffer::cell {

// Program: a guest's program; no network, full /proc with synthetic files and masks.
// Parser:  our own parser of hostile bytes; no /proc, no sockets, only the calls it needs.
// Builder: makes environments; shares the machine's network, may be given writable directories.
enum class Profile : std::uint8_t { Program, Parser, Builder };

enum class BindAccess : std::uint8_t { ReadOnly, ReadWrite };

// A directory of the host at a place in the cell. ReadOnly directories that several cells see at
// once are laid over (Shared), so that locks, times and watches on them stay in the cell; staged
// ones are this run's own (Private).
enum class BindOrigin : std::uint8_t { Shared, Private };

struct Bind {
  std::filesystem::path source;
  std::string target;                       // absolute, e.g. "/program", "/data/tumours"
  BindAccess access{BindAccess::ReadOnly};  // ReadWrite: Builder only
  BindOrigin origin{BindOrigin::Shared};
};

// A small read-only file of the cell's own, e.g. "/params.json".
struct File {
  std::string path;
  std::string content;
};

// A symbolic link of the cell's own root, e.g. "/bin" to "usr/bin" where `root` is absent.
struct Link {
  std::string path;
  std::string target;
};

// Who the processes are inside: uid 1000, or (Builder only) uid 0 without any capability, for tools
// that ask.
enum class Inside : std::uint8_t { User, Root };

struct Resources {
  std::uint64_t memory_bytes{std::uint64_t{1} << 30};  // includes /tmp, /dev/shm and /out
  std::uint32_t cpus{1};
  std::uint32_t pids{512};
  Duration time{std::chrono::minutes{10}};
  std::uint64_t tmp_bytes{std::uint64_t{1} << 30};
  std::uint64_t shm_bytes{std::uint64_t{1} << 30};
  std::uint64_t entries_max{100000};  // files and directories in each of /tmp, /dev/shm, /out
};

// The mode of our own program that is the cell's main process instead of argv.
enum class Kit : std::uint8_t { None, Judge, Evidence, Compare, Unpack };

enum class Output : std::uint8_t {
  Drop,  // read inside the cell, kept only as far as Failure needs it
  Keep,  // the first `output_max` bytes of stdout and of stderr come back
};

struct Spec {
  std::vector<std::string> argv{};  // of the program; of a kit: what follows its name
  Kit kit{Kit::None};
  std::optional<std::filesystem::path> root{};  // environment directory; absent: an empty root
  std::vector<Bind> binds{};
  std::vector<File> files{};
  std::vector<Link> links{};
  std::optional<std::uint64_t> out_bytes{};  // absent: no /out
  std::map<std::string, std::string> env{};
  std::string directory{"/"};  // working directory
  ByteVector input{};          // on stdin; else stdin is empty
  Output output{Output::Drop};
  std::size_t output_max{std::size_t{1} << 16};
  Resources resources{};
  Profile profile{Profile::Program};
  Inside inside{Inside::User};
  Ids ids{};          // host uid and gid of the cell (as root)
  int cancel_fd{-1};  // readable or closed: the cell is killed
};

// Finished: the program ended by itself; exit_code is its status, 128 + n for signal n.
// Killed: by cancel_fd, or by somebody outside.
enum class Ending : std::uint8_t { Finished, Time, Memory, Killed };

// What an exception said of itself, as far as it is public: parsed inside the cell from the last
// Python traceback or a `COFFER_ERROR CLASS FILE:LINE` line on stderr. Untrusted: chosen by the
// program. class_name is an identifier of at most 64 characters; file is relative to /program.
struct Failure {
  std::string class_name;
  std::string file;
  std::uint32_t line{0};
};

// What was proved before the start. `record` is canonical JSON: docs/formats/cell-proof.md.
struct Proof {
  std::string record;
  Digest digest;
};

struct Ended {
  Ending ending{Ending::Killed};
  int exit_code{0};  // when Finished
  std::optional<Failure> failure{};
  bool out_full{false};           // /out had no room left: cause output_size
  std::string standard_output{};  // when Output::Keep
  std::string standard_error{};
  Duration wall{};          // from the start of the program
  std::uint64_t cpu_us{0};  // of the whole tree, 0 where the kernel does not count
  Proof proof{};
  UniqueFd out{};                    // directory /out, readable after the cell is gone
  std::filesystem::path out_path{};  // where it is mounted in the supervisor, to bind it again
};

// Called when the cell is proved and before the program starts. An error stops the cell.
using BeforeStart = std::function<Result<>(const Proof&)>;

class Launcher {
 public:
  // Compiles the filters and loads the kit. `cgroups`: detected outside of any supervisor.
  // Errors: FailedPrecondition (limits cannot be enforced here, or no seccomp).
  static Result<Launcher> create(Cgroups cgroups);
  Launcher(Launcher&&) noexcept;
  Launcher& operator=(Launcher&&) noexcept;
  ~Launcher();

  Result<Ended> run(Stage& stage, const Spec& spec, const BeforeStart& before_start = {}) const;

  // One question to a kit in an empty Parser cell: its stdout, at most `answer_max` bytes.
  // Errors: as run(); InvalidArgument (the parser refused its input with status 1), Unavailable (it
  // ended otherwise, answered too much or too late).
  struct Question {
    Kit kit{Kit::None};
    std::vector<std::string> args{};
    std::vector<Bind> binds{};
    ByteVector input{};
    std::size_t answer_max{std::size_t{1} << 20};
    std::optional<std::uint64_t> out_bytes{};
    Resources resources{};
    Ids ids{};
    int cancel_fd{-1};
  };
  struct Answer {
    std::string text;
    UniqueFd out{};  // when out_bytes was given
  };
  Result<Answer> ask(Stage& stage, Question question) const;

 private:
  struct State;
  explicit Launcher(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// The whole contract of docs: what a program finds in its cell, the same for a run and for `try`.
struct ProgramCell {
  std::filesystem::path environment;  // root directory
  std::map<std::string, std::string> environment_variables{};
  std::filesystem::path program;
  struct Input {
    std::string alias;
    std::filesystem::path directory;
    BindOrigin origin{BindOrigin::Private};
  };
  std::vector<Input> inputs{};
  std::vector<std::string> entry{};
  std::string params_json{"{}"};
  std::uint32_t seed{0};
  std::uint32_t cpus{1};
  std::uint64_t memory_bytes{std::uint64_t{1} << 30};
  std::uint64_t output_bytes{std::uint64_t{64} << 20};
  Duration time{std::chrono::minutes{10}};
  Output output{Output::Drop};
  Ids ids{};
  int cancel_fd{-1};
};
Spec program_spec(const ProgramCell& cell);

// The bytes of the static program that runs inside every cell.
ByteView kit_bytes();

}  // namespace coffer::cell
