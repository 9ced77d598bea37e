// Runs a fuzz target without a fuzzer: every file of the corpus folders given, and seeded mutations
// of them. COFFER_SEED and COFFER_MUTATIONS change what is tried; a crash is preceded by the
// input's file, the seed and the number of the mutation.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>

#include "fuzz/fuzz.h"

namespace {

using Input = std::vector<std::uint8_t>;

std::uint64_t setting(const char* name, std::uint64_t otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : std::strtoull(value, nullptr, 10);
}

Input mutate(Input input, std::mt19937_64& random) {
  const auto below = [&](std::size_t bound) {
    return bound == 0 ? 0 : static_cast<std::size_t>(random() % bound);
  };
  for (std::size_t i = 0, times = 1 + below(4); i < times; ++i) {
    const std::size_t at = below(input.size());
    const auto place = input.begin() + static_cast<std::ptrdiff_t>(at);
    switch (below(5)) {
      case 0:
        if (!input.empty()) input[at] ^= static_cast<std::uint8_t>(1U << below(8));
        break;
      case 1:
        if (!input.empty()) input[at] = static_cast<std::uint8_t>(random());
        break;
      case 2:
        input.insert(place, static_cast<std::uint8_t>(random()));
        break;
      case 3:
        input.resize(at);
        break;
      default: {
        const auto end = std::min(input.size(), at + 1 + below(32));
        const Input piece(place, input.begin() + static_cast<std::ptrdiff_t>(end));
        const auto to = static_cast<std::ptrdiff_t>(below(input.size()));
        input.insert(input.begin() + to, piece.begin(), piece.end());
        break;
      }
    }
  }
  return input;
}

}  // namespace

int main(int argc, char** argv) {
  const std::uint64_t seed = setting("COFFER_SEED", std::random_device{}());
  const std::uint64_t mutations = setting("COFFER_MUTATIONS", 200);
  std::mt19937_64 random{seed};
  std::size_t files = 0;
  for (int i = 1; i < argc; ++i) {
    std::vector<std::filesystem::path> inputs;
    for (const auto& entry : std::filesystem::directory_iterator(argv[i])) {
      inputs.push_back(entry.path());
    }
    std::sort(inputs.begin(), inputs.end());
    for (const auto& file : inputs) {
      std::ifstream stream{file, std::ios::binary};
      const Input input{std::istreambuf_iterator<char>{stream}, {}};
      for (std::uint64_t n = 0; n <= mutations; ++n) {
        (void)std::fprintf(stderr, "\r%s seed %llu mutation %llu   ", file.filename().c_str(),
                           static_cast<unsigned long long>(seed),
                           static_cast<unsigned long long>(n));
        const Input tried = n == 0 ? input : mutate(input, random);
        (void)LLVMFuzzerTestOneInput(tried.data(), tried.size());
      }
      ++files;
    }
  }
  (void)std::fprintf(stderr, "\n%zu inputs, %llu mutations each\n", files,
                     static_cast<unsigned long long>(mutations));
  return files == 0 ? 1 : 0;
}
