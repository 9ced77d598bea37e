#include "keeper/digest_index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

namespace coffer::keeper {
namespace {

// Of few prefixes, so that many share one, and the last of all, after which the first slots follow.
Digest digest_of(std::uint64_t n) {
  Digest out = sha256(std::to_string(n));
  if (n % 3 == 0) std::fill_n(out.bytes.begin(), 8, std::byte{0xff});
  if (n % 7 == 0) std::fill_n(out.bytes.begin(), 8, std::byte{0x5a});
  return out;
}

TEST(DigestIndex, HasEveryPlaceThatWasPut) {
  DigestIndex index;
  EXPECT_TRUE(index.places(digest_of(1)).empty());
  std::map<std::uint64_t, std::uint64_t> model;
  std::mt19937_64 random{3};
  std::uint64_t place = 0;
  for (std::uint64_t n = 0; n < 3000; ++n) {
    index.put(digest_of(n), ++place);
    model[n] = place;
    const std::uint64_t moved = random() % (n + 1);
    index.move(digest_of(moved), model[moved], ++place);
    model[moved] = place;
  }
  EXPECT_EQ(index.size(), model.size());
  for (const auto& [n, wanted] : model) {
    const auto places = index.places(digest_of(n));
    EXPECT_EQ(std::count(places.begin(), places.end(), wanted), 1) << n;
  }
  EXPECT_EQ(index.places(digest_of(1)).size(), 1U);
  EXPECT_TRUE(index.places(sha256("nobody")).empty());
}

}  // namespace
}  // namespace coffer::keeper
