#include "env/base.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>

#include "env/assets.h"
#include "os/files.h"
#include "os/process.h"

namespace coffer::env {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kRecipe = "cofferdam-base-v2";  // raise it when a base is made otherwise
constexpr std::array kPackages{
    "python3", "python3-pip-whl", "libgomp1", "libstdc++6", "coreutils", "dash",
    "bash",    "libc-bin",        "sed",      "grep"};
constexpr auto kListsAge = std::chrono::hours{24};
constexpr Duration kPlanTime = std::chrono::minutes{2};
// Read by nobody in a cell; a third of a package.
constexpr std::array kLeftOut{"./usr/share/doc/*",    "./usr/share/man/*",     "./usr/share/info/*",
                              "./usr/share/locale/*", "./usr/share/lintian/*", "./usr/share/bug/*"};

bool contains(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// Of "mawk=1.3.4" or "mawk:amd64=1.3.4".
std::string name_of(const std::string& package) {
  return package.substr(0, package.find_first_of("=:"));
}

fs::path apt_state(const Job& job) { return job.cache / "apt"; }

// A copy of the host's apt settings without its hooks, which act on the host.
Result<> write_apt_settings(const Job& job) {
  const fs::path parts = apt_state(job) / "conf.d";
  COFFER_CHECK(remove_tree(parts));
  COFFER_CHECK(make_directories(parts, 0755));
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator("/etc/apt/apt.conf.d", ignored)) {
    fs::create_symlink(entry.path(), parts / entry.path().filename(), ignored);
  }
  const std::string clear =
      "#clear APT::Update::Pre-Invoke;\n#clear APT::Update::Post-Invoke;\n"
      "#clear APT::Update::Post-Invoke-Success;\n#clear DPkg::Pre-Invoke;\n"
      "#clear DPkg::Post-Invoke;\n#clear DPkg::Pre-Install-Pkgs;\n"
      "Dir::Cache::pkgcache \"pkgcache.bin\";\nDir::Cache::srcpkgcache \"srcpkgcache.bin\";\n"
      "Acquire::Languages \"none\";\nAPT::Install-Recommends \"false\";\n"
      "APT::Install-Suggests \"false\";\n#clear Acquire::IndexTargets::deb::DEP-11;\n"
      "#clear Acquire::IndexTargets::deb::DEP-11-icons-small;\n"
      "#clear Acquire::IndexTargets::deb::DEP-11-icons;\n"
      "#clear Acquire::IndexTargets::deb::DEP-11-icons-large;\n"
      "#clear Acquire::IndexTargets::deb::DEP-11-icons-hidpi;\n"
      "#clear Acquire::IndexTargets::deb::DEP-11-icons-large-hidpi;\n";
  COFFER_CHECK(write_text(parts / "zzz-cofferdam", clear, 0644));
  std::string main = fmt::format("Dir::Etc::parts \"{}\";\n", parts.string());
  if (const auto own = job.variables.find("APT_CONFIG"); own != job.variables.end()) {
    main = fmt::format("#include \"{}\";\n", own->second) + main;
  }
  COFFER_CHECK(write_text(apt_state(job) / "apt.conf", main, 0644));
  COFFER_CHECK(make_directories(apt_state(job) / "lists/partial", 0755));
  COFFER_CHECK(make_directories(apt_state(job) / "archives/partial", 0755));
  return write_text(apt_state(job) / "status", "", 0644);
}

std::vector<std::string> apt_get(const Job& job, std::initializer_list<const char*> words,
                                 const std::vector<std::string>& names = {}) {
  const std::string state = apt_state(job);
  std::vector<std::string> argv{"apt-get", "-q", "-y"};
  for (const auto& option :
       {"Dir::State=" + state, "Dir::State::status=" + state + "/status",
        "Dir::State::Lists=" + state + "/lists", "Dir::Cache=" + state,
        "Dir::Cache::archives=" + state + "/archives", "Dir::Log=" + state,
        std::string("APT::Sandbox::User="), std::string("Acquire::Retries=3")}) {
    argv.insert(argv.end(), {"-o", option});
  }
  argv.insert(argv.end(), words.begin(), words.end());
  argv.insert(argv.end(), names.begin(), names.end());
  return argv;
}

std::vector<std::string> apt_env(const Job& job) {
  return {"APT_CONFIG=" + (apt_state(job) / "apt.conf").string(), "LC_ALL=C.UTF-8",
          "DEBIAN_FRONTEND=noninteractive"};
}

Job with_apt_env(Job job) {
  job.variables.erase("APT_CONFIG");
  job.variables.erase("LC_ALL");
  return job;
}

Result<> update_lists(const Job& job) {
  const fs::path stamp = apt_state(job) / "updated";
  std::error_code error;
  const auto written = fs::last_write_time(stamp, error);
  const bool have = !error;
  if (have && fs::file_time_type::clock::now() - written < kListsAge) return {};
  auto updated = run_on_host(
      with_apt_env(job), {.argv = apt_get(job, {"update", "--error-on=any"}), .env = apt_env(job)});
  // Older lists serve while the network is away: apt verifies what it downloads by them.
  if (!updated && !have) return updated;
  if (!updated) return {};
  return write_text(stamp, "", 0644);
}

// "Inst NAME (VERSION REPOSITORY [ARCHITECTURE]) …" lines of a simulated installation.
std::vector<std::string> planned(const std::string& simulation) {
  std::vector<std::string> packages;
  for (const auto& line : split(simulation, '\n')) {
    if (!line.starts_with("Inst ")) continue;
    const auto words = split(line, ' ');
    if (words.size() < 3 || !words[2].starts_with("(")) continue;
    packages.push_back(words[1] + "=" + words[2].substr(1));
  }
  return packages;
}

Result<std::vector<std::string>> simulate(const Job& job, const std::vector<std::string>& names) {
  SpawnOptions options{.program = "apt-get", .argv = apt_get(job, {"-s", "install"}, names)};
  options.env = apt_env(job);
  const Job clean = with_apt_env(job);
  for (const auto& [name, value] : clean.variables) options.env->push_back(name + "=" + value);
  const fs::path file = job.work / "plan";
  const UniqueFd out{::open(file.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)};
  if (!out) return system_error("keep the plan of the base", errno);
  options.fds = {{out.get(), 1}, {out.get(), 2}};
  auto process = Process::spawn(options);
  if (!process && process.error().code == Code::NotFound) {
    return Error{
        Code::FailedPrecondition,
        "apt-get is not on this machine, which makes environments on Debian only; use --oci"};
  }
  if (!process) return std::move(process).error();
  COFFER_TRY(const ExitStatus status, process->wait(kPlanTime));
  COFFER_TRY(const std::string said, read_text(file, 16 << 20));
  if (!status.ok()) return explain("apt-get", said);
  return planned(said);
}

Result<> unpack_packages(const Job& job, const fs::path& root) {
  for (const char* name : {"usr/bin", "usr/sbin", "usr/lib", "usr/lib64"}) {
    COFFER_CHECK(make_directories(root / name, 0755));
  }
  std::error_code error;
  for (const char* name : {"bin", "sbin", "lib", "lib64"}) {
    fs::create_directory_symlink(std::string("usr/") + name, root / name, error);
  }
  std::string command =
      "for f in \"$1\"/*.deb; do dpkg-deb --fsys-tarfile \"$f\" | tar -x -C \"$2\" "
      "--no-same-owner --no-same-permissions --keep-directory-symlink";
  for (const char* pattern : kLeftOut) command += fmt::format(" --exclude='{}'", pattern);
  command += " || exit 1; done";
  return run_on_host(job,
                     {.argv = {"/bin/sh", "-c", command, "sh", apt_state(job) / "archives", root},
                      .env = {"LC_ALL=C.UTF-8"}});
}

// The scripts of what was added, numbered in the order of installation; the usual packages need
// none of theirs.
Result<> keep_scripts(const Job& job, const BasePlan& plan) {
  const fs::path target = job.scratch() / "scripts";
  COFFER_CHECK(make_directories(target, 0755));
  std::string order;
  for (const auto& package : plan.added) order += name_of(package) + "\n";
  COFFER_CHECK(write_text(job.scratch() / "order", order, 0644));
  const std::string command =
      "cd \"$1\" && n=1000 && while read -r name; do n=$((n+1)); name=${name%%:*}; "
      "for f in \"$2/$name\"_*.deb; do "
      "dpkg-deb -e \"$f\" control && { [ ! -e control/postinst ] || "
      "{ mv control/postinst \"scripts/$n-$name\" && chmod 755 \"scripts/$n-$name\"; }; }; "
      "rm -rf control; done; done < order";
  return run_on_host(
      job, {.argv = {"/bin/sh", "-c", command, "sh", job.scratch(), apt_state(job) / "archives"},
            .env = {"LC_ALL=C.UTF-8"}});
}

Result<> write_account_files(const fs::path& root) {
  COFFER_CHECK(make_directories(root / "etc", 0755));
  for (const char* name : {"dev", "proc", "sys", "run", "tmp", "data", "program", "out", "build",
                           "host", "shown", "var/tmp", "usr/local/bin", "usr/local/lib", "root"}) {
    COFFER_CHECK(make_directories(root / name, 0755));
  }
  const std::array<std::pair<const char*, const char*>, 4> files{
      {{"etc/passwd", "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/tmp:/bin/sh\n"},
       {"etc/group", "root:x:0:\nuser:x:1000:\n"},
       {"etc/hosts", "127.0.0.1 localhost\n"},
       {"etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"}}};
  for (const auto& [name, content] : files) COFFER_CHECK(write_text(root / name, content, 0644));
  return {};
}

Result<> finish_base(const Job& job, const fs::path& root, const BasePlan& plan) {
  COFFER_CHECK(write_text(job.scratch() / "compile.py", compile_script(), 0644));
  COFFER_CHECK(write_text(job.scratch() / "base.sh", base_script(), 0644));
  if (!plan.added.empty()) COFFER_CHECK(keep_scripts(job, plan));
  CellCommand command{
      .root = root, .argv = {"/bin/sh", "/build/base.sh", "/build"}, .writable = {}};
  for (const char* name : {"usr", "etc", "var"}) {
    COFFER_CHECK(make_directories(root / name, 0755));
    command.writable.push_back({.source = root / name,
                                .target = std::string("/") + name,
                                .access = cell::BindAccess::ReadWrite});
  }
  return run_in_cell(job, command);
}

}  // namespace

Result<UniqueFd> lock_cache(const fs::path& cache, Wait wait) {
  COFFER_CHECK(make_directories(cache, 0700));
  UniqueFd lock{::open((cache / "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)};
  if (!lock) return system_error("open the lock of the cache", errno);
  const int how = wait == Wait::Now ? LOCK_EX | LOCK_NB : LOCK_EX;
  while (::flock(lock.get(), how) != 0) {
    if (errno == EWOULDBLOCK) return UniqueFd{};
    if (errno != EINTR) return system_error("lock the cache", errno);
  }
  return lock;
}

Result<BasePlan> plan_base(const Job& job, const std::vector<std::string>& more) {
  COFFER_TRY(const UniqueFd lock, lock_cache(job.cache, Wait::UntilFree));
  COFFER_CHECK(write_apt_settings(job));
  job.report(Stage::Base, 1);
  COFFER_CHECK(update_lists(job));
  std::vector<std::string> usual(kPackages.begin(), kPackages.end());
  // Debian 12 keeps a part of Python's own library apart; later ones have no such package.
  usual.emplace_back("python3-distutils");
  auto plain = simulate(job, usual);
  if (!plain) {
    usual.pop_back();
    plain = simulate(job, usual);
  }
  if (!plain) return std::move(plain).error();
  BasePlan plan{.packages = *plain, .names = std::move(usual), .added = {}, .key = {}};
  if (!more.empty()) {
    plan.names.insert(plan.names.end(), more.begin(), more.end());
    COFFER_TRY(plan.packages, simulate(job, plan.names));
    // Also of a usual package that was asked for by name the scripts are run.
    std::copy_if(plan.packages.begin(), plan.packages.end(), std::back_inserter(plan.added),
                 [&](const std::string& package) {
                   return !contains(*plain, package) || contains(more, name_of(package));
                 });
  }
  if (plan.packages.empty()) return Error{Code::Internal, "apt-get planned nothing"};
  plan.key = sha256(std::string(kRecipe) + "\n" + join(plan.names, " ") + "\n" +
                    join(plan.packages, "\n"));
  return plan;
}

Result<fs::path> provide_base(const Job& job, const BasePlan& plan) {
  const fs::path kept = job.cache / "base" / hex(plan.key.bytes);
  if (fs::is_directory(kept)) return kept;
  COFFER_TRY(const UniqueFd lock, lock_cache(job.cache, Wait::UntilFree));
  if (fs::is_directory(kept)) return kept;  // another server has made it meanwhile
  COFFER_CHECK(make_directories(job.cache / "base", 0755));
  const fs::path archives = apt_state(job) / "archives";
  COFFER_CHECK(remove_tree(archives));
  COFFER_CHECK(make_directories(archives / "partial", 0755));
  job.report(Stage::Base, 3);
  COFFER_CHECK(run_on_host(
      with_apt_env(job),
      {.argv = apt_get(job, {"install", "--download-only"}, plan.names), .env = apt_env(job)}));
  job.report(Stage::Base, 12);
  const fs::path half = job.cache / "base" / ("half-" + hex(plan.key.bytes));
  COFFER_CHECK(remove_tree(half));
  COFFER_CHECK(make_directories(half, 0755));
  COFFER_CHECK(write_account_files(half));
  COFFER_CHECK(unpack_packages(job, half));
  job.report(Stage::Base, 18);
  COFFER_CHECK(finish_base(job, half, plan));
  COFFER_CHECK(remove_tree(archives));
  if (::rename(half.c_str(), kept.c_str()) != 0) return system_error("keep the base", errno);
  return kept;
}

Result<> copy_base(const Job& job, const fs::path& base, const fs::path& target) {
  return run_on_host(
      job, {.argv = {"cp", "-a", "--reflink=auto", "--", base, target}, .env = {"LC_ALL=C.UTF-8"}});
}

}  // namespace coffer::env
