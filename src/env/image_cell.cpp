#include <fcntl.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <set>

#include "base/io.h"
#include "base/json.h"
#include "env/grow.h"
#include "env/image.h"
#include "env/recipe.h"
#include "os/confine.h"
#include "os/files.h"
#include "os/process.h"

namespace coffer::env {
namespace {

#ifdef __SANITIZE_ADDRESS__
constexpr rlim_t kMemoryMax = RLIM_INFINITY;  // the sanitizer maps all there is
#else
constexpr rlim_t kMemoryMax = rlim_t{2} << 30;
#endif
constexpr rlim_t kProcessorSeconds = 1800;
constexpr std::size_t kLineMax = 1 << 20;
constexpr int kWhyFd = 2;

std::string image_architecture() {
  struct utsname name {};
  (void)::uname(&name);
  std::string machine{static_cast<const char*>(name.machine)};
  if (machine == "x86_64") return "amd64";
  if (machine == "aarch64") return "arm64";
  return machine;
}

bool limit(__rlimit_resource resource, rlim_t value) {
  const rlimit both{value, value};
  return ::setrlimit(resource, &both) == 0;
}

// Gives up everything but three descriptors: the archive, the pipe for the answer, the pipe for
// the reason. From here on the process reads hostile bytes.
int parse_confined(int archive, int answer, int why, std::uint64_t bytes_max) {
  if (::dup2(archive, 0) < 0 || ::dup2(answer, 1) < 0 || ::dup2(why, kWhyFd) < 0) return 1;
  const bool limited = limit(RLIMIT_CORE, 0) && limit(RLIMIT_FSIZE, 0) &&
                       limit(RLIMIT_CPU, kProcessorSeconds) && limit(RLIMIT_NOFILE, 16) &&
                       limit(RLIMIT_DATA, kMemoryMax);
  const auto confined = confine({.identity = std::nullopt,
                                 .paths = std::vector<PathRule>{},
                                 .sockets = Sockets::None,
                                 .role = Role::NoCells,
                                 .execution = Execution::Forbidden,
                                 .capabilities = Capabilities::DropAll,
                                 .keep_fds = std::vector<int>{0, 1, kWhyFd}});
  if (!limited || !confined) {
    constexpr std::string_view kWord = "image: the process that reads it could not be confined\n";
    [[maybe_unused]] const auto told = ::write(kWhyFd, kWord.data(), kWord.size());
    return 1;
  }
  std::string bytes = std::to_string(bytes_max);
  std::string architecture = image_architecture();
  std::string name = "image";
  std::array<char*, 3> argv{name.data(), bytes.data(), architecture.data()};
  return image_main(3, argv.data());
}

struct Pipe {
  UniqueFd read, write;
};
Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return system_error("make a pipe", errno);
  return Pipe{UniqueFd{ends[0]}, UniqueFd{ends[1]}};
}

Result<std::size_t> pull_from(int fd, std::span<std::byte> into) {
  const auto got = read_fully(fd, into);
  if (!got) return system_error("read the answer of the image's reader", errno);
  return *got;
}

// Names that the cell sets itself, or that would not be names of variables.
bool is_welcome(const std::string& name) {
  static const std::set<std::string> kTaken{"HOME", "LANG", "TZ", "OMP_NUM_THREADS"};
  if (name.starts_with("COFFER_") || kTaken.contains(name) || name.size() > 200) return false;
  return name.find_first_not_of(
             "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") == name.npos &&
         (name[0] < '0' || name[0] > '9');
}

Result<Variables> read_variables(int fd) {
  std::string line;
  std::array<std::byte, 1> byte{};
  for (;;) {
    COFFER_TRY(const std::size_t got, pull_from(fd, byte));
    if (got == 0 || line.size() > kLineMax) return Error{Code::Corrupt, "image: no variables"};
    if (byte[0] == std::byte{'\n'}) break;
    line.push_back(static_cast<char>(byte[0]));
  }
  COFFER_TRY(const Json json, Json::parse(line));
  Variables variables;
  const auto* members = json["variables"].as_object();
  if (members == nullptr) return Error{Code::Corrupt, "image: no variables"};
  for (const auto& [name, value] : *members) {
    if (value.is_string() && is_welcome(name)) variables.emplace(name, *value.as_string());
  }
  return variables;
}

Result<Variables> receive(int fd, const std::filesystem::path& root, std::uint64_t bytes_max) {
  COFFER_TRY(Variables variables, read_variables(fd));
  TarReader reader{[fd](std::span<std::byte> into) { return pull_from(fd, into); }};
  COFFER_TRY(const Sealed grown,
             grow(reader, root, {.limits = {.bytes_max = bytes_max}, .order = Order::Free}));
  (void)grown;
  return variables;
}

}  // namespace

Result<Variables> grow_image(const std::filesystem::path& archive,
                             const std::filesystem::path& root, std::uint64_t bytes_max) {
  const UniqueFd file{::open(archive.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
  if (!file)
    return Error{Code::NotFound, "the OCI archive was not sent; add the environment again"};
  COFFER_TRY(Pipe answer, make_pipe());
  COFFER_TRY(Pipe why, make_pipe());
  COFFER_TRY(Process reader, Process::fork([&] {
               return parse_confined(file.get(), answer.write.get(), why.write.get(), bytes_max);
             }));
  answer.write.reset();
  why.write.reset();
  auto variables = receive(answer.read.get(), root, bytes_max);
  // Without a reader it ends by itself, so that its reason can be read to the end.
  answer.read.reset();
  const auto said = read_all(why.read.get(), 4096);
  COFFER_TRY(const ExitStatus status, reader.wait(10s));
  if (status.ok()) return variables;
  const auto reason = said ? printable(trim(text_of(*said)), 300) : std::string{};
  return Error{Code::InvalidArgument,
               reason.empty() ? "image: its reader was stopped at a limit" : reason};
}

}  // namespace coffer::env
