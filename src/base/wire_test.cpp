#include "base/wire.h"

#include <gtest/gtest.h>

namespace coffer {
namespace {

TEST(Wire, ReadsWhatWasWritten) {
  WireWriter out;
  out.u8(7).u32(8).u64(9).i64(-1).boolean(true).text("ab").bytes({});
  WireReader in{out.data()};
  EXPECT_EQ(in.u8(), 7);
  EXPECT_EQ(in.u32(), 8U);
  EXPECT_EQ(in.u64(), 9U);
  EXPECT_EQ(in.i64(), -1);
  EXPECT_TRUE(in.boolean());
  EXPECT_EQ(in.text(), "ab");
  EXPECT_TRUE(in.bytes().empty());
  EXPECT_TRUE(in.finish());
}

TEST(Wire, EveryCutIsFound) {
  WireWriter out;
  out.u32(8).text("abc").u64(1);
  for (std::size_t length = 0; length < out.data().size(); ++length) {
    WireReader in{ByteView{out.data()}.first(length)};
    (void)in.u32();
    (void)in.text();
    (void)in.u64();
    EXPECT_FALSE(in.finish()) << length;
  }
}

TEST(Wire, RefusesBytesLeftOverAndBadFlags) {
  WireWriter out;
  out.u8(2).u8(0);
  WireReader in{out.data()};
  (void)in.u8();
  EXPECT_FALSE(in.finish());
  WireReader flag{out.data()};
  (void)flag.boolean();
  (void)flag.u8();
  EXPECT_FALSE(flag.finish());
}

}  // namespace
}  // namespace coffer
