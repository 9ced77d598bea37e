// A server that stops, or is silent for a while: what is under way is finished first.
#include <gtest/gtest.h>

#include <optional>

#include "net/test_net.h"

namespace coffer::net {
namespace {

std::string get(std::string_view path) {
  return fmt::format("GET {} HTTP/1.1\r\nHost: a\r\n\r\n", path);
}

// One request is under way: its Reply is kept.
struct BusyServer : TestServer {
  explicit BusyServer(const std::string& said) {
    handler.serve_with = [this](const Request&, Reply reply) { kept.emplace(std::move(reply)); };
    busy.emplace(port);
    busy->say(said);
    EXPECT_TRUE(eventually([this] { return kept.has_value(); }));
  }
  ~BusyServer() {
    on_loop([this] { kept.reset(); });
  }
  void finish() { std::move(*kept).send(Response::text(200, "finished")); }

  std::optional<Reply> kept;
  std::optional<RawClient> busy;
};

TEST(Drain, DrainsLettingRequestsUnderWayFinish) {
  BusyServer server{get("/a") + get("/b")};
  RawClient idle{server.port};
  ASSERT_TRUE(server.eventually([&] { return server.server->connections() == 2; }));
  bool drained = false;
  server.on_loop([&] { server.server->drain(1min, [&] { drained = true; }); });
  EXPECT_TRUE(idle.closed_by_peer());
  EXPECT_FALSE(RawClient{server.port}.connected());
  server.on_loop([&] {
    EXPECT_FALSE(drained);
    server.finish();
  });
  EXPECT_TRUE(server.eventually([&] { return drained; }));
  const std::string answer = server.busy->hear_answer();
  EXPECT_TRUE(answer.ends_with("finished"));
  EXPECT_NE(answer.find("Connection: close"), std::string::npos);
  EXPECT_TRUE(server.busy->hear_all().empty()) << "the second request was not begun";
}

TEST(Drain, PatienceWithADrainEnds) {
  BusyServer server{get("/a")};
  bool drained = false;
  server.on_loop([&] { server.server->drain(10ms, [&] { drained = true; }); });
  EXPECT_TRUE(server.eventually([&] { return drained; }));
  EXPECT_TRUE(server.busy->closed_by_peer());
}

TEST(Drain, WhoeverComesWhileItIsPausedIsServedWhenItGoesOn) {
  TestServer server;
  RawClient idle{server.port};
  ASSERT_TRUE(server.eventually([&] { return server.server->connections() == 1; }));
  bool quiet = false;
  server.on_loop([&] { server.server->pause(1min, [&] { quiet = true; }); });
  EXPECT_TRUE(idle.closed_by_peer());
  ASSERT_TRUE(server.eventually([&] { return quiet; }));
  RawClient early{server.port};
  ASSERT_TRUE(early.connected());
  early.say(get("/a"));
  server.on_loop([&] { EXPECT_EQ(server.server->connections(), 0U); });
  server.on_loop([&] { server.server->resume(); });
  EXPECT_TRUE(early.hear_answer().starts_with("HTTP/1.1 200"));
  RawClient late{server.port};
  late.say(get("/b"));
  EXPECT_TRUE(late.hear_answer().starts_with("HTTP/1.1 200"));
}

TEST(Drain, IsQuietOnceRequestsUnderWayAreAnswered) {
  BusyServer server{get("/a")};
  bool quiet = false;
  server.on_loop([&] { server.server->pause(1min, [&] { quiet = true; }); });
  server.on_loop([&] {
    EXPECT_FALSE(quiet);
    server.finish();
  });
  EXPECT_TRUE(server.busy->hear_answer().ends_with("finished"));
  EXPECT_TRUE(server.eventually([&] { return quiet; }));
}

TEST(Drain, DrainsWhilePausedAndStaysDrained) {
  TestServer server;
  bool drained = false;
  server.on_loop([&] {
    server.server->pause(1min, [] {});
    server.server->drain(1min, [&] { drained = true; });
    server.server->resume();
  });
  EXPECT_TRUE(server.eventually([&] { return drained; }));
  EXPECT_FALSE(RawClient{server.port}.connected());
}

}  // namespace
}  // namespace coffer::net
