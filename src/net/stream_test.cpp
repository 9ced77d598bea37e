// Streams of events, over real sockets and both sides.
#include <gtest/gtest.h>

#include <thread>

#include "net/client.h"
#include "net/events.h"
#include "net/test_net.h"

namespace coffer::net {
namespace {

const std::string kAsk = "GET /events HTTP/1.1\r\nHost: a\r\nLast-Event-ID: 4\r\n\r\n";

class Streams : public ::testing::Test {
 protected:
  void start(ServerOptions options = {}) {
    server_ = std::make_unique<TestServer>(std::move(options));
    server_->handler.serve_with = [this](const Request& request, Reply reply) {
      asked_after_ = request.head.headers.get("Last-Event-ID");
      stream_.emplace(std::move(reply).stream());
      stream_->on_close([this] { ++closed_; });
    };
  }
  void push(const Event& event) {
    server_->on_loop([&] { stream_->push(event); });
  }
  bool opened() {
    return server_->eventually([&] { return stream_.has_value(); });
  }

  std::string asked_after_;
  std::optional<EventStream> stream_;
  int closed_{0};
  std::unique_ptr<TestServer> server_;
};

TEST_F(Streams, EventsArriveAsTheyArePushed) {
  start();
  RawClient client{server_->port};
  client.say(kAsk);
  const std::string head = client.hear_until("\r\n\r\n");
  EXPECT_NE(head.find("Content-Type: text/event-stream"), std::string::npos);
  server_->on_loop([&] { EXPECT_EQ(asked_after_, "4"); });
  push({"5", "state", "running"});
  EXPECT_EQ(client.hear_until("\n\n"), "id: 5\nevent: state\ndata: running\n\n");
  push({"6", "", "a\nb"});
  EXPECT_EQ(client.hear_until("\n\n"), "id: 6\ndata: a\ndata: b\n\n");
  server_->on_loop([&] {
    stream_->push({"7", "", "last"});
    stream_->close();
    EXPECT_FALSE(stream_->is_open());
    stream_->push({"8", "", "never"});
  });
  EXPECT_EQ(client.hear_all(), "id: 7\ndata: last\n\n");
  EXPECT_EQ(closed_, 0) << "who closes is not told that it is closed";
}

TEST_F(Streams, AClientThatLeavesIsNoticed) {
  start();
  RawClient client{server_->port};
  client.say(kAsk);
  ASSERT_TRUE(opened());
  client.hang_up();
  EXPECT_TRUE(server_->eventually([&] { return closed_ == 1 && !stream_->is_open(); }));
  EXPECT_EQ(server_->server->connections(), 0U);
}

TEST_F(Streams, ASilentStreamBeats) {
  start({.limits = {.event_beat = 20ms}});
  RawClient client{server_->port};
  client.say(kAsk);
  (void)client.hear_until("\r\n\r\n");
  EXPECT_EQ(client.hear_until("\n\n"), ":\n\n");
  EXPECT_EQ(client.hear_until("\n\n"), ":\n\n");
}

TEST_F(Streams, AClientThatFallsBehindIsCut) {
  start({.limits = {.events_pending_bytes = 100'000}});
  RawClient client{server_->port};
  client.say(kAsk);
  ASSERT_TRUE(opened());
  const std::string much(50'000, 'x');
  for (int i = 0; i < 2000 && closed_ == 0; ++i) push({std::to_string(i), "", much});
  EXPECT_TRUE(server_->eventually([&] { return closed_ == 1; }));
}

TEST_F(Streams, ADrainClosesThem) {
  start();
  RawClient client{server_->port};
  client.say(kAsk);
  (void)client.hear_until("\r\n\r\n");
  push({"1", "", "a"});
  bool drained = false;
  server_->on_loop([&] { server_->server->drain(1min, [&] { drained = true; }); });
  EXPECT_EQ(client.hear_all(), "id: 1\ndata: a\n\n");
  EXPECT_TRUE(server_->eventually([&] { return drained; }));
  EXPECT_EQ(closed_, 1);
}

TEST_F(Streams, TheClientReadsThemUntilItHasEnough) {
  start();
  auto client = Client::open({.url = server_->url()});
  std::thread pushing([&] {
    if (!opened()) return;
    for (int i = 1; i <= 3; ++i) push({std::to_string(i), "state", fmt::format("n{}", i)});
  });
  EventReader reader;
  std::vector<Event> heard;
  const auto answer = client->stream({.target = "/events"}, [&](std::string_view piece) {
    for (auto& event : reader.feed(piece)) heard.push_back(std::move(event));
    return heard.size() < 3;
  });
  pushing.join();
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 200);
  ASSERT_EQ(heard.size(), 3U);
  EXPECT_EQ(heard[2], (Event{"3", "state", "n3"}));
  EXPECT_TRUE(server_->eventually([&] { return closed_ == 1; }));
}

}  // namespace
}  // namespace coffer::net
