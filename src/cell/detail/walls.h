// The walls of a cell by name, and the records between the launcher and the cell's first process.
//
// The order and the numbers are part of docs/formats/cell-proof.md; new walls are added at the end.
// Line protocol (a stream socket, descriptor kLineFd of the first process): it sends one SelfTest,
// waits for the byte kGo, later sends one EndReport. Lengths are fixed by the format, so a wrong
// byte is an error, never a wait.
// Errors: Corrupt. Thread-safety: plain values, pure functions.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/wire.h"

namespace coffer::cell::detail {

enum class Wall : std::uint8_t {
  Capabilities,
  NoNewPrivileges,
  Filter,
  ForeignCalls,
  X32Calls,
  InternetSockets,
  VsockSockets,
  OtherSockets,
  NewNamespaces,
  CloneThree,
  Mounts,
  Tracing,
  KernelInterfaces,
  FileHandles,
  HostState,
  FileWatches,
  FileLocks,
  ReadOnlyRoot,
  ReadOnlyInputs,
  OutputWithoutExecution,
  Landlock,
  FirstProcessHidden,
  ProcMasked,
  SysAbsent,
  Devices,
  Descriptors,
  OwnProcesses,
  CoreFiles,
  HostName,
  // From here on: seen by the launcher from outside.
  Namespaces,
  Identity,
  KernelStatus,
  GroupMembership,
  Limits,
};

inline constexpr std::array<std::string_view, 34> kWallNames{"capabilities",
                                                             "no_new_privileges",
                                                             "filter",
                                                             "foreign_calls",
                                                             "x32_calls",
                                                             "internet_sockets",
                                                             "vsock_sockets",
                                                             "other_sockets",
                                                             "new_namespaces",
                                                             "clone_three",
                                                             "mounts",
                                                             "tracing",
                                                             "kernel_interfaces",
                                                             "file_handles",
                                                             "host_state",
                                                             "file_watches",
                                                             "file_locks",
                                                             "read_only_root",
                                                             "read_only_inputs",
                                                             "output_without_execution",
                                                             "landlock",
                                                             "first_process_hidden",
                                                             "proc_masked",
                                                             "sys_absent",
                                                             "devices",
                                                             "descriptors",
                                                             "own_processes",
                                                             "core_files",
                                                             "host_name",
                                                             "namespaces",
                                                             "identity",
                                                             "kernel_status",
                                                             "group_membership",
                                                             "limits"};
inline constexpr std::size_t kInsideWalls = static_cast<std::size_t>(Wall::Namespaces);
inline std::string_view name_of(Wall wall) { return kWallNames[static_cast<std::size_t>(wall)]; }

inline constexpr int kConfigFd = 3;
inline constexpr int kLineFd = 4;
inline constexpr int kKitFd = 5;
inline constexpr char kMapped = 'm';
inline constexpr char kGo = 'g';
inline constexpr std::string_view kHostName = "cell";
inline constexpr std::uint32_t kInsideId = 1000;

// What the first process is told, in a sealed memory file.
struct Config {
  std::uint8_t profile{};  // cell::Profile
  std::uint8_t kit{};      // cell::Kit
  bool keep_output{};      // stdout and stderr go to the launcher, not into the cell's own pipe
  bool has_out{};
  std::string directory{};
  std::vector<std::string> argv{};
  std::vector<std::string> env{};        // NAME=value
  std::vector<std::string> read_only{};  // directories to try to write into

  static constexpr std::uint32_t kListMax = 4096;

  ByteVector encode() const {
    WireWriter out;
    out.u8(profile).u8(kit).boolean(keep_output).boolean(has_out).text(directory);
    for (const auto* list : {&argv, &env, &read_only}) {
      out.u32(static_cast<std::uint32_t>(list->size()));
      for (const auto& text : *list) out.text(text);
    }
    return std::move(out).take();
  }
  static Result<Config> decode(ByteView bytes) {
    WireReader in{bytes};
    Config config{.profile = in.u8(),
                  .kit = in.u8(),
                  .keep_output = in.boolean(),
                  .has_out = in.boolean(),
                  .directory = in.text()};
    for (auto* list : {&config.argv, &config.env, &config.read_only}) {
      const std::uint32_t count = in.count(kListMax);
      for (std::uint32_t i = 0; i < count; ++i) list->push_back(in.text());
    }
    COFFER_CHECK(in.finish());
    return config;
  }
};

// 'T', then one byte a wall: 0 did not hold, 1 held, 2 not tried in this profile.
enum class Finding : std::uint8_t { Open, Held, NotTried };
struct SelfTest {
  static constexpr char kType = 'T';
  static constexpr std::size_t kSize = 1 + kInsideWalls;
  std::array<Finding, kInsideWalls> findings{};

  ByteVector encode() const {
    WireWriter out;
    out.u8(static_cast<std::uint8_t>(kType));
    for (const Finding finding : findings) out.u8(static_cast<std::uint8_t>(finding));
    return std::move(out).take();
  }
  static Result<SelfTest> decode(ByteView bytes) {
    WireReader in{bytes};
    if (in.u8() != static_cast<std::uint8_t>(kType)) in.fail();
    SelfTest test;
    for (Finding& finding : test.findings) {
      const std::uint8_t value = in.u8();
      if (value > 2) in.fail();
      finding = static_cast<Finding>(value);
    }
    COFFER_CHECK(in.finish());
    return test;
  }
};

// 'S', step, errno: the cell could not be finished; sent instead of a SelfTest.
enum class Step : std::uint8_t {
  Wait,
  Identity,
  ParentDeath,
  CgroupNamespace,
  Propagation,
  Proc,
  ProcMasks,
  Pivot,
  HostName,
  Limits,
  Capabilities,
  Descriptors,
  Landlock,
  Filter,
  Execute,
};
struct StepFailure {
  static constexpr char kType = 'S';
  static constexpr std::size_t kSize = 6;
  Step step{};
  std::uint32_t error_number{};
};

// 'E', exit code, signal, errno of exec (0: it was started), class name, file, line: the texts in
// fields of fixed length, zero-padded.
struct EndReport {
  static constexpr char kType = 'E';
  static constexpr std::size_t kClassMax = 64;
  static constexpr std::size_t kFileMax = 256;
  static constexpr std::size_t kSize = 1 + 3 + 4 + kClassMax + kFileMax;
  std::uint8_t exit_code{};
  std::uint8_t signal{};
  std::uint8_t exec_error{};
  std::string class_name{};
  std::string file{};
  std::uint32_t line{};

  ByteVector encode() const {
    WireWriter out;
    out.u8(static_cast<std::uint8_t>(kType)).u8(exit_code).u8(signal).u8(exec_error).u32(line);
    for (const auto& [text, size] : {std::pair{&class_name, kClassMax}, {&file, kFileMax}}) {
      std::string padded = text->substr(0, size);
      padded.resize(size);
      out.raw(bytes_of(padded));
    }
    return std::move(out).take();
  }
  static Result<EndReport> decode(ByteView bytes) {
    WireReader in{bytes};
    if (in.u8() != static_cast<std::uint8_t>(kType)) in.fail();
    EndReport end{.exit_code = in.u8(), .signal = in.u8(), .exec_error = in.u8()};
    end.line = in.u32();
    end.class_name = text_in(in.raw(kClassMax));
    end.file = text_in(in.raw(kFileMax));
    COFFER_CHECK(in.finish());
    return end;
  }

 private:
  static std::string text_in(ByteView padded) {
    const auto text = text_of(padded);
    return std::string(text.substr(0, std::min(text.find('\0'), text.size())));
  }
};

}  // namespace coffer::cell::detail
