// Archives from outside: OCI images, layer tars, the sealed form, a program's upload, packs, lists.
#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>

#include "cell/kit/unpack.h"
#include "env/image.h"
#include "env/image_tree.h"
#include "env/tar.h"
#include "fuzz/fuzz.h"
#include "vault/detail/list_format.h"
#include "vault/pack.h"

using namespace coffer;

namespace {

env::Pull pull_from(std::string_view input) {
  return [input](std::span<std::byte> into) mutable -> Result<std::size_t> {
    const std::size_t count = std::min(into.size(), input.size());
    std::memcpy(into.data(), input.data(), count);
    input.remove_prefix(count);
    return count;
  };
}

void sealed_tar(std::string_view input) {
  env::TarReader reader{pull_from(input)};
  std::array<std::byte, 512> block{};
  std::string again;
  for (;;) {
    auto entry = reader.next();
    if (!entry) return;
    if (!*entry) break;
    again += env::header(**entry);
    std::uint64_t got_all = 0;
    for (;;) {
      const auto got = reader.read(block);
      if (!got) return;
      if (*got == 0) break;
      again.append(reinterpret_cast<const char*>(block.data()), *got);
      got_all += *got;
    }
    again.append(env::padding_after(got_all), '\0');
  }
  fuzz::must(again + env::end_of_tar() == input, "a sealed archive has one form");
}

void layers(std::string_view input) {
  env::LayerTar reader{pull_from(input)};
  env::ImageTree tree{1000};
  for (;;) {
    auto entry = reader.next();
    if (!entry || !*entry || !tree.apply(0, **entry)) break;
  }
  for (const auto& directory : tree.directories()) {
    fuzz::must(env::is_entry_path(directory.path), "no name leads out of the tree");
  }
  for (const auto& [content, placed] : tree.files()) {
    for (const auto& name : placed.names) {
      fuzz::must(env::is_entry_path(name), "no name leads out of the tree");
    }
  }
}

void program(std::string_view input) {
  std::array<char, 32> pattern{"/tmp/coffer_fuzz_XXXXXX"};
  const std::filesystem::path parent = ::mkdtemp(pattern.data());
  std::filesystem::create_directory(parent / "in");
  {
    const UniqueFd directory{::open((parent / "in").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    const UniqueFd stream = fuzz::file_of(input);
    (void)cell::kit::unpack(stream.get(), directory.get(),
                            {.bytes_max = 1 << 20, .entries_max = 50})
        .has_value();
  }
  for (const auto& entry : std::filesystem::recursive_directory_iterator(parent)) {
    fuzz::must(!entry.is_symlink() && (entry.is_directory() || entry.is_regular_file()),
               "files and directories only");
  }
  fuzz::must(std::distance(std::filesystem::directory_iterator(parent), {}) == 1,
             "nothing is written beside the directory");
  std::filesystem::remove_all(parent);
}

// What an owner seals under a key that the worker is given: one segment of plaintext.
void sealed_list(vault::ListLayout layout, std::string_view input) {
  const Key key = *key_from(ByteVector(32));
  const auto plain = bytes_of(input.substr(0, vault::kListSegment));
  const auto sealed = aead_seal(key, plain, vault::format::segment_context(layout, true));
  WireWriter list;
  list.raw(bytes_of(vault::format::magic_of(layout)));
  list.u32(static_cast<std::uint32_t>(sealed.size())).raw(sealed).u32(0);
  auto reader = vault::ListReader::open(fuzz::file_of(text_of(list.data())), key);
  if (!reader) return;
  for (auto entry = reader->next(); entry && *entry; entry = reader->next()) {
    fuzz::must(check_path((*entry)->path).has_value(), "no name leads out of the tree");
    std::uint64_t sum = 0;
    for (const auto& chunk : (*entry)->chunks) sum += chunk.plain_bytes;
    fuzz::must(sum == (*entry)->size, "a file is as long as its chunks");
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto [which, input] = fuzz::choose(fuzz::text_in(data, size), 8);
  switch (which) {
    case 0: {
      const UniqueFd archive = fuzz::file_of(input);
      (void)env::flatten_image(archive.get(), {.bytes_max = 1 << 20, .entries_max = 1000},
                               [](ByteView) { return Result<>{}; })
          .has_value();
      break;
    }
    case 1:
      sealed_tar(input);
      break;
    case 2:
      layers(input);
      break;
    case 3:
      program(input);
      break;
    case 4: {
      const UniqueFd file = fuzz::file_of(input);
      vault::PackReader reader{file.get()};
      for (auto record = reader.next(); record && *record; record = reader.next()) {
        fuzz::must((*record)->bytes.size() <= vault::kSealedMax,
                   "a chunk is never above its bound");
      }
      break;
    }
    case 5: {
      const UniqueFd file = fuzz::file_of(input);
      (void)vault::list_chunk_names(file.get()).has_value();
      break;
    }
    case 6:
      sealed_list(vault::ListLayout::First, input);
      break;
    default:
      sealed_list(vault::ListLayout::Second, input);
  }
  return 0;
}
