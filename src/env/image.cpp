#include "env/image.h"

#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <optional>
#include <vector>

#include "base/io.h"
#include "base/json.h"
#include "env/blob.h"
#include "env/image_tree.h"
#include "env/tar.h"

namespace coffer::env {
namespace {

constexpr int kIndexDepthMax = 3;
constexpr std::size_t kVariablesMax = 256;

Error invalid(std::string_view what) {
  return {Code::InvalidArgument, "image: " + std::string(what)};
}

Result<Digest> digest_of(const Json& descriptor) {
  auto digest = Digest::parse(descriptor.text_or("digest", ""));
  if (!digest) return invalid("a descriptor without a sha256 digest");
  return digest;
}

bool is_index(const Json& descriptor) {
  const auto type = descriptor.text_or("mediaType", "");
  return type.find("image.index") != type.npos || type.find("manifest.list") != type.npos;
}

bool fits(const Json& descriptor, const std::string& architecture) {
  const Json& platform = descriptor["platform"];
  if (!platform.is_object()) return true;
  return platform.text_or("os", "") == "linux" &&
         platform.text_or("architecture", "") == architecture;
}

// The image manifest for this machine: down through indexes, the first that fits.
Result<Json> manifest_of(const BlobStore& blobs, const ImageLimits& limits) {
  COFFER_TRY(const std::string text, blobs.text("index.json"));
  COFFER_TRY(Json index, Json::parse(text));
  for (int depth = 0; depth < kIndexDepthMax; ++depth) {
    const auto* manifests = index["manifests"].as_array();
    if (manifests == nullptr || manifests->empty()) return invalid("its index names no image");
    const Json* chosen = nullptr;
    for (const auto& descriptor : *manifests) {
      if (chosen == nullptr && fits(descriptor, limits.architecture)) chosen = &descriptor;
    }
    if (chosen == nullptr) return invalid("holds none for linux/" + limits.architecture);
    const bool deeper = is_index(*chosen);
    COFFER_TRY(const Digest digest, digest_of(*chosen));
    COFFER_TRY(Json next, blobs.json(digest));
    if (!deeper) return next;
    index = std::move(next);
  }
  return invalid("its indexes are nested too deeply");
}

Result<std::vector<Digest>> layers_of(const Json& manifest, const ImageLimits& limits) {
  const auto* layers = manifest["layers"].as_array();
  if (layers == nullptr) return invalid("its manifest names no layers");
  if (layers->size() > limits.layers_max) return invalid("too many layers");
  std::vector<Digest> digests;
  for (const auto& layer : *layers) {
    COFFER_TRY(const Digest digest, digest_of(layer));
    digests.push_back(digest);
  }
  return digests;
}

// {"variables":{...}} of the image's configuration.
Result<std::string> variables_line(const BlobStore& blobs, const Json& manifest) {
  COFFER_TRY(const Digest digest, digest_of(manifest["config"]));
  COFFER_TRY(const Json config, blobs.json(digest));
  Json variables{Json::Object{}};
  if (const auto* list = config["config"]["Env"].as_array()) {
    if (list->size() > kVariablesMax) return invalid("too many variables");
    for (const auto& item : *list) {
      const auto* text = item.as_string();
      const auto equals = text == nullptr ? std::string::npos : text->find('=');
      if (equals == std::string::npos || equals == 0) return invalid("a variable is malformed");
      variables.set(text->substr(0, equals), text->substr(equals + 1));
    }
  }
  return Json::object({{"variables", std::move(variables)}}).canonical() + "\n";
}

class Flattening {
 public:
  Flattening(const BlobStore& blobs, const std::vector<Digest>& layers, const ImageLimits& limits,
             const Push& push)
      : blobs_(blobs), layers_(layers), limits_(limits), push_(push), tree_(limits.entries_max) {}

  Result<> run() {
    COFFER_CHECK(read_layers());
    for (const auto& entry : tree_.directories()) COFFER_CHECK(push_(bytes_of(header(entry))));
    COFFER_CHECK(write_files());
    for (const auto& entry : tree_.links()) COFFER_CHECK(push_(bytes_of(header(entry))));
    return push_(bytes_of(end_of_tar()));
  }

 private:
  Result<> read_layers() {
    Allowance allowance{limits_.bytes_max};
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      COFFER_TRY(LayerStream stream, LayerStream::open(blobs_, layers_[i], allowance));
      LayerTar tar{[&](std::span<std::byte> into) { return stream.pull(into); }};
      for (;;) {
        COFFER_TRY(const auto entry, tar.next());
        if (!entry) break;
        COFFER_CHECK(tree_.apply(i, *entry));
      }
      COFFER_CHECK(stream.finish());
    }
    return {};
  }

  // Reads the layers a second time and passes on the contents that are still there at the end.
  Result<> write_files() {
    const auto files = tree_.files();
    Allowance allowance{limits_.bytes_max};
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      COFFER_TRY(LayerStream stream, LayerStream::open(blobs_, layers_[i], allowance));
      LayerTar tar{[&](std::span<std::byte> into) { return stream.pull(into); }};
      for (;;) {
        COFFER_TRY(const auto entry, tar.next());
        if (!entry) break;
        const auto found = files.find({i, entry->content_at});
        if (found == files.end() || entry->kind != EntryKind::File) continue;
        COFFER_CHECK(write_file(tar, *entry, found->second));
      }
    }
    return {};
  }

  Result<> write_file(LayerTar& tar, const LayerEntry& entry, const ImageTree::Placed& file) {
    const std::string& name = file.names.front();
    COFFER_CHECK(push_(bytes_of(
        header({.kind = EntryKind::File, .path = name, .mode = file.mode, .size = entry.size}))));
    ByteVector buffer(256 << 10);
    for (;;) {
      COFFER_TRY(const std::size_t got, tar.read(buffer));
      if (got == 0) break;
      COFFER_CHECK(push_(ByteView{buffer}.first(got)));
    }
    COFFER_CHECK(push_(bytes_of(std::string(padding_after(entry.size), '\0'))));
    for (std::size_t i = 1; i < file.names.size(); ++i) {
      COFFER_CHECK(push_(bytes_of(header({.kind = EntryKind::HardLink,
                                          .path = file.names[i],
                                          .mode = file.mode,
                                          .target = name}))));
    }
    return {};
  }

  const BlobStore& blobs_;
  const std::vector<Digest>& layers_;
  const ImageLimits& limits_;
  const Push& push_;
  ImageTree tree_;
};

Result<> answer(ByteView part) {
  if (write_fully(STDOUT_FILENO, part)) return {};
  return Error{Code::Unavailable, "image: its answer is not read"};
}

}  // namespace

Result<> flatten_image(int archive, const ImageLimits& limits, const Push& push) {
  COFFER_TRY(const BlobStore blobs, BlobStore::open(archive, limits.entries_max));
  if (!blobs.has("index.json") && blobs.has("manifest.json")) {
    return invalid(
        "an archive of Docker's old kind; copy it with "
        "`skopeo copy docker-archive:FILE oci-archive:FILE`");
  }
  COFFER_TRY(const Json manifest, manifest_of(blobs, limits));
  COFFER_TRY(const auto layers, layers_of(manifest, limits));
  COFFER_TRY(const std::string variables, variables_line(blobs, manifest));
  COFFER_CHECK(push(bytes_of(variables)));
  return Flattening{blobs, layers, limits, push}.run();
}

int image_main(int argc, char** argv) {
  ImageLimits limits;
  if (argc != 3) return 1;
  const std::string_view bytes{argv[1]};
  const auto [end, error] =
      std::from_chars(bytes.data(), bytes.data() + bytes.size(), limits.bytes_max);
  if (error != std::errc{} || end != bytes.data() + bytes.size()) return 1;
  limits.architecture = argv[2];
  const auto done = flatten_image(STDIN_FILENO, limits, answer);
  if (done) return 0;
  (void)std::fprintf(stderr, "%s\n", done.error().message.c_str());
  return 1;
}

}  // namespace coffer::env
