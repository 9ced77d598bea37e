#include "net/events.h"

#include <gtest/gtest.h>

namespace coffer::net {
namespace {

TEST(Events, AreTheSameHoweverTheyAreCut) {
  const std::vector<Event> sent{
      {"1", "state", "{\"a\":1}"}, {"2", "", "two\nlines"}, {"3", "x", ""}};
  std::string wire = ": hello\n\n";
  for (const auto& event : sent) wire += render_event(event) + ":\n\n";
  for (std::size_t size = 1; size <= wire.size(); ++size) {
    EventReader reader;
    std::vector<Event> heard;
    for (std::size_t at = 0; at < wire.size(); at += size) {
      for (auto& event : reader.feed(std::string_view{wire}.substr(at, size)))
        heard.push_back(event);
    }
    EXPECT_EQ(heard, sent) << size;
    EXPECT_EQ(reader.last_id(), "3");
  }
}

TEST(Events, LineEndsOfAllKindsAreRead) {
  EventReader reader;
  const auto events = reader.feed("data: a\r\ndata:b\r\revent: e\ndata: c\n\ndata");
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[0].data, "a\nb");
  EXPECT_EQ(events[1].name, "e");
}

TEST(Events, NothingCanBeSmuggledIntoAnIdOrName) {
  EXPECT_EQ(render_event({"1\ndata: x", "n\r\n", "d"}), "id: 1 data: x\nevent: n  \ndata: d\n\n");
}

TEST(Events, AnEndlessEventIsNotKept) {
  EventReader reader;
  const std::string line = "data: " + std::string(1000, 'x') + "\n";
  for (int i = 0; i < 3000; ++i) (void)reader.feed(line);
  const auto events = reader.feed("\n");
  ASSERT_EQ(events.size(), 1U);
  EXPECT_LE(events[0].data.size(), 2 * kEventBytesMax);
}

}  // namespace
}  // namespace coffer::net
