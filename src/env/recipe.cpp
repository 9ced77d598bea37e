#include "env/recipe.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "crypto/file_digest.h"
#include "env/assets.h"
#include "env/base.h"
#include "os/files.h"

namespace coffer::env {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kRecipe = "cofferdam-env-v1";  // raise it when builds change
constexpr std::uint64_t kImageBytesMax = std::uint64_t{32} << 30;
constexpr std::string_view kPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

struct Preset {
  std::string_view name;
  std::string_view requirements;
};
constexpr std::array kPresets{
    Preset{"sklearn", "scikit-learn\npandas\nsafetensors\n"},
    Preset{"xgboost", "xgboost-cpu\nscikit-learn\npandas\nsafetensors\n"},
    // torch itself comes first and alone, see install_torch().
    Preset{"torch-cpu", "torch\nnumpy\nsafetensors\n"},
};

std::string requirements_of(const Spec& spec) {
  if (!spec.requirements.empty()) return spec.requirements + "\n";
  for (const auto& preset : kPresets) {
    if (preset.name == spec.preset) return std::string(preset.requirements);
  }
  return join(spec.pip, "\n") + "\n";
}

Result<> check_archive(const Workshop& workshop, const Digest& wanted) {
  const UniqueFd file{::open(archive_path(workshop, wanted).c_str(), O_RDONLY | O_CLOEXEC)};
  if (!file)
    return Error{Code::NotFound, "the OCI archive was not sent; add the environment again"};
  const auto digest = sha256_of_file(file.get());
  if (!digest) return system_error("read the OCI archive", errno);
  if (*digest == wanted) return {};
  return Error{Code::Corrupt, "the OCI archive arrived damaged; add the environment again"};
}

class Making {
 public:
  Making(const Workshop& workshop, const Spec& spec, const fs::path& work, const Report& report)
      : workshop_(workshop),
        spec_(spec),
        job_{.work = work,
             .cache = workshop.cache,
             .variables = workshop.variables,
             .report = report} {}

  Result<Made> run() {
    COFFER_CHECK(prepare(job_));
    key_ = spec_.json().canonical();
    if (!spec_.oci) {
      COFFER_TRY(plan_, plan_base(job_, spec_.apt));
      key_ += "\n" + plan_.key.text();
    }
    key_ = hex(sha256(std::string(kRecipe) + "\n" + key_).bytes);
    if (auto kept = from_cache()) return kept;
    COFFER_CHECK(spec_.oci ? make_from_image() : make_from_packages());
    COFFER_CHECK(empty_scratch_directories());
    COFFER_CHECK(normalise_modes(job_.root()));
    job_.report(Stage::Seal, 85);
    return seal();
  }

 private:
  fs::path kept_archive(const std::string& digest_hex) const {
    return workshop_.cache / "sealed" / (digest_hex + ".tar.zst");
  }
  fs::path kept_description() const { return workshop_.cache / "sealed" / (key_ + ".json"); }

  // The environment that this spec gave before, verified while it is unpacked. Anything that does
  // not fit is as good as nothing kept.
  Result<Made> from_cache() {
    COFFER_TRY(const std::string text, read_text(kept_description(), 4 << 20));
    COFFER_TRY(const Json json, Json::parse(text));
    COFFER_TRY(const Digest digest, Digest::parse(json.text_or("digest", "")));
    const fs::path archive = kept_archive(hex(digest.bytes));
    const auto bytes = static_cast<std::uint64_t>(json.int_or("bytes", 0));
    if (!fs::is_directory(place(digest))) {
      job_.report(Stage::Seal, 30);
      COFFER_CHECK(remove_tree(job_.root()));
      const auto unpacked = unpack(archive, job_.root(), digest);
      if (!unpacked) {
        COFFER_CHECK(make_directories(job_.root(), 0755));
        return unpacked.error();
      }
      COFFER_CHECK(link_or_copy(archive, job_.work / "env.tar.zst"));
      COFFER_CHECK(write_text(job_.work / "env.json", text, 0644));
    }
    return install({digest, bytes, text});
  }

  Result<> make_from_image() {
    COFFER_CHECK(check_archive(workshop_, *spec_.oci));
    job_.report(Stage::Image, 5);
    COFFER_TRY(frame_.variables,
               grow_image(archive_path(workshop_, *spec_.oci), job_.root(), kImageBytesMax));
    if (!frame_.variables.contains("PATH")) frame_.variables["PATH"] = kPath;
    for (const char* name : {"dev", "proc", "sys", "run", "tmp", "etc"}) {
      COFFER_CHECK(make_directories_inside(name));
    }
    return {};
  }

  // An image may bring a link of that name, which is its own affair.
  Result<> make_directories_inside(const char* name) {
    COFFER_TRY(const UniqueFd root, open_directory(job_.root()));
    if (::mkdirat(root.get(), name, 0755) != 0 && errno != EEXIST) {
      return system_error("make a directory of the environment", errno);
    }
    return {};
  }

  Result<> make_from_packages() {
    COFFER_TRY(const fs::path base, provide_base(job_, plan_));
    COFFER_CHECK(remove_tree(job_.root()));
    COFFER_CHECK(copy_base(job_, base, job_.root()));
    frame_.variables["PATH"] = kPath;
    COFFER_CHECK(write_text(job_.scratch() / "compile.py", compile_script(), 0644));
    COFFER_CHECK(write_text(job_.scratch() / "pip.sh", pip_script(), 0644));
    if (spec_.preset == "torch-cpu") COFFER_CHECK(install_torch());
    job_.report(Stage::Packages, 35);
    return pip(requirements_of(spec_), {"compile"});
  }

  Result<> pip(const std::string& requirements, const std::vector<std::string>& words) {
    COFFER_CHECK(write_text(job_.scratch() / "requirements.txt", requirements, 0644));
    CellCommand command{.root = job_.root(),
                        .argv = {"/bin/sh", "/build/pip.sh", "/build"},
                        .writable = {{.source = job_.root() / "usr/local",
                                      .target = "/usr/local",
                                      .access = cell::BindAccess::ReadWrite}},
                        .network_settings = true};
    command.argv.insert(command.argv.end(), words.begin(), words.end());
    return run_in_cell(job_, command);
  }

  // The wheel alone, then stand-ins for the GPU libraries it names, made in a cell that has an
  // assembler; after that pip finds torch in place and fetches what else it needs.
  Result<> install_torch() {
    job_.report(Stage::Packages, 20);
    COFFER_CHECK(pip("torch\n", {"later", "--no-deps"}));
    COFFER_TRY(const BasePlan tools_plan, plan_base(job_, {"binutils"}));
    COFFER_TRY(const fs::path tools, provide_base(job_, tools_plan));
    COFFER_CHECK(write_text(job_.scratch() / "stand_ins.py", stand_in_script(), 0644));
    const std::string command =
        "exec >>/build/log 2>&1; set -e; "
        "for s in /target/lib/python3*/dist-packages; do python3 -I -S /build/stand_ins.py $s; "
        "done";
    return run_in_cell(job_, {.root = tools,
                              .argv = {"/bin/sh", "-c", command},
                              .writable = {{.source = job_.root() / "usr/local",
                                            .target = "/target",
                                            .access = cell::BindAccess::ReadWrite}}});
  }

  // What a cell replaces by its own, or what only a running system needs.
  Result<> empty_scratch_directories() {
    COFFER_TRY(const UniqueFd root, open_directory(job_.root()));
    for (const std::string name : {"dev", "proc", "sys", "run", "tmp", "var/tmp", "var/cache"}) {
      if (!open_beneath(root.get(), name, O_PATH | O_DIRECTORY)) continue;
      COFFER_CHECK(remove_tree(job_.root() / name));
      COFFER_CHECK(make_directories(job_.root() / name, 0755));
    }
    return {};
  }

  std::vector<std::string> python_packages() const {
    std::vector<std::string> names;
    std::error_code ignored;
    for (const auto& python : fs::directory_iterator(job_.root() / "usr/local/lib", ignored)) {
      for (const auto& entry : fs::directory_iterator(python.path() / "dist-packages", ignored)) {
        if (entry.path().extension() == ".dist-info") names.push_back(entry.path().stem());
      }
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  Result<Made> seal() {
    COFFER_TRY(Json interpreter, interpreter_record(job_));
    job_.report(Stage::Seal, 88);
    COFFER_TRY(const Sealed sealed, write_archive(job_.root(), frame_, job_.work / "env.tar.zst"));
    struct stat status {};
    (void)::stat((job_.work / "env.tar.zst").c_str(), &status);
    Json json = Json::object({{"v", 1},
                              {"digest", sealed.digest.text()},
                              {"profile", frame_.profile},
                              {"variables", frame_.json()["variables"]},
                              {"bytes", sealed.bytes},
                              {"files", sealed.files},
                              {"archive_bytes", std::int64_t{status.st_size}},
                              {"interpreter", std::move(interpreter)},
                              {"spec", spec_.json()},
                              {"apt", plan_.packages},
                              {"python", python_packages()}});
    const std::string text = json.canonical() + "\n";
    COFFER_CHECK(write_text(job_.work / "env.json", text, 0644));
    // A cache that cannot be written costs the next build its time, no more.
    (void)keep(sealed.digest, text);
    job_.report(Stage::Seal, 98);
    return install({sealed.digest, sealed.bytes, text});
  }

  Result<> keep(const Digest& digest, const std::string& text) {
    COFFER_CHECK(make_directories(workshop_.cache / "sealed", 0755));
    const fs::path archive = kept_archive(hex(digest.bytes));
    std::error_code ignored;
    fs::remove(archive, ignored);
    COFFER_CHECK(link_or_copy(job_.work / "env.tar.zst", archive));
    return write_text(kept_description(), text, 0644);
  }

  static Result<> link_or_copy(const fs::path& from, const fs::path& to) {
    if (::link(from.c_str(), to.c_str()) == 0) return {};
    std::error_code error;
    fs::copy_file(from, to, fs::copy_options::overwrite_existing, error);
    if (error) return system_error("copy the archive", error.value());
    return {};
  }

  fs::path place(const Digest& digest) const { return workshop_.environments / hex(digest.bytes); }

  Result<Made> install(Made made) {
    const fs::path target = place(made.digest);
    if (!fs::is_directory(target)) {
      for (const char* name : {"scratch", "stage", "host", "plan"}) {
        COFFER_CHECK(remove_tree(job_.work / name));
      }
      if (::rename(job_.work.c_str(), target.c_str()) != 0) {
        return system_error("make the directory of the environment", errno);
      }
      COFFER_CHECK(sync_directory(workshop_.environments));
      return made;
    }
    COFFER_CHECK(remove_tree(job_.work));
    return made;
  }

  const Workshop& workshop_;
  const Spec& spec_;
  Job job_;
  BasePlan plan_;
  Frame frame_;
  std::string key_;
};

// A path of the environment, its links followed as a process would for whom it is "/".
bool exists_inside(int root, const std::string& path) {
  struct open_how how {};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  const UniqueFd found{
      static_cast<int>(::syscall(SYS_openat2, root, path.c_str(), &how, sizeof how))};
  return static_cast<bool>(found);
}

}  // namespace

fs::path archive_path(const Workshop& workshop, const Digest& archive) {
  return workshop.environments / ".incoming" / (hex(archive.bytes) + ".tar");
}

Result<Json> interpreter_record(const Job& job) {
  COFFER_TRY(const UniqueFd root, open_directory(job.root()));
  std::string loader, python;
  for (const char* path : {"/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1",
                           "/lib/ld-musl-x86_64.so.1", "/lib/ld-musl-aarch64.so.1"}) {
    if (loader.empty() && exists_inside(root.get(), path)) loader = path;
  }
  for (const char* path :
       {"/usr/local/bin/python3", "/usr/bin/python3", "/opt/conda/bin/python3"}) {
    if (python.empty() && exists_inside(root.get(), path)) python = path;
  }
  if (loader.empty() || python.empty()) return Json{};
  COFFER_TRY(
      const std::string said,
      ask_in_cell(job, {.root = job.root(), .argv = {loader, "--list", python}, .writable = {}}));
  Json libraries{Json::Array{}};
  for (const auto& line : split(said, '\n')) {
    // "	libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x7f…)": the address is of this one
    // process
    const auto text = trim(std::string_view{line}.substr(0, line.rfind(" (0x")));
    if (text.empty()) continue;
    if (text.find("not found") != text.npos) {
      return Error{Code::InvalidArgument, "the interpreter lacks a library: " + printable(text)};
    }
    libraries.push(printable(text, 500));
  }
  return Json::object({{"path", python}, {"libraries", std::move(libraries)}});
}

Result<Made> make_environment(const Workshop& workshop, const Spec& spec, const fs::path& work,
                              const Report& report) {
  return Making{workshop, spec, work, report}.run();
}

}  // namespace coffer::env
