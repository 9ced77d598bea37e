// FailureReport: the 32 bits that a program which failed may say.
//
// Six bits name a class of exception from a fixed list, or `other`; 26 bits are an index over every
// (file, line) of the program's tree, files in byte order of path, lines from 1, or kNoPlace.
// Invariant: encode() and decode() are inverse over all 2^32 codes; a code that names no line of
// the tree reads as kNoPlace.
// Errors: none; text that cannot be understood is class `other` at no place.
// Thread-safety: plain values, pure functions.
// Source: protocol.md sections 5 and 7. The order of the list is part of the format.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/wire.h"
#include "program/tree.h"

namespace coffer::program {

inline constexpr std::uint8_t kOtherException = 63;
inline constexpr std::uint32_t kNoPlace = (1U << 26) - 1;

extern const std::array<std::string_view, 63> kExceptionClasses;

struct FailureReport {
  std::uint8_t exception{kOtherException};
  std::uint32_t place{kNoPlace};
  std::uint32_t encode() const { return std::uint32_t{exception} << 26 | place; }
  static FailureReport decode(std::uint32_t code);
  friend bool operator==(const FailureReport&, const FailureReport&) = default;
};

// The lines of a program's tree, numbered.
class SourceIndex {
 public:
  struct Place {
    std::string path;
    std::uint64_t line{0};
    friend bool operator==(const Place&, const Place&) = default;
  };

  SourceIndex() = default;
  explicit SourceIndex(const Tree& tree);

  // kNoPlace when the tree has no such line.
  std::uint32_t find(std::string_view path, std::uint64_t line) const;
  std::optional<Place> at(std::uint32_t place) const;

  // For the cell that reads the program's last words; inverse.
  void write(WireWriter& out) const;
  static SourceIndex read(WireReader& in);

 private:
  struct File {
    std::string path;
    std::uint64_t first{0};  // index of its line 1
    std::uint64_t lines{0};
  };
  std::vector<File> files_;  // byte order of path
};

// Reads the last Python traceback of a text: the last `File "/program/PATH", line N` that names a
// line of the tree, and the class named by the line that follows the last frame. A class counts by
// the last part of its dotted name. `untrusted_text`: any bytes.
FailureReport report_of_traceback(std::string_view untrusted_text, const SourceIndex& index);

// "ValueError at train.py:31", "ValueError", "an exception at train.py:31" or "no known exception".
std::string describe(const FailureReport& report, const SourceIndex& index);

}  // namespace coffer::program
