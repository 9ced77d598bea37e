// What the tests of this part share: declarations from TOML, directories, safetensors files.
//
// Errors: a helper that fails ends the test program. Thread-safety: none.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "base/unique_fd.h"
#include "gate/judge.h"
#include "program/manifest.h"

namespace coffer::gate {

inline std::vector<program::Output> outputs_of(const std::string& toml) {
  auto manifest = program::parse_manifest(
      "[program]\nname = \"t\"\nentry = [\"x\"]\nenvironment = \"py\"\n" + toml);
  EXPECT_TRUE(manifest) << manifest.error().message;
  return manifest->outputs;
}

inline std::string output_toml(std::string_view name, std::string_view kind,
                               std::string_view body) {
  return "[[outputs]]\nname = \"" + std::string(name) + "\"\nkind = \"" + std::string(kind) +
         "\"\nlane = \"bounded\"\n" + std::string(body) + "\n";
}
inline program::Output metrics_of(const std::string& fields) {
  return outputs_of(output_toml("metrics", "metrics", "[outputs.fields]\n" + fields))[0];
}
inline program::Output tensors_of(const std::string& tensors, const std::string& above = "") {
  return outputs_of(
      output_toml("weights", "tensors", above + "\n[outputs.tensors]\n" + tensors))[0];
}
inline program::Output table_of(const std::string& body) {
  return outputs_of(output_toml("t", "table", body))[0];
}

// A directory that lives as long as this.
class TempDirectory {
 public:
  TempDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "gate_XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
    fd_ = UniqueFd{::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  }
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;
  ~TempDirectory() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }
  int fd() const { return fd_.get(); }
  void write(const std::string& name, std::string_view bytes) const {
    std::filesystem::create_directories(std::filesystem::path(path_ + "/" + name).parent_path());
    std::ofstream(path_ + "/" + name, std::ios::binary)
        .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }

 private:
  std::string path_;
  UniqueFd fd_;
};

inline std::string little_endian(std::uint64_t value, unsigned bytes) {
  std::string out;
  for (unsigned i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i) & 0xff);
  return out;
}
// A safetensors file of this header and data.
inline std::string safetensors(const std::string& header, const std::string& data) {
  return little_endian(header.size(), 8) + header + data;
}
template <class T>
std::string raw(const std::vector<T>& values) {
  std::string out(values.size() * sizeof(T), '\0');
  if (!values.empty()) std::memcpy(out.data(), values.data(), out.size());
  return out;
}
// One tensor `w`.
inline std::string one_tensor(const std::string& dtype, const std::string& shape,
                              const std::string& data) {
  return safetensors(R"({"w":{"dtype":")" + dtype + R"(","shape":)" + shape +
                         R"(,"data_offsets":[0,)" + std::to_string(data.size()) + "]}}",
                     data);
}

// Judges this one file of this one output.
inline Finding judge_text(const program::Output& output, std::string_view bytes) {
  const TempDirectory out;
  out.write(output.file(), bytes);
  auto findings = judge_all(out.fd(), {output});
  EXPECT_TRUE(findings) << findings.error().message;
  return findings->at(0);
}

inline std::string outcome(const Finding& finding) {
  return finding.refusal ? std::string(program::text_of_refusal(*finding.refusal)) : "ok";
}

}  // namespace coffer::gate
