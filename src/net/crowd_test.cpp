#include <gtest/gtest.h>

#include <vector>

#include "net/test_net.h"

namespace coffer::net {
namespace {

std::string get(std::string_view path) {
  return fmt::format("GET {} HTTP/1.1\r\nHost: a\r\n\r\n", path);
}

// Requests wait for their answer until the test gives it.
struct Holding {
  explicit Holding(TestServer& on) : server(on) {
    server.handler.serve_with = [this](const Request&, Reply reply) {
      replies.push_back(std::move(reply));
    };
  }
  bool has(std::size_t count) {
    return server.eventually([&] { return replies.size() == count; });
  }
  void answer() {
    server.on_loop([&] {
      for (auto& reply : replies) std::move(reply).send(Response::text(200, "at last"));
      replies.clear();
    });
  }
  TestServer& server;
  std::vector<Reply> replies;
};

TEST(Crowd, AtTheLimitTheIdleMakeWayAndTheBusyDoNot) {
  TestServer server{{.limits = {.connections = 2}}};
  RawClient idle{server.port};
  idle.say(get("/idle"));
  EXPECT_TRUE(idle.hear_answer().ends_with("GET /idle "));
  Holding holding{server};
  RawClient busy{server.port};
  busy.say(get("/busy"));
  EXPECT_TRUE(holding.has(1));
  RawClient third{server.port};
  third.say(get("/third"));
  EXPECT_TRUE(idle.closed_by_peer());
  EXPECT_TRUE(holding.has(2));
  RawClient fourth{server.port};
  EXPECT_TRUE(fourth.hear_all().starts_with("HTTP/1.1 503"));
  holding.answer();
  EXPECT_TRUE(third.hear_answer().ends_with("at last"));
}

TEST(Crowd, ThoseThatNeverSaidAWordMakeWayToo) {
  TestServer server{{.limits = {.connections = 2}}};
  RawClient silent{server.port};
  EXPECT_TRUE(server.eventually([&] { return server.server->connections() == 1; }));
  RawClient as_silent{server.port};
  EXPECT_TRUE(server.eventually([&] { return server.server->connections() == 2; }));
  RawClient third{server.port};
  third.say(get("/third"));
  EXPECT_TRUE(third.hear_answer().ends_with("GET /third "));
  EXPECT_TRUE(silent.closed_by_peer());
}

TEST(Crowd, OneAddressDoesNotGetEveryConnection) {
  TestServer server{{.limits = {.connections_per_address = 1}}};
  Holding holding{server};
  RawClient busy{server.port};
  busy.say(get("/busy"));
  EXPECT_TRUE(holding.has(1));
  RawClient second{server.port};
  EXPECT_TRUE(second.hear_all().starts_with("HTTP/1.1 503"));
  busy.hang_up();
  EXPECT_TRUE(server.eventually([&] { return holding.replies[0].client_gone(); }));
  holding.answer();
  EXPECT_TRUE(server.eventually([&] { return server.server->connections() == 0; }));
  RawClient third{server.port};
  third.say(get("/third"));
  EXPECT_TRUE(holding.has(1));
  holding.answer();
  EXPECT_TRUE(third.hear_answer().ends_with("at last"));
}

}  // namespace
}  // namespace coffer::net
