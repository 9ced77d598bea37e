// The names that manifests, requests and commands share.
//
// parse() and text() are inverse. Errors: InvalidArgument, saying what was wanted.
// Thread-safety: pure functions, plain values. Source: outside.md sections 1 and 2.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "crypto/crypto.h"

namespace coffer::program {

inline constexpr std::size_t kNameMax = 63;

// [a-z0-9][a-z0-9._-]{0,62}: organisations, datasets, environments, programs, outputs.
bool is_name(std::string_view text);
// The same and capitals, and a leading underscore: aliases of inputs, names of parameters.
bool is_alias(std::string_view text);

// "org/name" or "org/name@v3".
struct DatasetName {
  std::string org;
  std::string name;
  std::optional<std::uint32_t> version{};  // from 1
  static Result<DatasetName> parse(std::string_view text);
  std::string text() const;
  std::string plain() const { return org + "/" + name; }  // without the version
  friend bool operator==(const DatasetName&, const DatasetName&) = default;
};

// "name" or "name@sha256:…".
struct EnvironmentName {
  std::string name;
  std::optional<Digest> digest{};
  static Result<EnvironmentName> parse(std::string_view text);
  std::string text() const;
  friend bool operator==(const EnvironmentName&, const EnvironmentName&) = default;
};

}  // namespace coffer::program
