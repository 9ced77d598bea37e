#include "os/channel.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

namespace coffer {
namespace {

struct Ends {
  Channel left;
  Channel right;
};

Ends make_ends() {
  auto pair = make_channel_pair().value();
  return {Channel{std::move(pair.first)}, Channel{std::move(pair.second)}};
}

TEST(Channel, DeliversRecordsWholeAndInOrder) {
  auto [left, right] = make_ends();
  ASSERT_TRUE(left.send(bytes_of("one"), 1s));
  ASSERT_TRUE(left.send(bytes_of(""), 1s));
  EXPECT_EQ(text_of(right.receive(1s).value()), "one");
  EXPECT_EQ(text_of(right.receive(1s).value()), "");
}

TEST(Channel, CarriesTheLongestRecordAndRefusesALongerOne) {
  auto [left, right] = make_ends();
  const ByteVector longest(kRecordMax, std::byte{7});
  std::thread sender([&left = left, &longest] { ASSERT_TRUE(left.send(longest, 10s)); });
  EXPECT_EQ(right.receive(10s).value(), longest);
  sender.join();
  const ByteVector longer(kRecordMax + 1);
  EXPECT_EQ(left.send(longer, 1s).error().code, Code::InvalidArgument);
}

TEST(Channel, RefusesAnAnnouncedLengthAboveTheLimit) {
  auto pair = make_channel_pair().value();
  ASSERT_EQ(::send(pair.first.get(), "\x01\x00\x00\x01", 4, 0), 4);
  Channel right{std::move(pair.second)};
  EXPECT_EQ(right.receive(1s).error().code, Code::Corrupt);
}

TEST(Channel, KeepsWhatArrivedWhenTheTimeoutPasses) {
  auto pair = make_channel_pair().value();
  Channel right{std::move(pair.second)};
  ASSERT_EQ(::send(pair.first.get(), "\0\0\0\2a", 5, 0), 5);
  EXPECT_EQ(right.receive(0s).error().code, Code::Cancelled);
  ASSERT_EQ(::send(pair.first.get(), "b", 1, 0), 1);
  EXPECT_EQ(text_of(right.receive(1s).value()), "ab");
}

TEST(Channel, TellsAPeerThatIsGoneFromOneThatIsSlow) {
  auto pair = make_channel_pair().value();
  Channel right{std::move(pair.second)};
  EXPECT_EQ(right.receive(0s).error().code, Code::Cancelled);
  pair.first.reset();
  EXPECT_EQ(right.receive(1s).error().code, Code::Unavailable);
  EXPECT_EQ(right.send(bytes_of("x"), 1s).error().code, Code::Unavailable);
}

TEST(Channel, GivesUpSendingToAPeerThatDoesNotRead) {
  auto [left, right] = make_ends();
  EXPECT_EQ(left.send(ByteVector(kRecordMax), 20ms).error().code, Code::Cancelled);
}

TEST(Channel, HandsADescriptorOverWithItsTag) {
  auto control = make_channel_pair().value();
  auto passed = make_channel_pair().value();
  ASSERT_TRUE(send_fd(control.first.get(), 'k', passed.first.get()));
  auto got = receive_fd(control.second.get(), 1s).value();
  EXPECT_EQ(got.tag, 'k');
  Channel ours{std::move(passed.second)};
  Channel theirs{std::move(got.fd)};
  ASSERT_TRUE(ours.send(bytes_of("hello"), 1s));
  EXPECT_EQ(text_of(theirs.receive(1s).value()), "hello");
}

TEST(Channel, RefusesAControlMessageWithoutDescriptor) {
  auto control = make_channel_pair().value();
  ASSERT_EQ(::send(control.first.get(), "k", 1, 0), 1);
  EXPECT_EQ(receive_fd(control.second.get(), 1s).error().code, Code::Corrupt);
  control.first.reset();
  EXPECT_EQ(receive_fd(control.second.get(), 1s).error().code, Code::Unavailable);
}

}  // namespace
}  // namespace coffer
