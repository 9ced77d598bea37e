#include "env/job.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "os/cgroup.h"
#include "os/files.h"
#include "os/process.h"

namespace coffer::env {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kFreeMin = std::uint64_t{1} << 30;
constexpr Duration kToolTime = std::chrono::minutes{30};
constexpr std::size_t kTail = 16 << 10;
constexpr uid_t kBuilder = 991003;

std::string tail_of(const fs::path& log) {
  const UniqueFd file{::open(log.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)};
  if (!file) return {};
  const off_t size = ::lseek(file.get(), 0, SEEK_END);
  std::string text(kTail, '\0');
  const off_t from = std::max<off_t>(0, size - static_cast<off_t>(kTail));
  const ssize_t got = ::pread(file.get(), text.data(), text.size(), from);
  text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return text;
}

struct Symptom {
  std::string_view text;
  Code code;
  std::string_view meaning;
};
constexpr std::array kSymptoms{
    Symptom{"No space left on device", Code::Unavailable, "the disk is full"},
    Symptom{"Disk quota exceeded", Code::Unavailable, "the disk quota is used up"},
    Symptom{"CERTIFICATE_VERIFY_FAILED", Code::Unavailable,
            "the package index has a certificate that this machine does not trust; see PIP_CERT"},
    Symptom{"Temporary failure", Code::Unavailable,
            "no name could be looked up; check network, proxies and PIP_INDEX_URL"},
    Symptom{"Could not resolve", Code::Unavailable,
            "no name could be looked up; check network, proxies and the apt sources"},
    Symptom{"Max retries exceeded", Code::Unavailable,
            "the package index cannot be reached; check network, proxies and PIP_INDEX_URL"},
    Symptom{"Failed to establish a new connection", Code::Unavailable,
            "the package index cannot be reached; check network, proxies and PIP_INDEX_URL"},
    Symptom{"ProxyError", Code::Unavailable, "the proxy refuses; check the proxy variables"},
    Symptom{"Failed to fetch", Code::Unavailable,
            "packages cannot be fetched; check network, proxies and the apt sources"},
    Symptom{"Unable to connect", Code::Unavailable,
            "packages cannot be fetched; check network, proxies and the apt sources"},
};

std::string last_line(std::string_view log) {
  const auto text = trim(log);
  if (text.empty()) return "it said nothing";
  return printable(text.substr(text.rfind('\n') + 1), 300);
}

Result<cell::Ended> launch(const fs::path& stage_directory, cell::Spec spec) {
  COFFER_TRY(const auto launcher, cell::Launcher::create(Cgroups::detect()));
  cell::Ended result;
  COFFER_TRY(const auto answer,
             cell::supervised({.mount_point = stage_directory, .input_bytes_max = 1 << 20},
                              [&](cell::Stage& stage) -> Result<ByteVector> {
                                COFFER_TRY(const auto ended, launcher.run(stage, spec));
                                WireWriter out;
                                out.u8(static_cast<std::uint8_t>(ended.ending));
                                out.u32(static_cast<std::uint32_t>(ended.exit_code));
                                out.text(ended.standard_output).text(ended.standard_error);
                                return std::move(out).take();
                              }));
  WireReader in{answer};
  result.ending = static_cast<cell::Ending>(in.u8());
  result.exit_code = static_cast<int>(in.u32());
  result.standard_output = in.text();
  result.standard_error = in.text();
  COFFER_CHECK(in.finish());
  return result;
}

Result<> judge(const Job& job, const cell::Ended& ended) {
  switch (ended.ending) {
    case cell::Ending::Finished:
      if (ended.exit_code == 0) return {};
      // What was said before the script had its log.
      return explain("the installation", tail_of(job.log()) + ended.standard_error +
                                             fmt::format("\nexit status {}", ended.exit_code));
    case cell::Ending::Time:
      return Error{Code::Unavailable, "the installation took over 30m"};
    case cell::Ending::Memory:
      return Error{Code::Unavailable, "the installation needs more than 3GiB of memory"};
    case cell::Ending::Killed:
      return Error{Code::Cancelled, "the installation was stopped"};
  }
  std::abort();
}

}  // namespace

Error explain(std::string_view what, std::string_view log_tail) {
  std::string said;
  for (const auto& line : split(log_tail, '\n')) {
    const auto text = trim(line);
    // pip ends with advice that explains nothing.
    const bool notice = text.starts_with("[notice]") || text.starts_with("WARNING");
    const bool error = text.starts_with("ERROR:") || text.starts_with("E:");
    if (error && (said.empty() || !notice)) said = printable(text, 300);
  }
  for (const auto& symptom : kSymptoms) {
    if (log_tail.find(symptom.text) != log_tail.npos) {
      return {symptom.code, std::string(what) + " failed: " + std::string(symptom.meaning), said};
    }
  }
  for (const std::string_view unknown :
       {"No matching distribution found for", "Unable to locate package",
        "has no installation candidate", "Invalid requirement"}) {
    const auto at = log_tail.find(unknown);
    if (at == log_tail.npos) continue;
    const auto line = log_tail.rfind('\n', at) + 1;
    return {Code::InvalidArgument,
            std::string(what) + " failed: " +
                printable(trim(log_tail.substr(line, log_tail.find('\n', at) - line)), 300)};
  }
  if (said.empty()) said = last_line(log_tail);
  return {Code::InvalidArgument, std::string(what) + " failed: " + said};
}

cell::Ids builder_ids() {
  if (::geteuid() == 0) return {kBuilder, kBuilder};
  return {::geteuid(), ::getegid()};
}

Result<> give_to_builder(const fs::path& tree) {
  if (::geteuid() != 0) return {};
  COFFER_TRY(const UniqueFd directory, open_directory(tree));
  COFFER_TRY(const auto found, walk(directory.get(), {.entries_max = 4'000'000, .depth_max = 128}));
  for (const auto& file : found) {
    if (::fchownat(directory.get(), file.path.c_str(), kBuilder, kBuilder, AT_SYMLINK_NOFOLLOW) !=
        0) {
      return system_error("give a file to the builder", errno);
    }
  }
  if (::fchown(directory.get(), kBuilder, kBuilder) != 0) {
    return system_error("give a directory to the builder", errno);
  }
  return {};
}

Result<> prepare(const Job& job) {
  for (const auto& directory : {job.work, job.root(), job.work / "stage", job.scratch() / "tmp"}) {
    COFFER_CHECK(make_directories(directory, 0755));
  }
  struct statvfs status {};
  if (::statvfs(job.work.c_str(), &status) != 0)
    return system_error("ask what is free for environments", errno);
  if (std::uint64_t{status.f_bavail} * status.f_frsize < kFreeMin) {
    return Error{Code::Unavailable, "less than 1GiB is free for environments; make room first"};
  }
  COFFER_CHECK(make_directories(job.cache, 0700));
  // Whoever follows the log has opened it already.
  return fs::exists(job.log()) ? Result<>{} : write_text(job.log(), "", 0644);
}

Result<> run_on_host(const Job& job, const HostCommand& command) {
  const UniqueFd log{::open(job.log().c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644)};
  if (!log) return system_error("open the log of the build", errno);
  SpawnOptions options{.program = command.argv.front(), .argv = command.argv};
  options.env = command.env;
  for (const auto& [name, value] : job.variables) options.env->push_back(name + "=" + value);
  options.fds = {{log.get(), 1}, {log.get(), 2}};
  auto process = Process::spawn(options);
  if (!process && process.error().code == Code::NotFound) {
    return Error{Code::FailedPrecondition,
                 command.argv.front() +
                     " is not on this machine, which makes environments on "
                     "Debian only; use --oci"};
  }
  if (!process) return std::move(process).error();
  COFFER_TRY(const ExitStatus status, process->wait(kToolTime));
  if (!status.ok()) return explain(command.argv.front(), tail_of(job.log()));
  return {};
}

Result<> run_in_cell(const Job& job, const CellCommand& command) {
  cell::Spec spec{.argv = command.argv, .root = command.root};
  spec.binds = command.writable;
  spec.binds.push_back(
      {.source = job.scratch(), .target = "/build", .access = cell::BindAccess::ReadWrite});
  spec.env = {{"PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"},
              {"LC_ALL", "C.UTF-8"},
              {"TMPDIR", "/build/tmp"},
              {"HOME", "/build/tmp"}};
  if (command.network_settings) {
    const auto copies = job.work / "host";
    COFFER_CHECK(make_directories(copies, 0755));
    COFFER_TRY(auto settings, host_settings(job.variables, copies));
    spec.env.merge(settings.variables);
    spec.binds.insert(spec.binds.end(), settings.binds.begin(), settings.binds.end());
    spec.files = std::move(settings.files);
  }
  COFFER_CHECK(give_to_builder(job.scratch()));
  for (const auto& bind : command.writable) COFFER_CHECK(give_to_builder(bind.source));
  spec.profile = cell::Profile::Builder;
  spec.inside = cell::Inside::Root;
  spec.output = cell::Output::Keep;
  spec.ids = builder_ids();
  spec.resources = {
      .memory_bytes = std::uint64_t{3} << 30, .cpus = 2, .pids = 512, .time = kToolTime};
  COFFER_TRY(const auto ended, launch(job.work / "stage", spec));
  return judge(job, ended);
}

Result<std::string> ask_in_cell(const Job& job, const CellCommand& command) {
  cell::Spec spec{.argv = command.argv, .root = command.root};
  spec.output = cell::Output::Keep;
  spec.ids = builder_ids();
  spec.resources.time = std::chrono::minutes{1};
  COFFER_TRY(const auto ended, launch(job.work / "stage", spec));
  if (ended.ending != cell::Ending::Finished || ended.exit_code != 0) {
    return Error{Code::InvalidArgument,
                 "the environment's " + command.argv.back() + " does not run"};
  }
  return ended.standard_output;
}

}  // namespace coffer::env
