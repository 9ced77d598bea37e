// Makes image archives for tests, hostile ones included.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <string>
#include <vector>

#include "crypto/crypto.h"
#include "env/tar.h"

namespace coffer::env {

// A tar block as a hostile tool would write it: any name, any type.
struct Item {
  std::string path;
  char type{'0'};
  std::string content{};
  std::string target{};
  std::uint32_t mode{0644};
};

inline std::string raw_tar(const std::vector<Item>& items) {
  std::string tar;
  for (const auto& item : items) {
    std::string block = header(
        {.kind = EntryKind::File, .path = "x", .mode = item.mode, .size = item.content.size()});
    std::fill_n(block.begin(), 100, '\0');
    item.path.copy(block.data(), 100);
    block[156] = item.type;
    item.target.copy(block.data() + 157, 100);
    std::fill_n(block.begin() + 148, 8, ' ');
    unsigned sum = 0;
    for (const char c : block) sum += static_cast<unsigned char>(c);
    std::array<char, 8> digits{};
    (void)std::snprintf(digits.data(), digits.size(), "%06o", sum);
    std::copy_n(digits.begin(), 7, block.begin() + 148);
    tar += block + item.content + std::string(padding_after(item.content.size()), '\0');
  }
  return tar + end_of_tar();
}

struct Image {
  std::vector<std::string> layers;
  std::string environment{R"(["PATH=/bin","LANG=C.UTF-8"])"};
  std::string architecture{"amd64"};
};

inline std::string descriptor(const std::string& blob, const std::string& extra = {}) {
  return R"({"digest":")" + sha256(blob).text() + R"(","size":)" + std::to_string(blob.size()) +
         extra + "}";
}

inline std::string archive_of(const Image& image) {
  std::vector<Item> items;
  const auto add = [&](const std::string& blob) {
    items.push_back({.path = "blobs/sha256/" + sha256(blob).text().substr(7), .content = blob});
  };
  const std::string config = R"({"config":{"Env":)" + image.environment + "}}";
  std::string layers;
  for (const auto& layer : image.layers) {
    layers += (layers.empty() ? "" : ",") + descriptor(layer);
    add(layer);
  }
  const std::string manifest =
      R"({"config":)" + descriptor(config) + R"(,"layers":[)" + layers + "]}";
  const std::string platform =
      R"(,"platform":{"os":"linux","architecture":")" + image.architecture + R"("})";
  add(config);
  add(manifest);
  items.push_back({.path = "index.json",
                   .content = R"({"manifests":[)" + descriptor(manifest, platform) + "]}"});
  return raw_tar(items);
}

}  // namespace coffer::env
