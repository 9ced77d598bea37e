#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <string>

#include "attack.h"

namespace {

const attacks::Attack* find(std::string_view name) {
  for (const auto& group : {attacks::on_sockets(), attacks::on_files(), attacks::on_kernel(),
                            attacks::on_processes(), attacks::on_resources()}) {
    for (const auto& attack : group) {
      if (name == attack.name) return &attack;
    }
  }
  return nullptr;
}

std::string verdict(int result) {
  if (result == attacks::kOpen) return "open";
  if (result == attacks::kNothingFound) return "refused NOTHING";
  return std::string("refused ") + strerrorname_np(result);
}

// In a child, so that one attack's damage, or death, is not another's.
std::string in_child(const attacks::Attack& attack, const char* argument) {
  std::array<int, 2> ends{};
  if (::pipe(ends.data()) != 0) return "broken";
  const pid_t pid = ::fork();
  if (pid == 0) {
    const int result = attack.run(argument);
    [[maybe_unused]] const auto told = ::write(ends[1], &result, sizeof result);
    ::_exit(0);
  }
  if (pid < 0) return "broken";
  (void)::close(ends[1]);
  int result = 0;
  const bool told = ::read(ends[0], &result, sizeof result) == sizeof result;
  (void)::close(ends[0]);
  int status = 0;
  (void)::waitpid(pid, &status, 0);
  if (told) return verdict(result);
  return std::string("killed ") + sigabbrev_np(WTERMSIG(status));
}

}  // namespace

// attacks many NAME[=ARGUMENT]...
int main(int argc, char** argv) {
  if (argc < 2) return 2;
  if (std::strcmp(argv[1], "many") != 0) {
    const auto* attack = find(argv[1]);
    if (attack == nullptr) return 2;
    const int result = attack->run(argc > 2 ? argv[2] : "");
    std::printf("%s\n", verdict(result).c_str());
    return 0;
  }
  for (int i = 2; i < argc; ++i) {
    const std::string_view word = argv[i];
    const auto equals = word.find('=');
    const std::string name{word.substr(0, equals)};
    const std::string argument{equals == word.npos ? "" : word.substr(equals + 1)};
    const auto* attack = find(name);
    std::printf("%s %s\n", name.c_str(),
                attack == nullptr ? "unknown" : in_child(*attack, argument.c_str()).c_str());
    (void)std::fflush(stdout);
  }
  return 0;
}
