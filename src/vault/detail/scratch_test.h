// For tests: a directory that goes away, seeded bytes, and a version added and stored in one call.
//
// Thread-safety: none.
// Errors: a test that meets one fails.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <sstream>
#include <string>

#include "vault/add.h"
#include "vault/pack.h"
#include "vault/store.h"

namespace coffer::vault {

class Scratch {
 public:
  Scratch() {
    std::string name = testing::TempDir() + "vault-XXXXXX";
    path_ = ::mkdtemp(name.data());
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path_)) {
      if (entry.is_directory() && !entry.is_symlink()) ::chmod(entry.path().c_str(), 0755);
    }
    std::filesystem::remove_all(path_);
  }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  std::string directory(const std::string& name) const {
    std::filesystem::create_directories(*this / name);
    return *this / name;
  }
  void write(const std::string& name, std::string_view content) const {
    std::filesystem::create_directories(std::filesystem::path(*this / name).parent_path());
    std::ofstream{*this / name, std::ios::binary} << content;
  }
  std::string read(const std::string& name) const {
    std::ostringstream out;
    out << std::ifstream(*this / name, std::ios::binary).rdbuf();
    return out.str();
  }
  UniqueFd file(const std::string& name) const {
    return UniqueFd{::open((*this / name).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)};
  }

 private:
  std::string path_;
};

inline std::string noise(std::size_t length, std::uint32_t seed) {
  std::mt19937 random{seed};
  std::string out(length, '\0');
  for (std::size_t i = 0; i < length; ++i) out[i] = static_cast<char>(random() & 255);
  return out;
}

inline Key key_of(unsigned char byte) { return *key_from(ByteVector(32, std::byte{byte})); }

inline SealedChunk seal_plain(const Key& dataset_key, Key chunk_key, ByteView plain) {
  std::vector<PlainChunk> one;
  one.push_back({chunk_ids(dataset_key, {&plain, 1})[0], std::move(chunk_key), plain});
  return std::move(seal_chunks(std::move(one))[0]);
}

struct NoObserver final : AddObserver {
  Result<> begin(const std::string& /*path*/, std::uint64_t /*size*/) override { return {}; }
  Result<> bytes(ByteView /*bytes*/) override { return {}; }
  Result<> end() override { return {}; }
};

// Keeps chunks in memory by name.
struct MemoryChunks final : ChunkSink, ChunkSource {
  Result<> chunk(SealedChunk chunk) override {
    order.push_back(chunk.ref.copy());
    by_name[chunk.ref.name] = std::move(chunk.bytes);
    return {};
  }
  Result<ByteVector> chunk(const Digest& name) override {
    const auto at = by_name.find(name);
    if (at == by_name.end()) return Error{Code::NotFound, "no chunk " + name.text()};
    return at->second;
  }
  std::map<Digest, ByteVector> by_name;
  std::vector<ChunkRef> order;
};

// One dataset whose versions live in memory and in list files.
struct Versions {
  struct Version {
    Added added;
    UniqueFd list;
  };
  Result<std::size_t> add_version(const AddPlan& plan) {
    UniqueFd list = scratch.file("list" + std::to_string(versions.size()));
    std::optional<ParentVersion> parent;
    if (!versions.empty()) {
      parent.emplace(ParentVersion{versions.back().list.get(), versions.back().added.version_key});
    }
    ChunkIndex known;
    NoObserver observer;
    COFFER_TRY(Added added, add(plan, {.dataset_key = dataset_key,
                                       .parent = parent,
                                       .known = known,
                                       .sink = chunks,
                                       .observer = observer,
                                       .list_fd = list.get()}));
    versions.push_back({std::move(added), std::move(list)});
    return versions.size() - 1;
  }
  Scratch scratch;
  Key dataset_key{key_of(7)};
  MemoryChunks chunks;
  std::vector<Version> versions;
};

}  // namespace coffer::vault
