#include "net/server.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include "net/test_net.h"

namespace coffer::net {
namespace {

std::string get(std::string_view path, std::string_view more = "") {
  return fmt::format("GET {} HTTP/1.1\r\nHost: a\r\n{}\r\n", path, more);
}

std::string post(std::string_view body) {
  return fmt::format("POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{}", body.size(),
                     body);
}

std::string first_line(const std::string& answer) { return answer.substr(0, answer.find("\r\n")); }

bool ends_with(const std::string& text, std::string_view end) { return text.ends_with(end); }

TEST(Server, AnswersAndKeepsTheConnection) {
  TestServer server;
  RawClient client{server.port};
  client.say(get("/a"));
  const std::string answer = client.hear_answer();
  EXPECT_EQ(first_line(answer), "HTTP/1.1 200 OK");
  EXPECT_NE(answer.find("\r\nDate: "), std::string::npos);
  EXPECT_TRUE(ends_with(answer, "GET /a "));
  client.say(post("body"));
  EXPECT_TRUE(ends_with(client.hear_answer(), "POST /p body"));
  client.say(get("/b", "Connection: close\r\n"));
  EXPECT_NE(client.hear_answer().find("Connection: close"), std::string::npos);
  EXPECT_TRUE(client.closed_by_peer());
}

TEST(Server, PipelinedRequestsAreAnsweredInOrder) {
  TestServer server;
  RawClient client{server.port};
  client.say(get("/a") + post("x") + get("/b"));
  EXPECT_TRUE(ends_with(client.hear_answer(), "GET /a "));
  EXPECT_TRUE(ends_with(client.hear_answer(), "POST /p x"));
  EXPECT_TRUE(ends_with(client.hear_answer(), "GET /b "));
}

TEST(Server, ARequestMayArriveByteByByte) {
  TestServer server;
  RawClient client{server.port};
  const std::string chunked =
      "\r\nPOST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: v\r\n\r\n";
  for (const char c : chunked) client.say({&c, 1});
  EXPECT_TRUE(ends_with(client.hear_answer(), "POST /p abcde"));
}

TEST(Server, AnswersLaterAndOnlyOnce) {
  TestServer server;
  std::optional<Reply> kept;
  server.handler.serve_with = [&](const Request&, Reply reply) { kept.emplace(std::move(reply)); };
  RawClient client{server.port};
  client.say(get("/a"));
  ASSERT_TRUE(server.eventually([&] { return kept.has_value(); }));
  server.on_loop([&] { EXPECT_FALSE(kept->client_gone()); });
  server.on_loop([&] { std::move(*kept).send(Response::text(202, "later")); });
  server.on_loop([&] { std::move(*kept).send(Response::text(500, "again")); });
  EXPECT_TRUE(ends_with(client.hear_answer(), "later"));
  server.on_loop([&] { kept.reset(); });
  server.handler.serve_with = [](const Request&, Reply reply) {
    std::move(reply).send(Response::empty(204));
  };
  client.say(get("/b"));
  const std::string answer = client.hear_answer();
  EXPECT_EQ(first_line(answer), "HTTP/1.1 204 No Content");
  EXPECT_EQ(answer.find("Content-Length"), std::string::npos);
}

TEST(Server, ADroppedReplyIsAnInternalError) {
  TestServer server;
  server.handler.serve_with = [](const Request&, Reply) {};
  RawClient client{server.port};
  client.say(get("/a"));
  EXPECT_EQ(first_line(client.hear_answer()), "HTTP/1.1 500 Internal Server Error");
}

TEST(Server, ALateReplyFindsThatItsClientIsGone) {
  TestServer server;
  std::optional<Reply> kept;
  server.handler.serve_with = [&](const Request&, Reply reply) { kept.emplace(std::move(reply)); };
  RawClient client{server.port};
  client.say(get("/a"));
  ASSERT_TRUE(server.eventually([&] { return kept.has_value(); }));
  client.hang_up();
  EXPECT_TRUE(server.eventually([&] { return kept->client_gone(); }));
  server.on_loop([&] { std::move(*kept).send(Response::text(200, "nobody")); });
  server.on_loop([&] { kept.reset(); });
  EXPECT_TRUE(server.eventually([&] { return server.server->connections() == 0; }));
}

TEST(Server, AHalfClosedClientStillGetsItsAnswer) {
  TestServer server;
  RawClient client{server.port};
  client.say(get("/a"));
  client.stop_saying();
  EXPECT_TRUE(ends_with(client.hear_all(), "GET /a "));
}

TEST(Server, HeadHasTheLengthAndNoBody) {
  TestServer server;
  RawClient client{server.port};
  client.say("HEAD /a HTTP/1.1\r\nHost: a\r\n\r\n" + get("/b"));
  const std::string head = client.hear_until("\r\n\r\n");
  EXPECT_NE(head.find("Content-Length: 8\r\n"), std::string::npos);
  EXPECT_TRUE(ends_with(client.hear_answer(), "GET /b ")) << "the next answer follows at once";
}

// ---- Hostile requests --------------------------------------------------------------------------

// What comes back for these bytes, until the server closes.
std::string told(TestServer& server, std::string_view bytes) {
  RawClient client{server.port};
  client.say(bytes);
  return client.hear_all();
}

TEST(Server, NothingIsSmuggledBehindAnAmbiguousLength) {
  TestServer server;
  const std::string hidden = get("/hidden");
  for (const auto* lines :
       {"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 0\r\nContent-Length: 33\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: chunked, gzip\r\n", "Transfer-Encoding : chunked\r\n",
        "X: y\r\n Content-Length: 0\r\n", "Content-Length: 0\nX: y\r\n"}) {
    const std::string answer = told(
        server, fmt::format("POST /p HTTP/1.1\r\nHost: a\r\n{}\r\n0\r\n\r\n{}", lines, hidden));
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 400") || answer.starts_with("HTTP/1.1 501")) << lines;
    EXPECT_NE(answer.find("Connection: close"), std::string::npos) << lines;
    EXPECT_EQ(answer.find("hidden"), std::string::npos) << lines;
  }
  EXPECT_EQ(server.handler.served, 0);
  EXPECT_NE(told(server, post("12345") + get("/hidden", "Connection: close\r\n")).find("hidden"),
            std::string::npos)
      << "the permitted neighbour";
}

TEST(Server, HeadsAreLimited) {
  TestServer server{{.limits = {.head_bytes = 1000}}};
  const auto sized = [](std::size_t bytes) {
    std::string head = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX: ";
    return head + std::string(bytes - head.size() - 4, 'x') + "\r\n\r\n";
  };
  EXPECT_TRUE(told(server, sized(1000)).starts_with("HTTP/1.1 200"));
  EXPECT_TRUE(told(server, sized(1001)).starts_with("HTTP/1.1 431"));
  EXPECT_TRUE(told(server, std::string(1 << 20, 'x')).starts_with("HTTP/1.1 431"));
  std::string flood = "GET / HTTP/1.1\r\n";
  for (int i = 0; i < 100'000; ++i) flood += "X: y\r\n";
  EXPECT_TRUE(told(server, flood).starts_with("HTTP/1.1 431"));
}

TEST(Server, WhatIsNoRequestIsRefused) {
  TestServer server;
  EXPECT_TRUE(told(server, "\x16\x03\x01\x02\x01 hello\r\n\r\n").starts_with("HTTP/1.1 400"));
  EXPECT_TRUE(told(server, "\r\n\r\n\r\n\r\n").starts_with("HTTP/1.1 400"));
  EXPECT_TRUE(told(server, "GET / HTTP/3.0\r\nHost: a\r\n\r\n").starts_with("HTTP/1.1 505"));
  EXPECT_TRUE(told(server, get("/../etc/passwd")).starts_with("HTTP/1.1 400"));
  EXPECT_EQ(server.handler.served, 0);
}

TEST(Server, AProblemIsRenderedByTheHandler) {
  class Rendering final : public Handler {
   public:
    Intake admit(const Head&) override { return IntoMemory{}; }
    void serve(Request, Reply reply) override { std::move(reply).send(Response::empty(204)); }
    Response problem(int status, std::string_view code, std::string_view) override {
      return Response::text(status, fmt::format("{{\"code\":\"{}\"}}", code),
                            "application/problem+json");
    }
  };
  Loop loop = *Loop::open();
  Rendering handler;
  const auto server = Server::open(loop, *listen_on("127.0.0.1:0"), handler);
  ASSERT_TRUE(server);
  RawClient client{server->port()};
  client.say("GET / HTTP/1.1\r\n\r\n");
  loop.run_for(100ms);
  EXPECT_NE(client.hear_answer().find(R"({"code":"host_required"})"), std::string::npos);
}

// ---- Bodies ------------------------------------------------------------------------------------

TEST(Server, BodiesInMemoryAreLimited) {
  TestServer server;
  server.handler.admit_with = [](const Head&) { return IntoMemory{.bytes_max = 10}; };
  EXPECT_TRUE(
      told(server, post("1234567890") + get("/", "Connection: close\r\n")).find("1234567890") !=
      std::string::npos);
  EXPECT_TRUE(told(server, post("12345678901")).starts_with("HTTP/1.1 413"));
  const std::string chunked = "POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  EXPECT_TRUE(
      told(server, chunked + "6\r\n123456\r\n5\r\n12345\r\n0\r\n\r\n").starts_with("HTTP/1.1 413"));
  EXPECT_TRUE(told(server, chunked + "zz\r\n").starts_with("HTTP/1.1 400"));
  EXPECT_EQ(server.handler.served, 2);
}

TEST(Server, NoAdmissionExceedsTheServersLimit) {
  TestServer server{{.limits = {.body_memory_max = 10}}};
  server.handler.admit_with = [](const Head&) { return IntoMemory{.bytes_max = 1 << 30}; };
  EXPECT_TRUE(told(server, post("12345678901")).starts_with("HTTP/1.1 413"));
}

TEST(Server, ARefusedUploadHearsWhyBeforeItIsSent) {
  TestServer server;
  server.handler.admit_with = [](const Head& head) -> Intake {
    EXPECT_EQ(head.content_length, 1U << 20);
    return Response::text(403, "no");
  };
  RawClient client{server.port};
  client.say("POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 1048576\r\n\r\n");
  EXPECT_TRUE(ends_with(client.hear_answer(), "no"));
  (void)client.say(std::string(1 << 20, 'x'));  // a client that sends anyway is heard out
  EXPECT_TRUE(client.closed_by_peer());
  EXPECT_EQ(server.handler.served, 0);
}

TEST(Server, ExpectContinueIsAnsweredOnceTheRequestIsAdmitted) {
  TestServer server;
  RawClient client{server.port};
  client.say("POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.hear_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.say("body");
  EXPECT_TRUE(ends_with(client.hear_answer(), "POST /p body"));
}

// Receives into `file`, from `offset`; says how much of a body that was cut had arrived.
class Uploads : public ::testing::Test {
 protected:
  void SetUp() override {
    server_.handler.admit_with = [this](const Head& head) -> Intake {
      const std::string offset{head.headers.get("Upload-Offset")};
      return IntoFile{UniqueFd{::dup(file_.get())}, std::stoull(offset), 1 << 20,
                      [this](std::uint64_t bytes) { cut_ = bytes; }};
    };
    server_.handler.serve_with = [](const Request& request, Reply reply) {
      std::move(reply).send(Response::text(200, std::to_string(request.body_bytes)));
    };
  }
  static std::string patch(std::size_t offset, std::size_t length) {
    return fmt::format(
        "PATCH /u HTTP/1.1\r\nHost: a\r\nUpload-Offset: {}\r\nContent-Length: {}\r\n\r\n", offset,
        length);
  }
  UniqueFd file_ = file_with("");
  std::optional<std::uint64_t> cut_;
  TestServer server_;
};

TEST_F(Uploads, GoToTheFileAtTheirOffset) {
  const std::string whole = pattern(700'000);
  RawClient client{server_.port};
  client.say(patch(0, 300'000) + whole.substr(0, 300'000));
  EXPECT_TRUE(ends_with(client.hear_answer(), "300000"));
  client.say(patch(300'000, 400'000) + whole.substr(300'000));
  EXPECT_TRUE(ends_with(client.hear_answer(), "400000"));
  EXPECT_EQ(content_of(file_.get()), whole);
}

TEST_F(Uploads, ChunkedOnesToo) {
  RawClient client{server_.port};
  client.say(
      "PATCH /u HTTP/1.1\r\nHost: a\r\nUpload-Offset: 2\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3\r\nabc\r\n0\r\n\r\n");
  EXPECT_TRUE(ends_with(client.hear_answer(), "3"));
  EXPECT_EQ(content_of(file_.get()), std::string("\0\0abc", 5));
}

TEST_F(Uploads, AHalfBodyIsKeptAndReported) {
  {
    RawClient client{server_.port};
    client.say(patch(0, 100) + "forty bytes of a hundred, then silence..");
  }
  EXPECT_TRUE(server_.eventually([&] { return cut_ == 40U; }));
  EXPECT_EQ(content_of(file_.get()).size(), 40U);
  EXPECT_EQ(server_.handler.served, 0);
}

TEST(Server, AStalledBodyTimesOut) {
  TestServer server{{.limits = {.stall_time = 100ms}}};
  std::optional<std::uint64_t> cut;
  server.handler.admit_with = [&](const Head&) -> Intake {
    return IntoFile{file_with(""), 0, 100, [&](std::uint64_t bytes) { cut = bytes; }};
  };
  RawClient client{server.port};
  client.say("PUT /u HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nfour");
  EXPECT_TRUE(client.hear_answer().starts_with("HTTP/1.1 408"));
  EXPECT_TRUE(server.eventually([&] { return cut == 4U; }));
}

TEST_F(Uploads, OnesThatAreTooLongAreRefused) {
  RawClient client{server_.port};
  client.say(patch(0, (1 << 20) + 1));
  EXPECT_TRUE(client.hear_answer().starts_with("HTTP/1.1 413"));
  EXPECT_TRUE(server_.eventually([&] { return cut_ == 0U; }));
}

TEST_F(Uploads, AFileThatCannotBeWrittenIsNotTheClientsFault) {
  file_ = UniqueFd{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
  RawClient client{server_.port};
  client.say(patch(0, 5) + "hello");
  EXPECT_TRUE(client.hear_answer().starts_with("HTTP/1.1 503"));
  EXPECT_TRUE(server_.eventually([&] { return cut_ == 0U; }));
}

// ---- Files -------------------------------------------------------------------------------------

TEST(Server, SendsFilesAndRangesOfThem) {
  TestServer server;
  const std::string content = pattern(5 << 20);
  server.handler.serve_with = [&](const Request& request, Reply reply) {
    std::move(reply).send(file_response(request.head, file_with(content), content.size(),
                                        "application/octet-stream"));
  };
  RawClient client{server.port};
  client.say(get("/f"));
  const std::string whole = client.hear_answer();
  EXPECT_EQ(whole.substr(whole.find("\r\n\r\n") + 4), content);
  client.say(get("/f", "Range: bytes=4000000-4000099\r\n"));
  const std::string part = client.hear_answer();
  EXPECT_TRUE(part.starts_with("HTTP/1.1 206"));
  EXPECT_NE(part.find("Content-Range: bytes 4000000-4000099/5242880"), std::string::npos);
  EXPECT_EQ(part.substr(part.find("\r\n\r\n") + 4), content.substr(4000000, 100));
}

TEST(Server, AFileThatShrankEndsTheConnection) {
  TestServer server;
  server.handler.serve_with = [](const Request&, Reply reply) {
    Response response;
    response.body = FileRange{file_with("short"), 0, 100};
    std::move(reply).send(std::move(response));
  };
  RawClient client{server.port};
  client.say(get("/f"));
  EXPECT_TRUE(ends_with(client.hear_all(), "short"));
  EXPECT_TRUE(client.closed_by_peer());
}

// ---- Time and numbers --------------------------------------------------------------------------

TEST(Server, ASlowHeadTimesOutAndSilenceIsClosed) {
  TestServer hasty{{.limits = {.head_time = 100ms}}};
  RawClient slow{hasty.port};
  slow.say("GET / HT");
  EXPECT_TRUE(slow.hear_all().starts_with("HTTP/1.1 408"));
  RawClient silent{hasty.port};
  EXPECT_TRUE(silent.closed_by_peer());
  TestServer server{{.limits = {.idle_time = 100ms}}};
  RawClient idle{server.port};
  idle.say(get("/a"));
  EXPECT_TRUE(ends_with(idle.hear_answer(), "GET /a "));
  EXPECT_TRUE(idle.closed_by_peer());
}

TEST(Server, AClientThatDoesNotReadIsCut) {
  TestServer server{{.limits = {.stall_time = 200ms, .rate_min = 1 << 30}}};
  server.handler.serve_with = [](const Request&, Reply reply) {
    std::move(reply).send(Response::text(200, std::string(64 << 20, 'x')));
  };
  RawClient client{server.port};
  client.say(get("/a"));
  EXPECT_TRUE(server.eventually([&] { return server.handler.served == 1; }));
  EXPECT_TRUE(server.eventually([&] { return server.server->connections() == 0; }));
}

TEST(Server, PeersAreNamed) {
  TestServer server;
  server.handler.serve_with = [](const Request& request, Reply reply) {
    const Peer& peer = request.head.peer;
    std::move(reply).send(Response::text(200, peer.address + (peer.loopback ? " loopback" : "")));
  };
  RawClient client{server.port};
  client.say(get("/"));
  EXPECT_TRUE(ends_with(client.hear_answer(), "127.0.0.1 loopback"));
}

// ---- Listening ---------------------------------------------------------------------------------

TEST(Server, ListensOnlyWhereItCan) {
  const auto first = listen_on("127.0.0.1:0");
  ASSERT_TRUE(first);
  sockaddr_in at{};
  socklen_t size = sizeof at;
  ASSERT_EQ(::getsockname(first->get(), reinterpret_cast<sockaddr*>(&at), &size), 0);
  const auto taken = listen_on(fmt::format("127.0.0.1:{}", ntohs(at.sin_port)));
  EXPECT_EQ(taken.error().code, Code::AlreadyExists);
  EXPECT_EQ(taken.error().rule, "address_in_use");
  for (const auto* address : {"", "127.0.0.1", "127.0.0.1:", ":80", "127.0.0.1:http",
                              "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1: 80", "999.1.1.1:0"}) {
    EXPECT_EQ(listen_on(address).error().code, Code::InvalidArgument) << address;
  }
  Loop loop = *Loop::open();
  TestHandler handler;
  EXPECT_FALSE(Server::open(loop, file_with(""), handler));
  UniqueFd unbound{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  EXPECT_EQ(Server::open(loop, std::move(unbound), handler).error().code, Code::InvalidArgument);
}

TEST(Server, MayBeDestroyedByItsOwnHandler) {
  TestServer server;
  server.handler.serve_with = [&](const Request&, Reply reply) {
    server.server.reset();
    std::move(reply).send(Response::text(200, "too late"));
  };
  RawClient client{server.port};
  client.say(get("/a"));
  EXPECT_TRUE(client.closed_by_peer());
}

}  // namespace
}  // namespace coffer::net
