// What fuzz targets share. A target is one function that takes bytes from outside and must neither
// crash, leak nor break the promise it states with must(). Built with clang's fuzzer by `make
// fuzz`; in every other build tests/fuzz/replay.cpp runs the corpus and seeded mutations of it.
//
// Thread-safety: none. Source: LLVM libFuzzer documentation.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>

#include "base/text.h"
#include "base/unique_fd.h"

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace coffer::fuzz {

inline void must(bool held, const char* promise) {
  if (held) return;
  (void)std::fprintf(stderr, "broken promise: %s\n", promise);
  std::abort();
}

inline std::string_view text_in(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// A file in memory that holds `bytes`, to be read from its start.
inline UniqueFd file_of(std::string_view bytes) {
  UniqueFd file{::memfd_create("fuzz", MFD_CLOEXEC)};
  must(file &&
           ::write(file.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()) &&
           ::lseek(file.get(), 0, SEEK_SET) == 0,
       "a file in memory");
  return file;
}

// The first byte chooses among `count` things, the rest is their input.
struct Chosen {
  std::size_t which;
  std::string_view input;
};
inline Chosen choose(std::string_view bytes, std::size_t count) {
  if (bytes.empty()) return {0, bytes};
  return {static_cast<std::uint8_t>(bytes[0]) % count, bytes.substr(1)};
}

}  // namespace coffer::fuzz
