// The few files that stand for the machine's own: constants, and the cell's own limits.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "cell/detail/mounts.h"
#include "cell/detail/walls.h"
#include "os/files.h"

namespace coffer::cell::detail {
namespace {

// Of the machine's /proc/cpuinfo the fields that a program can ask the processor for anyway.
// Everything else is a constant.
std::vector<std::pair<std::string, std::string>> processor_fields() {
  constexpr std::array<std::string_view, 5> kReal{"vendor_id", "cpu family", "model", "stepping",
                                                  "flags"};
  std::vector<std::pair<std::string, std::string>> fields;
  const auto text = read_text("/proc/cpuinfo", std::uint64_t{1} << 24);
  if (!text) return fields;
  for (const auto& line : split(*text, '\n')) {
    if (line.empty() && !fields.empty()) break;
    const auto colon = line.find(':');
    if (colon == std::string::npos) continue;
    const std::string name{trim(std::string_view{line}.substr(0, colon))};
    if (std::find(kReal.begin(), kReal.end(), name) != kReal.end()) {
      fields.emplace_back(name, trim(std::string_view{line}.substr(colon + 1)));
    }
  }
  return fields;
}

std::string cpuinfo(std::uint32_t cpus) {
  const auto real = processor_fields();
  const auto field = [&](std::string_view name) -> std::string {
    for (const auto& [key, value] : real) {
      if (key == name) return value;
    }
    return "0";
  };
  std::string out;
  for (std::uint32_t cpu = 0; cpu < cpus; ++cpu) {
    out += fmt::format(
        "processor\t: {0}\nvendor_id\t: {1}\ncpu family\t: {2}\nmodel\t\t: {3}\n"
        "model name\t: Cofferdam virtual processor\nstepping\t: {4}\nmicrocode\t: 0x0\n"
        "cpu MHz\t\t: 2000.000\ncache size\t: 1024 KB\nphysical id\t: 0\nsiblings\t: {5}\n"
        "core id\t\t: {0}\ncpu cores\t: {5}\napicid\t\t: {0}\ninitial apicid\t: {0}\nfpu\t\t: yes\n"
        "fpu_exception\t: yes\ncpuid level\t: 13\nwp\t\t: yes\nflags\t\t: {6}\nbugs\t\t:\n"
        "bogomips\t: 4000.00\nTLB size\t: 1024 4K pages\nclflush size\t: 64\n"
        "cache_alignment\t: 64\naddress sizes\t: 48 bits physical, 48 bits virtual\n"
        "power management:\n\n",
        cpu, field("vendor_id"), field("cpu family"), field("model"), field("stepping"), cpus,
        field("flags"));
  }
  return out;
}

std::string meminfo(std::uint64_t bytes) {
  std::string out;
  const std::uint64_t total = bytes / 1024;
  for (const auto& [name, value] :
       std::initializer_list<std::pair<const char*, std::uint64_t>>{{"MemTotal", total},
                                                                    {"MemFree", total},
                                                                    {"MemAvailable", total},
                                                                    {"Buffers", 0},
                                                                    {"Cached", 0},
                                                                    {"SwapCached", 0},
                                                                    {"Active", 0},
                                                                    {"Inactive", 0},
                                                                    {"SwapTotal", 0},
                                                                    {"SwapFree", 0},
                                                                    {"Dirty", 0},
                                                                    {"Writeback", 0},
                                                                    {"AnonPages", 0},
                                                                    {"Mapped", 0},
                                                                    {"Shmem", 0},
                                                                    {"Slab", 0},
                                                                    {"SReclaimable", 0},
                                                                    {"SUnreclaim", 0},
                                                                    {"KernelStack", 0},
                                                                    {"PageTables", 0},
                                                                    {"CommitLimit", total},
                                                                    {"Committed_AS", 0},
                                                                    {"VmallocTotal", 0},
                                                                    {"VmallocUsed", 0},
                                                                    {"HugePages_Total", 0},
                                                                    {"HugePages_Free", 0}}) {
    const bool pages = std::string_view{name}.starts_with("HugePages");
    out += fmt::format("{:<16}{:>8}{}\n", std::string(name) + ":", value, pages ? "" : " kB");
  }
  return out;
}

std::string processor_times(std::uint32_t cpus) {
  std::string out = "cpu  0 0 0 0 0 0 0 0 0 0\n";
  for (std::uint32_t cpu = 0; cpu < cpus; ++cpu) {
    out += fmt::format("cpu{} 0 0 0 0 0 0 0 0 0 0\n", cpu);
  }
  return out +
         "intr 0\nctxt 0\nbtime 1700000000\nprocesses 1\nprocs_running 1\n"
         "procs_blocked 0\nsoftirq 0 0 0 0 0 0 0 0 0 0 0\n";
}

}  // namespace

std::vector<File> synthetic_proc(const Resources& resources) {
  return {{"cpuinfo", cpuinfo(resources.cpus)},
          {"meminfo", meminfo(resources.memory_bytes)},
          {"stat", processor_times(resources.cpus)},
          {"loadavg", "0.00 0.00 0.00 1/1 1\n"},
          {"uptime", "1.00 1.00\n"},
          {"version", "Linux version 6.1.0 (cofferdam)\n"},
          {"filesystems", "nodev\tproc\nnodev\ttmpfs\nnodev\toverlay\n"}};
}

std::vector<File> synthetic_etc(const Spec& spec) {
  const bool builder = spec.profile == Profile::Builder;
  return {{"/etc/passwd",
           "root:x:0:0:root:/root:/usr/sbin/nologin\ncoffer:x:1000:1000::/tmp:/bin/sh\n"
           "nobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n"},
          {"/etc/group", "root:x:0:\ncoffer:x:1000:\nnogroup:x:65534:\n"},
          {"/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"},
          {"/etc/hostname", std::string(kHostName) + "\n"},
          {"/etc/nsswitch.conf",
           std::string("passwd: files\ngroup: files\nshadow: files\nhosts: files") +
               (builder ? " dns" : "") + "\nnetworks: files\nservices: files\n"}};
}

}  // namespace coffer::cell::detail
