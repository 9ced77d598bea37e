#include "env/image.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "base/json.h"
#include "env/grow.h"
#include "env/image_test_kit.h"
#include "env/image_tree.h"
#include "os/files.h"

namespace coffer::env {
namespace {

namespace fs = std::filesystem;

std::string gzip(const std::string& plain) {
  z_stream stream{};
  EXPECT_EQ(::deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(::deflateBound(&stream, plain.size()) + 64, '\0');
  std::string in = plain;
  stream.next_in = reinterpret_cast<Bytef*>(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(::deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  (void)::deflateEnd(&stream);
  return out;
}

std::string zstd(const std::string& plain) {
  std::string out(ZSTD_compressBound(plain.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), plain.data(), plain.size(), 3));
  return out;
}

Result<std::string> flatten(const std::string& archive, const ImageLimits& limits = {}) {
  const UniqueFd file{::memfd_create("archive", MFD_CLOEXEC)};
  COFFER_CHECK(write_all(file.get(), bytes_of(archive)));
  std::string out;
  COFFER_CHECK(flatten_image(file.get(), limits, [&](ByteView part) {
    out += text_of(part);
    return Result<>{};
  }));
  return out;
}

// The flattened image as "path kind content" lines, grown on disk and read back.
std::map<std::string, std::string> files_of(const std::vector<std::string>& layers) {
  const auto flat = flatten(archive_of({layers}));
  EXPECT_TRUE(flat) << (flat ? "" : flat.error().message);
  if (!flat) return {};
  std::string tar = flat->substr(flat->find('\n') + 1);
  std::size_t at = 0;
  TarReader reader{[&](std::span<std::byte> into) -> Result<std::size_t> {
    const std::size_t part = std::min(into.size(), tar.size() - at);
    std::copy_n(bytes_of(tar).begin() + static_cast<std::ptrdiff_t>(at), part, into.begin());
    at += part;
    return part;
  }};
  const auto directory = TemporaryDirectory::make();
  const fs::path root = directory->path() / "root";
  fs::create_directory(root);
  const auto grown = grow(reader, root, {.limits = {}, .order = Order::Free});
  EXPECT_TRUE(grown) << (grown ? "" : grown.error().message);
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    const std::string path = entry.path().lexically_relative(root);
    if (entry.is_symlink()) {
      files[path] = "-> " + fs::read_symlink(entry.path()).string();
    } else if (entry.is_directory()) {
      files[path] = "/";
    } else {
      files[path] = *read_text(entry.path(), 1 << 20);
    }
  }
  return files;
}

std::string refusal(const std::vector<Item>& items) {
  const auto flat = flatten(archive_of({{raw_tar(items)}}));
  return flat ? "accepted" : flat.error().message;
}

using Files = std::map<std::string, std::string>;

TEST(Image, LayersOfEveryPackingAddUp) {
  const std::string lower = raw_tar({{"bin/", '5'}, {"bin/a", '0', "one"}, {"bin/b", '0', "two"}});
  const std::string middle = gzip(raw_tar({{"bin/a", '0', "three"}, {"etc/", '5'}}));
  const std::string upper = zstd(raw_tar({{"etc/c", '0', "four"}, {"link", '2', "", "/bin/a"}}));
  EXPECT_EQ(files_of({lower, middle, upper}), (Files{{"bin", "/"},
                                                     {"bin/a", "three"},
                                                     {"bin/b", "two"},
                                                     {"etc", "/"},
                                                     {"etc/c", "four"},
                                                     {"link", "-> /bin/a"}}));
}

TEST(Image, TellsTheVariablesOfItsConfiguration) {
  const auto flat = flatten(archive_of({{raw_tar({})}}));
  ASSERT_TRUE(flat);
  EXPECT_EQ(flat->substr(0, flat->find('\n')), R"({"variables":{"LANG":"C.UTF-8","PATH":"/bin"}})");
  EXPECT_FALSE(flatten(archive_of({{raw_tar({})}, R"(["no equals sign"])"})));
}

TEST(Image, WhiteoutsHideWhatIsBelowAndNothingBesides) {
  const std::string lower = raw_tar({{"d/", '5'},
                                     {"d/old", '0', "1"},
                                     {"e/", '5'},
                                     {"e/f", '0', "2"},
                                     {"g", '0', "3"},
                                     {"h", '0', "4"}});
  const std::string upper = raw_tar({{"d/new", '0', "5"},
                                     {"d/.wh..wh..opq", '0'},
                                     {".wh.e", '0'},
                                     {".wh.g", '0'},
                                     {"h", '0', "6"},
                                     {".wh.h", '0'}});
  EXPECT_EQ(files_of({lower, upper}), (Files{{"d", "/"}, {"d/new", "5"}, {"h", "6"}}));
}

TEST(Image, WhiteoutTricksLeadNowhere) {
  EXPECT_NE(refusal({{".wh.", '0'}}), "accepted");
  EXPECT_NE(refusal({{".wh..", '0'}}), "accepted");
  EXPECT_NE(refusal({{".wh...", '0'}}), "accepted");
  EXPECT_EQ(refusal({{".wh.gone", '0'}}), "accepted");
}

TEST(Image, NamesThatLeadOutsideAreRefused) {
  EXPECT_EQ(refusal({{"../evil", '0'}}), "layer: a name that leads outside: ../evil");
  EXPECT_EQ(refusal({{"a/../../evil", '0'}}), "layer: a name that leads outside: a/../../evil");
  EXPECT_EQ(refusal({{"/etc/passwd", '0'}}), "layer: an absolute name: /etc/passwd");
  EXPECT_EQ(refusal({{"hard", '1', "", "../../etc/shadow"}}),
            "layer: a name that leads outside: ../../etc/shadow");
  EXPECT_EQ(refusal({{"hard", '1', "", "/etc/shadow"}}), "layer: an absolute name: /etc/shadow");
  EXPECT_EQ(refusal({{"./a/./b", '0'}}), "accepted");
}

TEST(Image, ALinkOnTheWayStaysInsideTheTree) {
  EXPECT_EQ(files_of({raw_tar({{"out", '2', "", "/../../tmp"}, {"out/evil", '0', "x"}})}),
            (Files{{"out", "-> /../../tmp"}, {"tmp", "/"}, {"tmp/evil", "x"}}));
  EXPECT_EQ(
      files_of({raw_tar({{"usr/lib/", '5'}, {"lib", '2', "", "usr/lib"}}),
                raw_tar({{"lib/x.so", '0', "elf"}})}),
      (Files{{"lib", "-> usr/lib"}, {"usr", "/"}, {"usr/lib", "/"}, {"usr/lib/x.so", "elf"}}));
}

TEST(Image, LinksInACircleAreRefused) {
  EXPECT_EQ(refusal({{"a", '2', "", "b"}, {"b", '2', "", "a"}, {"a/x", '0'}}),
            "layer: links in a circle: a");
}

TEST(Image, HardLinksAreFurtherNamesEvenWhenTheFirstIsGone) {
  EXPECT_EQ(files_of({raw_tar({{"a", '0', "content"}, {"b", '1', "", "a"}, {"c", '1', "", "b"}}),
                      raw_tar({{".wh.a", '0'}})}),
            (Files{{"b", "content"}, {"c", "content"}}));
  EXPECT_EQ(refusal({{"b", '1', "", "absent"}}), "layer: a hard link to no file: absent");
}

TEST(Image, DevicesAreLeftOut) {
  EXPECT_EQ(files_of({raw_tar({{"null", '3'}, {"pipe", '6'}, {"a", '0', "x"}})}),
            (Files{{"a", "x"}}));
}

TEST(Image, BombsEndAtTheLimit) {
  const std::string bomb = gzip(raw_tar({{"zeros", '0', std::string(8 << 20, '\0')}}));
  EXPECT_LT(bomb.size(), 64U << 10);
  const std::string archive = archive_of({{bomb}});
  EXPECT_TRUE(flatten(archive, {.bytes_max = 9 << 20}));
  EXPECT_EQ(flatten(archive, {.bytes_max = 8 << 20}).error().message,
            "image: unpacks to more than the 8 MiB that it may");
  std::vector<Item> many(1000);
  for (std::size_t i = 0; i < many.size(); ++i) many[i].path = "f" + std::to_string(i);
  const std::string wide = archive_of({{raw_tar(many)}});
  EXPECT_TRUE(flatten(wide, {.entries_max = 1000}));
  EXPECT_FALSE(flatten(wide, {.entries_max = 999}));
  std::string deep;
  for (int i = 0; i < 45; ++i) deep += "a/";
  EXPECT_EQ(refusal({{deep, '5'}}), "accepted");
}

TEST(Image, ADamagedLayerIsNotTaken) {
  const std::string layer = raw_tar({{"a", '0', "content"}});
  std::string archive = archive_of({{layer}});
  ASSERT_TRUE(flatten(archive));
  archive[archive.find("content")] = 'C';
  EXPECT_EQ(flatten(archive).error().code, Code::Corrupt);
}

TEST(Image, OfAnotherMachineIsNamed) {
  EXPECT_EQ(flatten(archive_of({{raw_tar({})}, "[]", "arm64"})).error().message,
            "image: holds none for linux/amd64");
}

TEST(Image, WhatIsNoArchiveIsRefusedWithAWord) {
  EXPECT_FALSE(flatten(""));
  EXPECT_FALSE(flatten(gzip(raw_tar({}))));
  EXPECT_EQ(flatten(raw_tar({{"manifest.json", '0', "[]"}})).error().message.find("Docker") !=
                std::string::npos,
            true);
}

TEST(Image, NoShortenedOrDamagedArchiveGetsTheParserIntoTrouble) {
  const std::string archive = archive_of({{gzip(
      raw_tar({{"d/", '5'}, {"d/a", '0', "text"}, {"l", '2', "", "d"}, {"h", '1', "", "d/a"}}))}});
  std::uint64_t state = 1;
  for (int round = 0; round < 300; ++round) {
    std::string bad = archive;
    for (int i = 0; i < 3; ++i) {
      state = state * 6364136223846793005U + 1442695040888963407U;
      char& byte = bad[static_cast<std::size_t>(state >> 33) % bad.size()];
      byte = static_cast<char>(byte ^ static_cast<char>(state >> 24));
    }
    bad.resize(bad.size() - static_cast<std::size_t>(state >> 40) % bad.size() / 2);
    (void)flatten(bad);
  }
  EXPECT_TRUE(flatten(archive));
}

}  // namespace
}  // namespace coffer::env
